"""Rows of a benchmark folder for lm-eval: `custom_dataset: !function kinj_tasks.benchmark.load`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Sequence, Value

from kinj.benchmark import FORM_FILES, Benchmark, BenchmarkIdentity, collection_folder, open_benchmark, register
from kinj.errors import UserError, show_user_errors_plainly
from kinj.records import Question
from kinj_tasks.draw import Draw
from kinj_tasks.orders import reorder

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
        "form": Value("string"),
        "knowledge": Value("string"),
        "single_source": Value("bool"),
        "evidence": Sequence(Value("string")),
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
    form: str = "direct",
    knowledge: str | None = None,
    option_order: int = 0,
    **_: Any,  # Any: lm-eval passes all of `metadata`, which holds the model's arguments too
) -> dict[str, Dataset]:
    """The questions with options to score under `test`, whichever split they are from, and the shots under `fewshot`.

    Args:
        benchmark: a folder (docs/format.md), or a name that ships with the project.
        split: test, or dev for choosing settings.
        sample: how many questions, drawn evenly from all of them; `--limit` would take the first. None: all.
        seed: draws them.
        form: direct, indirect or two; the shots are direct ones always.
        knowledge: new or known_before: only the questions that are marked so. None: all.
        option_order: 0, or another order of the options (`kinj_tasks.orders`); the shots keep theirs.

    Raises:
        UserError: no benchmark named, none there, a faulty one, another split, form, knowledge or order, no question
            in it, or fewer than the sample.
    """
    return _datasets(benchmark, Selection(split, form, knowledge), Draw(sample, seed), option_order)


def load_open(
    benchmark: str | None = None,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    form: str = "direct",
    knowledge: str | None = None,
    option_order: int = 0,
    **_: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load`, but only the questions that can be asked without options: those with accepted answers."""
    return _datasets(benchmark, Selection(split, form, knowledge, open_only=True), Draw(sample, seed), option_order)


def load_current_events(
    benchmark: str = CURRENT_EVENTS,
    **metadata: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load`, of the collection that ships.

    Raises:
        UserError: another benchmark is named; the message names the tasks that take any.
    """
    return load(only_current_events(benchmark), **metadata)


def load_current_events_open(
    benchmark: str = CURRENT_EVENTS,
    **metadata: Any,  # Any: as in `load`
) -> dict[str, Dataset]:
    """As `load_open`, of the collection that ships."""
    return load_open(only_current_events(benchmark), **metadata)


def only_current_events(benchmark: str) -> str:
    """The shipped collection's name, where this names it.

    Raises:
        UserError: it names another; the message names the tasks that take any.
    """
    show_user_errors_plainly()
    shipped = collection_folder(CURRENT_EVENTS)
    if benchmark == CURRENT_EVENTS or Path(benchmark).expanduser().resolve() == shipped.resolve():
        return CURRENT_EVENTS
    raise UserError(
        f"benchmark={benchmark!r}: the kinj_current_events tasks ask about current events alone; "
        f"for a folder of your own there are --tasks {','.join(OWN_TASKS)}"
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a benchmark's questions are asked."""

    split: str
    form: str = "direct"
    #: None: whatever it is
    knowledge: str | None = None
    open_only: bool = False

    def __post_init__(self) -> None:
        if self.split not in ("test", "dev"):
            raise UserError(f"split={self.split!r}: expected test or dev (the few-shot rows are never scored)")
        if self.form not in FORM_FILES:
            raise UserError(f"form={self.form!r}: expected {', '.join(FORM_FILES)}")
        if self.knowledge not in (None, "new", "known_before"):
            raise UserError(f"knowledge={self.knowledge!r}: expected new or known_before")

    def of(self, benchmark: Benchmark, folder: Path) -> list[Question]:
        """Those questions, in the order of their file.

        Raises:
            UserError: there is none; `folder` is named.
        """
        questions = [
            question
            for question in benchmark.part(self.split).asked(self.form)
            if self.knowledge in (None, question.knowledge)
        ]
        asked = [question for question in questions if _can_be_asked(question, self.open_only)]
        if not asked:
            kind = f" with knowledge {self.knowledge!r}" if self.knowledge else ""
            kind += " with accepted_answers" if self.open_only else " with options" if questions else ""
            hint = "" if self.open_only or not questions else "; ask openly: --tasks kinj_benchmark_generate"
            raise UserError(f"{folder / FORM_FILES[self.form]}: no question{kind} in split {self.split!r}{hint}")
        return asked


def _can_be_asked(question: Question, openly: bool) -> bool:
    return bool(question.accepted_answers if openly else question.choices)


def open_folder(benchmark: str | None) -> tuple[Path, Benchmark, BenchmarkIdentity]:
    """The named benchmark, opened, and registered for the retrieval side.

    Raises:
        UserError: none is named or there, or it is faulty.
    """
    show_user_errors_plainly()
    if benchmark is None:
        raise UserError('which benchmark? Name its folder (docs/format.md) by --metadata \'{"benchmark": "DIR"}\'')
    folder = collection_folder(benchmark)
    return folder, open_benchmark(folder), register(folder)


def _datasets(benchmark: str | None, selection: Selection, draw: Draw, option_order: int) -> dict[str, Dataset]:
    folder, opened, identity = open_folder(benchmark)
    questions = [in_order(question, option_order) for question in selection.of(opened, folder)]
    asked = rows_of(questions, opened, selection.split, identity)
    shots = shots_of(opened, identity, selection.open_only)
    return {"test": to_dataset(draw.from_rows(asked)), "fewshot": to_dataset(shots)}


def in_order(question: Question, order: int) -> Question:
    """The question with its options in another order (`kinj_tasks.orders`)."""
    choices, answer = reorder(question.choices, question.answer, order)
    return replace(question, choices=tuple(choices), answer=answer)


def shots_of(benchmark: Benchmark, identity: BenchmarkIdentity, open_only: bool) -> list[dict[str, object]]:
    """The rows that are shown before a question: direct ones, in the order of the file."""
    shots = [q for q in benchmark.part("fewshot").asked() if _can_be_asked(q, open_only)]
    return rows_of(shots, benchmark, "fewshot", identity)


def to_dataset(rows: list[dict[str, object]], features: Features = FEATURES) -> Dataset:
    """Rows as lm-eval takes them."""
    # By column, since from_list takes no empty list, and a folder of one's own may have no few-shot row.
    return Dataset.from_dict({column: [row[column] for row in rows] for column in features}, features)


def rows_of(
    questions: Iterable[Question], benchmark: Benchmark, split: str, identity: BenchmarkIdentity
) -> list[dict[str, object]]:
    """A row a question, with all of `FEATURES`."""
    chunks = {chunk.id: chunk for chunk in benchmark.chunks}
    return [
        {
            "id": question.id,
            "question": question.question,
            "choices": list(question.choices),
            "answer": question.answer,
            "kind": question.kind,
            "accepted_answers": list(question.accepted_answers),
            "form": question.form,
            "knowledge": question.knowledge,
            "single_source": question.single_source,
            "evidence": list(question.evidence),
            "benchmark": identity.name,
            "benchmark_sha256": identity.sha256,
            "chunk_ids": list(question.chunk_ids),
            "split": split,
            "subject": chunks[question.chunk_ids[0]].subject if question.chunk_ids else "",
            "date": chunks[question.chunk_ids[0]].date if question.chunk_ids else "",
        }
        for question in questions
    ]
