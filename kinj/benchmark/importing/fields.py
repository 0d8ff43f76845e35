"""Which columns of other people's rows hold question, options and answer."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinj.benchmark.importing.files import is_headerless
from kinj.corpus.sources.rows import CELLS, Row
from kinj.errors import UserError
from kinj.records import Json

ID_KEYS = ("id", "_id", "question_id", "qid", "idx")
QUESTION_KEYS = ("question", "question_stem", "query", "question_text", "stem", "problem", "prompt")
OPTION_KEYS = ("choices", "options")
ANSWER_KEYS = (
    *("answer", "answerkey", "answer_key", "correct_answer", "correct", "label", "answer_idx", "answer_index"),
    *("target", "gold", "cop", "solution", "answers"),
)
#: those of them that no option is ever called: a line with one is a header line
_HEADER_KEYS = ANSWER_KEYS[:4]
#: keys of ours that are taken over as they are
KEPT_KEYS = ("accepted_answers", "kind")
_NUMBER = re.compile("[0-9]{1,9}")
#: columns of one option each: A, option_a, choice1, opa …; all of one spelling
_OPTION_COLUMN = re.compile(r"(|op|opt|option|choice|answer|ans)[ _-]?([a-j]|10|[0-9])")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a row holds, as it is written there."""

    question: str
    #: the options in their order; empty: none
    options: tuple[str, ...]
    #: what the row calls each option ("A", "1"); empty where it says nothing
    labels: tuple[str, ...]
    answer: Any  # Any: letter, index, text or list of texts
    id: str = ""
    accepted_answers: tuple[str, ...] = ()
    kind: str = ""


