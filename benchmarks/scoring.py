"""Scoring by `kinj_rag` with shared prefixes against lm-eval's `hf`: the same model, the same requests, one run.

    python benchmarks/scoring.py 2>/dev/null  # lm-eval's progress bars

Each arm runs in a process of its own, so that its peak memory is its own; the two take turns and never work at once.
The time of kinj_rag has all it does, retrieval included; that of hf is its `loglikelihood` on the finished prompts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from cases import (
    CASES,
    CLOCKS,
    Case,
    arguments_of,
    build_requests,
    final_requests,
    index_of_corpus,
    load_base,
    parse_options,
)
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from kinj_models.prefix_sharing.tree import build_tree, count_tokens
from kinj_models.rag import RagLM

Answers = list[tuple[float, bool]]


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm measured on one case."""

    #: seconds of the best of the repeats
    seconds: float
    #: of all repeats, in the order taken
    every_second: tuple[float, ...]
    answers: Answers
    #: peak memory of the process (on a GPU: of torch's allocations), in MiB
    peak: float
    #: tokens that hf computes (equal inputs once), distinct tokens, tokens that were computed
    tokens: tuple[int, int, int]


def main() -> int:
    """Prints one row for each case; the exit status is 1 where an answer differs."""
    options = parse_options(__doc__ or "", questions=12)
    setting = f"{options.model or 'demo model'}, {options.dtype}, {options.device}, {options.threads} threads"
    print(f"{setting}, hf batch size {options.batch_size}, {options.questions} questions a case, ", end="")
    print(f"{options.clock} seconds, best of {options.repeats}\n")
    print(f"{'':36}{'hf s':>8}{'kinj s':>8}{'ratio':>7}{'limit':>7}{'share':>7}", end="")
    print(f"{'asked':>8}{'distinct':>9}{'computed':>9}{'max |d|':>9}{'greedy':>7}{'arg max':>8}", end="")
    print(f"{'hf MiB':>8}{'kinj MiB':>9}")
    same = True
    with index_of_corpus(options) as index:
        for case in CASES:
            if case.id in options.cases:
                requests = build_requests(case, options.questions, options.mmlu_dir)
                hf, kinj = _measure(case, requests, arguments_of(case, index), options)
                same = _print_row(case, requests, hf, kinj) and same
    return 0 if same else 1


def _print_row(case: Case, requests: Sequence[Instance], hf: Arm, kinj: Arm) -> bool:
    asked, distinct, _ = hf.tokens
    ratio, limit = hf.seconds / kinj.seconds, asked / distinct
    difference = max(abs(a - b) for (a, _), (b, _) in zip(hf.answers, kinj.answers, strict=True))
    greedy = [a[1] for a in hf.answers] == [b[1] for b in kinj.answers]
    best = _most_likely(requests, hf.answers) == _most_likely(requests, kinj.answers)
    print(f"{case.label:36}{hf.seconds:8.1f}{kinj.seconds:8.1f}{ratio:7.2f}{limit:7.2f}{ratio / limit:7.0%}", end="")
    print(f"{asked:8}{distinct:9}{kinj.tokens[2]:9}{difference:9.1e}", end="")
    print(f"{'same' if greedy else 'DIFFER':>7}{'same' if best else 'DIFFER':>8}{hf.peak:8.0f}{kinj.peak:9.0f}")
    timings = [" ".join(f"{one:.1f}" for one in arm.every_second) for arm in (hf, kinj)]
    print(f"  every timing: hf {timings[0]}, kinj {timings[1]}", flush=True)
    return greedy and best


def _most_likely(requests: Sequence[Instance], answers: Answers) -> dict[int | None, int]:
    """The number of the most likely option of each question."""
    options: dict[int | None, list[tuple[float, int]]] = {}
    for request, (value, _) in zip(requests, answers, strict=True):
        options.setdefault(request.doc_id, []).append((-value, request.idx))
    return {question: min(values)[1] for question, values in options.items()}


def _measure(
    case: Case,
    requests: list[Instance],
    arguments: dict[str, Any],  # Any: values of --model_args
    options: argparse.Namespace,
) -> tuple[Arm, Arm]:
    """Both arms on the case: each in its own process, warmed up, timed in turn."""
    context = multiprocessing.get_context("spawn")
    ends, processes = [], []
    for name in ("hf", "kinj"):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(name, theirs, requests, arguments, options))
        process.start()
        theirs.close()  # so that a process that dies ends our wait
        ends.append(ours)
        processes.append(process)
    for end in ends:
        end.recv()
    for _ in range(options.repeats):
        for end in ends:
            end.send("run")
            end.recv()
    for end in ends:
        end.send("stop")
    arms = [end.recv() for end in ends]
    for process in processes:
        process.join()
    return arms[0], arms[1]


def _work(
    name: str,
    end: Connection,
    requests: list[Instance],
    arguments: dict[str, Any],  # Any: values of --model_args
    options: argparse.Namespace,
) -> None:
    base, clock = load_base(options), CLOCKS[options.clock]
    final = final_requests(base, requests, arguments)
    if name == "hf":
        score, given = base.loglikelihood, final
    else:
        rag = RagLM(base, **arguments)
        score, given = rag.loglikelihood, requests
    score(given[: len(given) // 8])
    end.send("ready")
    seconds, answers = [], []
    while end.recv() == "run":
        start = clock()
        answers = score(given)
        seconds.append(clock() - start)
        end.send("done")
    end.send(Arm(min(seconds), tuple(seconds), answers, _peak(options.device), _tokens(base, final)))


def _tokens(base: HFLM, final: Sequence[Instance]) -> tuple[int, int, int]:
    pairs = [base._encode_pair(*request.args) for request in final]
    inputs = [tuple((context + rest)[-(base.max_length + 1) :][:-1]) for context, rest in pairs]
    continuations = [tuple(rest) for _, rest in pairs]
    distinct = count_tokens(build_tree(inputs, continuations, min_saving=1))
    return sum(map(len, set(inputs))), distinct, count_tokens(build_tree(inputs, continuations))


def _peak(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


if __name__ == "__main__":
    sys.exit(main())
