"""Evaluation questions never enter training data: checked by id and by the question's words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import Benchmark
from kinj.benchmark.checks.words import plain
from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj_training.texts.texts import TrainingText

#: Words by which a question is looked up before it is compared whole.
_KEY = 6
#: Letters, of a question in a script without spaces.
_LETTERS = 8
#: Thai, Lao, Tibetan, Burmese, Khmer; kana, and Chinese characters wherever Unicode has them.
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class EvaluationQuestion:
    """A question that must not be learnt."""

    id: str
    #: its words in lower case, without punctuation; its letters where its script has no spaces
    words: tuple[str, ...]
    #: whether these are letters: spaces and punctuation between them tell nothing
    is_spaceless: bool


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
        self._questions = [_question(question_id, text) for question_id, text in texts]
        self._ids = {question.id for question in self._questions}
        self._spaced = _Lookup([question for question in self._questions if not question.is_spaceless], _KEY)
        self._spaceless = _Lookup([question for question in self._questions if question.is_spaceless], _LETTERS)

    def __len__(self) -> int:
        return len(self._questions)

    def refuse_leaks(self, texts: Iterable[TrainingText]) -> None:
        """Holds every training text, prompts included, against every question.

        Raises:
            UserError: a text has a question's id, or holds its words in a row whatever the case and punctuation; its
                letters in a row where its script has no spaces.
        """
        for text in texts:
            if text.id in self._ids:
                raise UserError(f"training text {text.id!r} has the id of an evaluation question: remove it")
            for question in self._held_by(text.text):
                raise UserError(
                    f"training text {text.id!r} holds evaluation question {question.id!r}: remove or reword it"
                )

    def _held_by(self, text: str) -> Iterator[EvaluationQuestion]:
        yield from self._spaced.held_by(_words(text))
        if self._spaceless:
            yield from self._spaceless.held_by(_letters(text))


class _Lookup:
    """Questions by their first words, or letters.

    Args:
        questions: those that are told apart by the same kind of unit.
        size: units by which a question is looked up before it is compared whole.
    """

    def __init__(self, questions: Iterable[EvaluationQuestion], size: int) -> None:
        self._by_first: dict[tuple[str, ...], list[EvaluationQuestion]] = {}
        for question in questions:
            self._by_first.setdefault(question.words[:size], []).append(question)
        self._lengths = sorted({len(key) for key in self._by_first} - {0})

    def __bool__(self) -> bool:
        return bool(self._lengths)

    def held_by(self, units: Sequence[str]) -> Iterator[EvaluationQuestion]:
        """The questions whose units stand in a row in these."""
        for length in self._lengths:
            for start in range(len(units) - length + 1):
                for question in self._by_first.get(tuple(units[start : start + length]), ()):
                    if tuple(units[start : start + len(question.words)]) == question.words:
                        yield question


def _question(question_id: str, text: str) -> EvaluationQuestion:
    is_spaceless = _WITHOUT_SPACES.search(text) is not None
    return EvaluationQuestion(question_id, tuple(_letters(text) if is_spaceless else _words(text)), is_spaceless)


def _letters(text: str) -> str:
    """In lower case and one form, without spaces and punctuation; marks stay: they are the vowels of some scripts."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if unicodedata.category(c)[0] in "LMN")


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
