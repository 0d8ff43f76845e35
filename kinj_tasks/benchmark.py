"""Rows of a benchmark folder for lm-eval: `custom_dataset: !function kinj_tasks.benchmark.load`."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, Features, Sequence, Value

from kinj.benchmark import Benchmark, collection_folder, open_benchmark, shipped_collections
from kinj.errors import UserError, show_user_errors_plainly

#: said outright, because a column of empty lists has no type of its own
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "choices": Sequence(Value("string")),
        "answer": Value("int64"),
        "kind": Value("string"),
        "accepted_answers": Sequence(Value("string")),
        "collection": Value("string"),
        "chunk_ids": Sequence(Value("string")),
        "split": Value("string"),
        "subject": Value("string"),
        "date": Value("string"),
    }
)


def load(
    benchmark: str = "current_events",
    split: str = "test",
    **_: Any,  # Any: lm-eval passes all of `metadata`, which holds the model's arguments too
) -> dict[str, Dataset]:
    """The questions to score under `test`, whichever split they are from, and the shots under `fewshot`.

    Args:
        benchmark: a name that ships with the project, or a folder (docs/format.md).
        split: test, or dev for choosing settings.

    Raises:
        UserError: no such benchmark, a faulty one, another split, or no question in it.
    """
    show_user_errors_plainly()
    return _datasets(benchmark, split, open_only=False)


def load_open(
    benchmark: str = "current_events",
    split: str = "test",
    **_: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load`, but only the questions that can be asked without options: those with accepted answers."""
    show_user_errors_plainly()
    return _datasets(benchmark, split, open_only=True)


def _datasets(benchmark: str, split: str, open_only: bool) -> dict[str, Dataset]:
    if split not in ("test", "dev"):
        raise UserError(f"split={split!r}: expected test or dev (the few-shot rows are never scored)")
    folder = collection_folder(benchmark)
    opened = open_benchmark(folder)
    # The adapter finds the chunks by this: a shipped name says the same on every machine, a folder is said in full.
    collection = benchmark if benchmark in shipped_collections() else str(folder.resolve())
    rows = _rows(opened.part(split), split, collection, open_only)
    if not rows:
        wanted = "question with accepted_answers" if open_only else "question"
        raise UserError(f"{folder / 'questions.jsonl'}: no {wanted} in split {split!r}")
    fewshot = _rows(opened.part("fewshot"), "fewshot", collection, open_only)
    return {"test": _dataset(rows), "fewshot": _dataset(fewshot)}


def _dataset(rows: list[dict[str, object]]) -> Dataset:
    # By column, since from_list takes no empty list, and a folder of one's own may have no few-shot row.
    return Dataset.from_dict({column: [row[column] for row in rows] for column in FEATURES}, FEATURES)


def _rows(part: Benchmark, split: str, collection: str, open_only: bool) -> list[dict[str, object]]:
    chunks = {chunk.id: chunk for chunk in part.chunks}
    return [
        {
            "id": question.id,
            "question": question.question,
            "choices": list(question.choices),
            "answer": question.answer,
            "kind": question.kind,
            "accepted_answers": list(question.accepted_answers),
            "collection": collection,
            "chunk_ids": list(question.chunk_ids),
            "split": split,
            "subject": chunks[question.chunk_ids[0]].subject,
            "date": chunks[question.chunk_ids[0]].date,
        }
        for question in part.questions
        if question.accepted_answers or not open_only
    ]
