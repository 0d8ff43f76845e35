"""What `kinj_rag` costs on top of its base: share_prefixes=false against lm-eval's `hf` on the same finished prompts.

    python benchmarks/adapter_overhead.py 2>/dev/null  # lm-eval's progress bars

Both use one loaded model and take turns. The ratio carries the machine's noise; `own` does not: it is the
time that the adapter spends outside the base's `loglikelihood` (retrieval, placing, measuring the window), as a share
of the time inside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

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

from kinj_models.rag import RagLM

AIM = 0.02


def main() -> int:
    """Prints one row for each case; the exit status is 1 where an answer differs or the adapter takes too much."""
    options = parse_options(__doc__ or "", questions=8)
    base = load_base(options)
    print(f"{options.model or 'demo model'}, {options.dtype}, {options.device}, {options.threads} threads, ", end="")
    print(f"{options.questions} questions a case, {options.clock} seconds, best of {options.repeats}, aim {AIM:.0%}\n")
    print(f"{'':36}{'hf s':>8}{'kinj s':>8}{'ratio':>8}{'own':>8}{'answers':>9}")
    good = True
    with index_of_corpus(options) as index:
        for case in CASES:
            if case.id in options.cases:
                good = _print_row(case, base, index, options) and good
    return 0 if good else 1


def _print_row(case: Case, base: HFLM, index: str, options: argparse.Namespace) -> bool:
    requests = build_requests(case, options.questions, options.mmlu_dir)
    arguments = arguments_of(case, index)
    final = final_requests(base, requests, arguments)
    inside: list[float] = []
    clock = CLOCKS[options.clock]
    rag = RagLM(_Timed(base, inside, clock), **arguments, share_prefixes=False)
    rag.loglikelihood(requests[: len(requests) // 4])  # opens the index, warms the model
    inside.clear()
    plain, adapted = [], []
    for _ in range(options.repeats):
        start = clock()
        expected = base.loglikelihood(final)
        plain.append(clock() - start)
        start = clock()
        found = rag.loglikelihood(requests)
        adapted.append(clock() - start)
    own = min((whole - part) / part for whole, part in zip(adapted, inside, strict=True))
    equal = found == expected
    print(f"{case.label:36}{min(plain):8.1f}{min(adapted):8.1f}{min(adapted) / min(plain):8.3f}{own:8.2%}", end="")
    print(f"{'equal' if equal else 'DIFFER':>9}", flush=True)
    return equal and own <= AIM


class _Timed(HFLM):
    """The base, with the seconds of each `loglikelihood` noted."""

    def __init__(self, base: HFLM, seconds: list[float], clock: Callable[[], float]) -> None:
        vars(self).update(vars(base))
        self._seconds, self._clock = seconds, clock

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """The base's."""
        start = self._clock()
        answers: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm)
        self._seconds.append(self._clock() - start)
        return answers


if __name__ == "__main__":
    sys.exit(main())
