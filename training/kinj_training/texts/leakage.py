"""Evaluation questions never enter training data: checked by the question's words, and in a collection by id."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinj.benchmark import QUESTION_FILES, Benchmark
from kinj.benchmark.checks.words import plain
from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj_training.texts.texts import TrainingText

#: Words by which a question is looked up before it is compared whole.
_KEY = 6
#: Letters, of a question in a script without spaces.
_LETTERS = 8
#: Fewer words, or letters, may stand in any text: "Which of the following statements is true?" has seven.
_SPECIFIC_WORDS = 8
_SPECIFIC_LETTERS = 12
#: Where files of questions keep options and answers.
_OPTION_KEYS = ("choices", "options", "accepted_answers", "answers", "answer")
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
    #: whether the collection asks it whose texts are trained on
    is_own: bool
    #: its options or answers, as the file has them; empty where it has none
    options: tuple[str, ...] = ()

    @property
    def is_generic(self) -> bool:
        """Whether so few words may stand in a text that knows nothing of the question: "Which of these is true?"."""
        return len(self.words) < (_SPECIFIC_LETTERS if self.is_spaceless else _SPECIFIC_WORDS)


class Questions:
    """The evaluation questions, ready to be looked for in training texts.

    Args:
        benchmark: all its questions count, of every split.
        files: more questions: JSON lines with `question` and, if they have them, `id` and `choices` or an answer; or
            benchmark folders.

    Raises:
        UserError: a file is absent, or a line has no text under `question`.
    """

    def __init__(self, benchmark: Benchmark, files: Iterable[str]) -> None:
        self._questions = [
            _question(question.id, question.question, is_own=True, options=question.choices)
            for question in benchmark.questions
        ]
        self._own_ids = {question.id for question in self._questions}
        for name in files:
            self._questions += _read(Path(name).expanduser())
        self._spaced = _Lookup([question for question in self._questions if not question.is_spaceless], _KEY)
        self._spaceless = _Lookup([question for question in self._questions if question.is_spaceless], _LETTERS)

    def __len__(self) -> int:
        return len(self._questions)

    def leak(self, text: TrainingText) -> str | None:
        """Why the text, prompt included, must not be learnt; None where it holds no question.

        It holds one if the question's words stand in it in a row whatever the case and punctuation; its letters where
        its script has no spaces. Between a text and a question of two sources few words are no proof, so that of a
        generic question one of the options, where any is known, must stand in the text as well. Ids are compared within
        the collection alone: row "17" of a data set is not question "17".
        """
        if not text.is_from_outside and text.id in self._own_ids:
            return f"training text {text.id!r} has the id of an evaluation question"
        for question in self._held_by(text.text):
            is_one_source = question.is_own and not text.is_from_outside
            if is_one_source or not question.is_generic or _has_option(text.text, question):
                is_bare = not is_one_source and question.is_generic and not question.options
                hint = " (few words, which count alone as its row gives no choices or answer)" if is_bare else ""
                return f"training text {text.id!r} holds evaluation question {question.id!r}{hint}"
        return None

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


def _question(question_id: str, text: str, *, is_own: bool, options: Iterable[str] = ()) -> EvaluationQuestion:
    is_spaceless = _WITHOUT_SPACES.search(text) is not None
    words = tuple(_letters(text) if is_spaceless else _words(text))
    return EvaluationQuestion(question_id, words, is_spaceless, is_own, tuple(options))


def _has_option(text: str, question: EvaluationQuestion) -> bool:
    """Whether the text holds one of the options; of a question without any, its words alone have to count."""
    if question.is_spaceless:
        letters = _letters(text)
        return not question.options or any(_letters(option) in letters for option in question.options)
    words = f" {' '.join(_words(text))} "
    return not question.options or any(f" {' '.join(_words(option))} " in words for option in question.options)


def _letters(text: str) -> str:
    """In lower case and one form, without spaces and punctuation; marks stay: they are the vowels of some scripts."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if unicodedata.category(c)[0] in "LMN")


def _words(text: str) -> list[str]:
    """In lower case, without punctuation; letters with accents in one form, however they were typed."""
    return plain(unicodedata.normalize("NFKC", text)).split()


def _read(path: Path) -> Iterator[EvaluationQuestion]:
    """Yields the questions of a file or of a benchmark folder."""
    further = [path / name for name in QUESTION_FILES[1:] if (path / name).is_file()]
    for file in [path / QUESTION_FILES[0], *further] if path.is_dir() else [path]:
        for place, row in read_objects(file):
            question = row.get("question")
            if not isinstance(question, str) or not question.strip():
                raise UserError(f"{place}: held_out: no text under 'question'")
            yield _question(str(row.get("id", place)), question, is_own=False, options=_options(row))


def _options(row: dict[str, Any]) -> Iterator[str]:  # Any: JSON values
    """Yields the texts of a row that an answer to it would hold; a letter or a number names an option and is none."""
    for key in _OPTION_KEYS:
        values = row.get(key)
        values = values.get("text") if isinstance(values, dict) else values  # as ARC has them, with their labels
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str) and len(value.strip()) > 1:
                yield value
