"""A base that answers at once, and requests as lm-eval builds them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from kinj.benchmark import register


class RecordingLM(LM):
    """Keeps what it was sent; the log-likelihood is minus the number of characters."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Instance] = []

    def loglikelihood(self, requests):
        self.sent += requests
        return [(-float(len(r.args[0]) + len(r.args[1])), False) for r in requests]

    def generate_until(self, requests):
        self.sent += requests
        return [r.args[0][-5:] for r in requests]

    def loglikelihood_rolling(self, requests):
        return [-1.0 for _ in requests]

    def apply_chat_template(self, chat_history, add_generation_prompt=True):
        return "".join(f"<{m['role']}>{m['content'].strip()}</>" for m in chat_history) + "<assistant>"

    @property
    def tokenizer_name(self):
        return "recording"


class WindowedLM(RecordingLM):
    """As `RecordingLM`, with a window of `max_length` words."""

    tokenizer = object()
    max_gen_toks = 4

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length

    def tok_encode(self, text):
        return text.split()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def recorder() -> RecordingLM:
    return RecordingLM()


@pytest.fixture
def windowed() -> Callable[[int], WindowedLM]:
    return WindowedLM


@pytest.fixture
def request_for(collection: Path) -> Callable[..., list[Instance]]:
    """The requests of one question about a city: one for each option."""
    benchmark = register(collection)

    def build(
        city: str = "Arvada", number: int = 0, shots: str = "", task: str = "towers", **row: object
    ) -> list[Instance]:
        question = f"Which color did the water tower of {city} get in May 2031?"
        doc = {
            "id": f"q{number}",
            "question": question,
            "choices": ["amber", "blue"],
            "benchmark": benchmark.name,
            "benchmark_sha256": benchmark.sha256,
            **row,
        }
        return [
            Instance(
                "loglikelihood",
                doc,
                (f"{shots}Question: {question}\nAnswer:", f" {option}"),
                i,
                metadata=(task, number, 1),
            )
            for i, option in enumerate(doc["choices"])
        ]

    return build