class RowError(Exception):
    """A row that is no question; the message says why in half a sentence."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of question, options and answer; None: the usual ones. Without a header line their numbers from 1."""

    question: str | None = None
    #: one column that holds all options, or one a column
    options: tuple[str, ...] = ()
    answer: str | None = None

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether a CSV file's first line names columns.

        One with a name of a question's or an answer's column does, one that begins with an id's, and one with names of
        several options beside an answer's; none where columns are named by numbers that do not stand there.
        """
        named = [name.lower() for name in (self.question, *self.options, self.answer) if name]
        there = dict.fromkeys((cell.strip().lower() for cell in cells), 1)
        if any(_NUMBER.fullmatch(name) and name not in there for name in named):
            return False
        own = [name for name in named if not _NUMBER.fullmatch(name)]
        return (
            not there.keys().isdisjoint((*own, *QUESTION_KEYS, *_HEADER_KEYS))
            or next(iter(there), "") in ID_KEYS
            or (_first(ANSWER_KEYS, there) is not None and len(_option_columns(there)) > 1)
        )

    def columns_of(self, rows: Sequence[Row]) -> Columns:
        """The columns of a file.

        Raises:
            UserError: a column that was named is in no row, or none is known for the question or the answer.
        """
        # With a value somewhere: a column that is empty throughout holds nothing.
        filled = Counter(key for row in rows for key, value in (row.values or {}).items() if value not in (None, ""))
        headerless = [row for row in rows if is_headerless(row)]
        named = next((row for row in rows if row.values is not None and not is_headerless(row)), None)
        if headerless and named is not None:
            raise UserError(
                f"{headerless[0].place} is of a file without a header line, {named.place} of one with named columns: "
                "import them one by one"
            )
        if headerless:
            return self._numbered(headerless)
        for name in (self.question, *self.options, self.answer):
            if name is not None and name not in filled:
                raise UserError(f"no row has a column {name!r}; there are {_listed(filled)}")
        question = self.question or _first(QUESTION_KEYS, filled)
        if question is None:
            raise UserError(f"which column is the question? --question-field NAME; there are {_listed(filled)}")
        options = self.options or _option_columns(filled)
        answer = self.answer or _first(tuple(key for key in ANSWER_KEYS if key not in options), filled)
        if answer is None and _first(("accepted_answers",), filled) is None:
            raise UserError(f"which column is the answer? --answer-field NAME; there are {_listed(filled)}")
        kept = {name: column for name in KEPT_KEYS if (column := _first((name,), filled))}
        return Columns(question, options, answer, _first(ID_KEYS, filled), kept)

    def _numbered(self, rows: Sequence[Row]) -> Columns:
        numbers = [name for name in (self.question, *self.options, self.answer) if name is not None]
        if any(not _NUMBER.fullmatch(name) or int(name) == 0 for name in numbers):
            raise UserError(f"the file has no header line, so columns are named by their number from 1: {numbers}")
        first = [str(row.values[CELLS][0]).strip() for row in rows[1:] if row.values]
        if self.question is None and first and all(map(str.isdecimal, first)):
            raise UserError(
                "which column is the question? The first holds numbers alone: --question-field with the column's "
                f"number, from 1; or, if {rows[0].place} is the header line, with its name"
            )
        return Columns(self.question or "1", self.options, self.answer or "", None, {})


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file."""

    question: str
    options: tuple[str, ...]
    answer: str | None
    id: str | None
    #: of `KEPT_KEYS`, those that the file has
    kept: Mapping[str, str]

    @property
    def taken(self) -> set[str]:
        """Their names."""
        return {self.question, *self.options, self.answer or "", self.id or "", *self.kept.values()} - {""}

    def read(self, row: Row) -> Asked:
        """What the row holds.

        Raises:
            RowError: it could not be read, or holds no question or no options where its columns say so.
        """
        if row.values is None:
            raise RowError(row.reason)
        if is_headerless(row):
            return self._cells([str(cell) for cell in row.values[CELLS]])
        values = row.values
        if row.is_csv and isinstance(values.get(CELLS), list):
            raise RowError(f"{len(values[CELLS])} cells more than the header line has")
        question = _question_of(values.get(self.question))
        options, labels = self._options(values)
        # A text of another file is that text, whatever it looks like; a cell of CSV has no other way to hold a list.
        spelled: Callable[[Any], Any] = _plain_value if row.is_csv else lambda value: value
        answer = values.get(self.answer or "")
        accepted = tuple(_accepted(spelled(values.get(self.kept.get("accepted_answers", "")))))
        return Asked(
            question,
            options,
            labels,
            answer if isinstance(answer, str) and answer.strip() in options else spelled(answer),
            _word(values.get(self.id or "")),
            accepted,
            _word(values.get(self.kept.get("kind", ""))),
        )

    def _options(self, values: Json) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if not self.options:
            inside = values.get(self.question)  # ARC's own file holds all of it there
            return _options_of(inside.get("choices") if isinstance(inside, dict) else None)
        if len(self.options) == 1:
            return _options_of(values.get(self.options[0]))
        texts = [_text(values.get(name)) for name in self.options]
        labels = _column_labels(self.options)
        while texts and not texts[-1]:  # MMLU-like files with a column E that few rows fill
            texts.pop()
        return tuple(texts), labels[: len(texts)]

    def _cells(self, cells: list[str]) -> Asked:
        """MMLU's form: the question, its options, the right one; other places where the columns say so."""
        numbers = [int(self.question), *map(int, self.options), int(self.answer or len(cells))]
        if len(cells) < 2 or max(numbers) > len(cells):
            raise RowError(f"{len(cells)} cells, expected {max(*numbers, 2)} or more")
        question, *options, answer = (cells[number - 1].strip() for number in numbers)
        if not self.options:
            rest = [n for n in range(1, len(cells) + 1) if n not in (numbers[0], numbers[-1])]
            options = [cells[number - 1].strip() for number in rest]
        while options and not options[-1]:
            options.pop()
        if not question:
            raise RowError("no question")
        return Asked(question, tuple(options), (), answer)


def _listed(names: Iterable[str]) -> str:
    """Names of columns for a message: forty of them, cut short."""
    return ", ".join([repr(name[:60]) for name in names][:40]) or "none"


def _first(keys: Sequence[str], there: Mapping[str, int]) -> str | None:
    """The first of these keys that is there, in any case."""
    spelled = {name.strip().lower(): name for name in reversed(list(there))}
    return next((spelled[key] for key in keys if key in spelled), None)


