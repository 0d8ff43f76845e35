"""Evaluation questions never enter training data: checked by id and by the question's words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import Benchmark
from kinj.benchmark.checks.words import plain
from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj_training.texts.texts import TrainingText

#: Words by which a question is looked up before it is compared whole.
_KEY = 6


@dataclass(frozen=True, slots=True)
class EvaluationQuestion:
    """A question that must not be learnt."""

    id: str
    #: its words in lower case, without punctuation
    words: tuple[str, ...]


class Questions:
    """The evaluation questions, ready to be looked for in training texts.

    Args:
        benchmark: all its questions count, of every split.
        files: more questions: JSON lines with `question` and, if they have one, `id`; or benchmark folders.

    Raises:
        UserError: a file is absent, or a line has no text under `question`.
    """

    def __init__(self, benchmark: Benchmark, files: Iterable[str]) -> None:
        texts = [(question.id, question.question) for question in benchmark.questions]
        for name in files:
            texts += _read(Path(name).expanduser())
        self._questions = [EvaluationQuestion(question_id, tuple(_words(text))) for question_id, text in texts]
        self._ids = {question.id for question in self._questions}
        self._by_first_words: dict[tuple[str, ...], list[EvaluationQuestion]] = {}
        for question in self._questions:
            self._by_first_words.setdefault(question.words[:_KEY], []).append(question)
        self._lengths = sorted({len(key) for key in self._by_first_words} - {0})

    def __len__(self) -> int:
        return len(self._questions)

    def refuse_leaks(self, texts: Iterable[TrainingText]) -> None:
        """Holds every training text, prompts included, against every question.

        Raises:
            UserError: a text has a question's id, or holds its words in a row whatever the case and punctuation.
        """
        for text in texts:
            if text.id in self._ids:
                raise UserError(f"training text {text.id!r} has the id of an evaluation question: remove it")
            for question in self._held_by(_words(text.text)):
                raise UserError(
                    f"training text {text.id!r} holds evaluation question {question.id!r}: remove or reword it"
                )

    def _held_by(self, words: list[str]) -> Iterator[EvaluationQuestion]:
        """The questions whose words stand in a row in these, looked up by their first words."""
        for length in self._lengths:
            for start in range(len(words) - length + 1):
                for question in self._by_first_words.get(tuple(words[start : start + length]), ()):
                    if tuple(words[start : start + len(question.words)]) == question.words:
                        yield question


def _words(text: str) -> list[str]:
    """In lower case, without punctuation; letters with accents in one form, however they were typed."""
    return plain(unicodedata.normalize("NFKC", text)).split()


def _read(path: Path) -> list[tuple[str, str]]:
    """(id, question) of a file or of a benchmark folder."""
    texts = []
    for place, row in read_objects(path / "questions.jsonl" if path.is_dir() else path):
        question = row.get("question")
        if not isinstance(question, str) or not question.strip():
            raise UserError(f"{place}: held_out: no text under 'question'")
        texts.append((str(row.get("id", place)), question))
    return texts
