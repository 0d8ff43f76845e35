"""The requests that the scoring benchmarks time: real questions, real passages, prompts as `lm_eval` builds them."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager, get_task_dict

from kinj.corpus import Cutter, load_tokenizer, open_inputs
from kinj.hub.find import find_demo_model
from kinj.retrieval import build_index
from kinj_models.rag import RagLM

#: what is timed: what one waits for, or the process's own seconds, which hardly depend on who else works
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Case:
    """A task and a way to prompt for it."""

    #: short, for `--cases`
    id: str
    #: what the table calls it
    label: str
    task: str
    num_fewshot: int
    #: settings of kinj_rag; `index` is added where `needs_index` says so
    arguments: dict[str, Any] = field(default_factory=dict)  # Any: values of --model_args
    needs_index: bool = False


CASES = (
    Case("closed", "closed book, 5-shot MMLU, letters", "kinj_mmlu_anatomy", 5, {"retriever": "none"}),
    Case("option", "option text, 3 passages, 0-shot", "kinj_current_events_option", 0),
    Case("before", "letters, 3 passages before 5 shots", "kinj_mmlu_anatomy", 5, {"placement": "prefix"}, True),
    Case("after", "letters, 3 passages after 5 shots", "kinj_mmlu_anatomy", 5, {"placement": "question"}, True),
)


class Recording(LM):
    """Takes a base's place and keeps the final requests; its tokenizer and window cut passages alike."""

    def __init__(self, base: HFLM) -> None:
        super().__init__()
        self.tokenizer, self.max_length, self.tok_encode = base.tokenizer, base.max_length, base.tok_encode
        self.requests: list[Instance] = []

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Zeros."""
        self.requests = list(requests)
        return [(0.0, False)] * len(requests)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Empty texts."""
        self.requests = list(requests)
        return [""] * len(requests)

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not asked here."""
        raise NotImplementedError


def final_requests(base: HFLM, requests: Sequence[Instance], arguments: dict[str, Any]) -> list[Instance]:
    """The requests with passages in their prompts, as kinj_rag hands them to its base."""
    recording = Recording(base)
    getattr(RagLM(recording, **arguments), requests[0].request_type)(list(requests))
    return recording.requests


def build_requests(case: Case, questions: int, mmlu_dir: Path) -> list[Instance]:
    """The requests of the task's first questions, as `lm_eval` builds them."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    manager = TaskManager(metadata={"mmlu_dir": str(mmlu_dir)})
    task = get_task_dict([case.task], manager)[case.task]
    task.set_config(key="num_fewshot", value=case.num_fewshot)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=questions, rank=0, world_size=1)
    return list(task.instances)


def load_base(options: argparse.Namespace) -> HFLM:
    """lm-eval's `hf` on the model asked for, with as many threads as asked for."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    arguments = {"pretrained": options.model} if options.model else find_demo_model().arguments
    if options.peft:
        arguments = {**arguments, "peft": options.peft}
    return HFLM(**arguments, dtype=options.dtype, device=options.device, batch_size=options.batch_size)


@contextmanager
def index_of_corpus(options: argparse.Namespace) -> Iterator[str]:
    """The folder of the index for MMLU: `--index`, or one of `--corpus` that lasts as long as the run."""
    if options.index is not None:
        yield str(options.index)
        return
    with tempfile.TemporaryDirectory() as scratch:
        chunks = open_inputs([options.corpus]).all_chunks(Cutter(256, load_tokenizer(None)).cut)
        folder = Path(scratch) / "index"
        build_index(chunks, folder)
        yield str(folder)


def arguments_of(case: Case, index: str | None) -> dict[str, Any]:  # Any: values of --model_args
    """The settings of kinj_rag for the case."""
    return {**case.arguments, "index": index} if case.needs_index else dict(case.arguments)


def parse_options(description: str, *, questions: int) -> argparse.Namespace:
    """The command line that both benchmarks share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--questions", type=int, default=questions, help="questions of each case")
    parser.add_argument("--repeats", type=int, default=2, help="timings of each arm, taken in turn; the best counts")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu, with --threads 1, where others work too")
    parser.add_argument("--cases", nargs="+", choices=[c.id for c in CASES], default=[c.id for c in CASES])
    parser.add_argument("--model", help="name or folder of a Hugging Face model; without it the demo model")
    parser.add_argument("--peft", help="folder of an adapter on it")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch's")
    parser.add_argument("--batch-size", default="1", help="of lm-eval's hf: a number (its own default is 1) or auto")
    parser.add_argument("--mmlu-dir", type=Path, default=DATA / "mmlu", help="folder of MMLU's CSV files")
    parser.add_argument("--corpus", type=Path, default=DATA / "corpus" / "anatomy.jsonl", help="what to index for MMLU")
    parser.add_argument("--index", type=Path, help="a folder built by `kinj index build`, instead of --corpus")
    return parser.parse_args()
