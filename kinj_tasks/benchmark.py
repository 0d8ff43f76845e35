"""Rows of a benchmark folder for lm-eval: `custom_dataset: !function kinj_tasks.benchmark.load`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Sequence, Value

from kinj.benchmark import Benchmark, BenchmarkIdentity, collection_folder, open_benchmark, register
from kinj.errors import UserError, show_user_errors_plainly
from kinj_tasks.draw import Draw

CURRENT_EVENTS = "current_events"
OWN_TASKS = ("kinj_benchmark", "kinj_benchmark_option", "kinj_benchmark_generate")

#: named here, because a column of empty lists has no type of its own
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "choices": Sequence(Value("string")),
        "answer": Value("int64"),
        "kind": Value("string"),
        "accepted_answers": Sequence(Value("string")),
        "benchmark": Value("string"),
        "benchmark_sha256": Value("string"),
        "chunk_ids": Sequence(Value("string")),
        "split": Value("string"),
        "subject": Value("string"),
        "date": Value("string"),
    }
)


def load(
    benchmark: str | None = None,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    **_: Any,  # Any: lm-eval passes all of `metadata`, which holds the model's arguments too
) -> dict[str, Dataset]:
    """The questions to score under `test`, whichever split they are from, and the shots under `fewshot`.

    Args:
        benchmark: a folder (docs/format.md), or a name that ships with the project.
        split: test, or dev for choosing settings.
        sample: how many questions, drawn evenly from all of them; `--limit` would take the first. None: all.
        seed: draws them.

    Raises:
        UserError: no benchmark named, none there, a faulty one, another split, no question in it, or fewer than the
            sample.
    """
    return _datasets(benchmark, split, Draw(sample, seed), open_only=False)


def load_open(
    benchmark: str | None = None,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    **_: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load`, but only the questions that can be asked without options: those with accepted answers."""
    return _datasets(benchmark, split, Draw(sample, seed), open_only=True)


def load_current_events(
    benchmark: str = CURRENT_EVENTS,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    **_: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load`, of the collection that ships.

    Raises:
        UserError: another benchmark is named; the message names the tasks that take any.
    """
    return _datasets(_only_current_events(benchmark), split, Draw(sample, seed), open_only=False)


def load_current_events_open(
    benchmark: str = CURRENT_EVENTS,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    **_: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load_open`, of the collection that ships."""
    return _datasets(_only_current_events(benchmark), split, Draw(sample, seed), open_only=True)


def _only_current_events(benchmark: str) -> str:
    show_user_errors_plainly()
    shipped = collection_folder(CURRENT_EVENTS)
    if benchmark == CURRENT_EVENTS or Path(benchmark).expanduser().resolve() == shipped.resolve():
        return CURRENT_EVENTS
    raise UserError(
        f"benchmark={benchmark!r}: the kinj_current_events tasks ask about current events alone; "
        f"for a folder of your own there are --tasks {','.join(OWN_TASKS)}"
    )


def _datasets(benchmark: str | None, split: str, draw: Draw, *, open_only: bool) -> dict[str, Dataset]:
    show_user_errors_plainly()
    if benchmark is None:
        raise UserError('which benchmark? Name its folder (docs/format.md) by --metadata \'{"benchmark": "DIR"}\'')
    if split not in ("test", "dev"):
        raise UserError(f"split={split!r}: expected test or dev (the few-shot rows are never scored)")
    folder = collection_folder(benchmark)
    opened = open_benchmark(folder)
    identity = register(folder)
    rows = _rows(opened.part(split), split, identity, open_only)
    if not rows:
        wanted = "question with accepted_answers" if open_only else "question"
        raise UserError(f"{folder / 'questions.jsonl'}: no {wanted} in split {split!r}")
    fewshot = _rows(opened.part("fewshot"), "fewshot", identity, open_only)
    return {"test": _dataset(draw.from_rows(rows)), "fewshot": _dataset(fewshot)}


def _dataset(rows: list[dict[str, object]]) -> Dataset:
    # By column, since from_list takes no empty list, and a folder of one's own may have no few-shot row.
    return Dataset.from_dict({column: [row[column] for row in rows] for column in FEATURES}, FEATURES)


def _rows(part: Benchmark, split: str, identity: BenchmarkIdentity, open_only: bool) -> list[dict[str, object]]:
    chunks = {chunk.id: chunk for chunk in part.chunks}
    return [
        {
            "id": question.id,
            "question": question.question,
            "choices": list(question.choices),
            "answer": question.answer,
            "kind": question.kind,
            "accepted_answers": list(question.accepted_answers),
            "benchmark": identity.name,
            "benchmark_sha256": identity.sha256,
            "chunk_ids": list(question.chunk_ids),
            "split": split,
            "subject": chunks[question.chunk_ids[0]].subject,
            "date": chunks[question.chunk_ids[0]].date,
        }
        for question in part.questions
        if question.accepted_answers or not open_only
    ]
