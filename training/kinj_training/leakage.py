"""Evaluation questions never enter training data: checked by id and by the question's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import Benchmark
from kinj.benchmark.checks.words import plain
from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj_training.texts import TrainingText

#: Words by which a question is looked up before it is compared whole.
_KEY = 6


@dataclass(frozen=True, slots=True)
class EvaluationQuestion:
    """A question that must not be learnt."""

    id: str
    #: its words in lower case, without punctuation
    words: tuple[str, ...]


def evaluation_questions(benchmark: Benchmark, files: Iterable[str]) -> list[EvaluationQuestion]:
    """The benchmark's questions of every split, and those in more files or benchmark folders.

    Raises:
        UserError: a file is absent, or a line has no text under `question`.
    """
    found = [(one.id, one.question) for one in benchmark.questions]
    for name in files:
        path = Path(name).expanduser()
        path = path / "questions.jsonl" if path.is_dir() else path
        for place, row in read_objects(path):
            question = row.get("question")
            if not isinstance(question, str) or not question.strip():
                raise UserError(f"{place}: held_out: no text under 'question'")
            found.append((str(row.get("id", place)), question))
    return [EvaluationQuestion(one, tuple(plain(question).split())) for one, question in found]


def refuse_leaks(texts: Sequence[TrainingText], questions: Sequence[EvaluationQuestion]) -> None:
    """Holds every training text, prompts included, against every evaluation question.

    Raises:
        UserError: a text has a question's id, or holds its words in a row whatever the case and punctuation.
    """
    ids = {question.id for question in questions}
    by_key: dict[tuple[str, ...], list[EvaluationQuestion]] = {}
    for question in questions:
        by_key.setdefault(question.words[:_KEY], []).append(question)
    lengths = sorted({len(key) for key in by_key} - {0})
    for text in texts:
        if text.id in ids:
            raise UserError(f"training text {text.id!r} has the id of an evaluation question: remove it")
        for question in _held(plain(text.text).split(), by_key, lengths):
            raise UserError(f"training text {text.id!r} holds evaluation question {question.id!r}: remove or reword it")


def _held(
    words: list[str], by_key: dict[tuple[str, ...], list[EvaluationQuestion]], lengths: list[int]
) -> Iterator[EvaluationQuestion]:
    for length in lengths:
        for start in range(len(words) - length + 1):
            for question in by_key.get(tuple(words[start : start + length]), ()):
                if tuple(words[start : start + len(question.words)]) == question.words:
                    yield question