def _option_columns(there: Mapping[str, int]) -> tuple[str, ...]:
    """The column of all options, or those of one each, ordered by letter or number; empty: there is none."""
    if (column := _first(OPTION_KEYS, there)) is not None:
        return (column,)
    by_spelling: dict[str, dict[str, str]] = {}
    for name in there:
        if match := _OPTION_COLUMN.fullmatch(name.strip().lower()):
            by_spelling.setdefault(match[1], {})[match[2]] = name
    for columns in by_spelling.values():
        if len(columns) > 1:
            return tuple(columns[mark] for mark in sorted(columns, key=_mark_order))
    return ()


def _column_labels(columns: Sequence[str]) -> tuple[str, ...]:
    """The letters of columns of one option each; empty where they are named otherwise.

    A number is no label: answers to `choice1` and `choice2` are as often 0 and 1 as 1 and 2, and the answers tell.
    """
    marks = [_OPTION_COLUMN.fullmatch(name.strip().lower()) for name in columns]
    letters = tuple(mark[2].upper() for mark in marks if mark and mark[2].isalpha())
    return letters if len(letters) == len(columns) else ()


def _mark_order(mark: str) -> tuple[int, str]:
    return (int(mark), "") if _NUMBER.fullmatch(mark) else (-1, mark.upper())


def _question_of(value: object) -> str:
    """The question's text, which ARC's own file keeps inside (`{"stem": …}`)."""
    text = _text(value.get("stem") if isinstance(value, dict) else value)
    if not text:
        raise RowError("no question")
    return text


def _options_of(value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # Any: JSON values, or how CSV spells them
    """Texts and labels of a list, ARC's `{"text": …, "label": …}`, a list of such, or a dictionary by letter."""
    value = _plain_value(value)
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        labels = value.get("label") or value.get("labels")
        return tuple(map(_text, value["text"])), tuple(map(_text, labels if isinstance(labels, list) else ()))
    if isinstance(value, dict):
        # Parquet keeps dictionaries by letter with all letters that any row has: those without a text are not there.
        texts = {str(mark): _text(text) for mark, text in value.items() if text is not None}
        marks = sorted(texts, key=_mark_order)
        return tuple(texts[mark] for mark in marks), tuple(marks)
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        listed = tuple(_text(entry.get("text", entry.get("option", ""))) for entry in value)
        return listed, tuple(_text(entry.get("label", entry.get("key", ""))) for entry in value)
    if isinstance(value, list):
        return tuple(map(_text, value)), ()
    if value in (None, ""):
        return (), ()
    raise RowError(f"the options are neither a list nor a dictionary: {shown(value)}")


def _plain_value(value: Any) -> Any:  # Any: JSON values
    """The value; of a text that spells a list or a dictionary, as CSV files hold them, what it spells."""
    if not isinstance(value, str) or not (text := value.strip()).startswith(("[", "{")):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, (list, dict)) else value
    return value


def _text(value: object) -> str:
    """A text, a number or a date as text; empty where there is none."""
    if isinstance(value, (list, dict, bytes)):
        raise RowError(f"expected a text, got {shown(value)}")
    is_none = value is None or value != value  # NaN is how tables without nulls say that nothing is there
    return value.strip() if isinstance(value, str) else "" if is_none else str(value)


def _word(value: object) -> str:
    """The same of what a row can do without: empty where it is no text."""
    return "" if isinstance(value, (list, dict, bytes)) else _text(value)


def shown(value: object) -> str:
    """A value of a row for a message: its first 60 characters, however deep it is."""
    try:
        return repr(value if isinstance(value, str) and len(value) <= 60 else str(value)[:60])
    except RecursionError:
        return f"a {type(value).__name__} of too many levels"


def _accepted(value: Any) -> Iterator[str]:  # Any: JSON values
    """Yields the answers that an open question accepts: a text, a number, a list of them, or SQuAD's and TriviaQA's."""
    if isinstance(value, dict):
        for key in ("value", "text", "aliases"):
            yield from _accepted(value.get(key))
    elif isinstance(value, list):
        for entry in value:
            yield from _accepted(entry)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and _text(value):
        yield _text(value)


def accepted_answers(asked: Asked) -> tuple[str, ...]:
    """What an open question's row accepts, each once; empty where it says nothing."""
    return tuple(dict.fromkeys([*asked.accepted_answers, *_accepted(asked.answer)]))
