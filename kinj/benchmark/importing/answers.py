"""Which option a row means by its answer: a letter, an index from 0 or from 1, or the option's text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from kinj.benchmark.checks.words import told_apart
from kinj.benchmark.importing.fields import Asked
from kinj.errors import UserError

_LETTER = re.compile(r"\(?([A-Ja-j])[).:]?")
_WHOLE = re.compile(r"\d{1,3}(\.0+)?")


class AnswerForm(StrEnum):
    """How a file says which option is right."""

    #: by what the row calls its options
    LABEL = "label"
    LETTER = "letter"
    TEXT = "text"
    FROM_0 = "0"
    FROM_1 = "1"


def find_form(rows: Sequence[Asked], possible: Sequence[AnswerForm] = tuple(AnswerForm)) -> AnswerForm:
    """The form of the answers of a file's rows with options: of those that are possible, what fits most rows.

    Args:
        rows: those with options; at least one.
        possible: a single one is taken, whatever it fits.

    Raises:
        UserError: two forms fit as many rows and mean different options, or some answers are indexes from 0 alone and
            others from 1 alone; the message names the option that decides.
    """
    readings = {form: [_READ[form](row) for row in rows] for form in possible}
    fitting = {form: sum(place is not None for place in places) for form, places in readings.items()}
    most = max(fitting.values())
    best = [form for form, count in fitting.items() if count == most]
    first = best[0]
    # What the rows call their options is said by the rows; letters and texts that mean the same are no question either.
    rivals = [form for form in best[1:] if first is not AnswerForm.LABEL and readings[form] != readings[first]]
    if first in (AnswerForm.FROM_0, AnswerForm.FROM_1) and (rivals or _fit_neither(readings)):
        shown = ", ".join(sorted({str(row.answer)[:20] for row in rows})[:6])
        raise UserError(
            f"the answers ({shown}) are indexes that may count from 0 or from 1: say which by --answer-from 0 or "
            "--answer-from 1; those that do not fit are refused"
        )
    if not rivals or not most:
        return first
    unlike = next(n for n, place in enumerate(readings[first]) if any(readings[form][n] != place for form in rivals))
    row = rows[unlike]
    names = " or ".join(_NAMES[form] for form in (first, *rivals))
    raise UserError(
        f"the answer {str(row.answer)[:60]!r} to {row.question[:60]!r} with the options "
        f"{str(list(row.options))[:200]} may be {names}: say which by --answer-is letter, text or index"
    )


def _fit_neither(readings: Mapping[AnswerForm, Sequence[int | None]]) -> bool:
    """Whether some answers are indexes from 0 alone and others from 1 alone: 0 is there, and the number of options."""
    if not {AnswerForm.FROM_0, AnswerForm.FROM_1} <= readings.keys():
        return False
    both = list(zip(readings[AnswerForm.FROM_0], readings[AnswerForm.FROM_1], strict=True))
    return any(one is None for zero, one in both if zero is not None) and any(
        zero is None for zero, one in both if one is not None
    )


def place_of(row: Asked, form: AnswerForm) -> int | None:
    """The index of the right option from 0; None where the row's answer is none of that form."""
    return _READ[form](row)


def _by_label(row: Asked) -> int | None:
    return _only(row.labels, _text(row.answer).casefold(), str.casefold)


def _by_letter(row: Asked) -> int | None:
    match = _LETTER.fullmatch(_text(row.answer))
    if match is None:
        return None
    place = ord(match[1].upper()) - ord("A")
    return place if place < len(row.options) else None


def _by_text(row: Asked) -> int | None:
    text = _text(row.answer)
    if not text:
        return None
    exact = _only(row.options, text, str)
    return exact if exact is not None else _only(row.options, told_apart(text), told_apart)


def _by_index(first: int) -> Callable[[Asked], int | None]:
    def read(row: Asked) -> int | None:
        text = _text(row.answer)
        place = int(float(text)) - first if _WHOLE.fullmatch(text) else -1
        return place if 0 <= place < len(row.options) else None

    return read


def _only(texts: Sequence[str], wanted: str, spell: Callable[[str], str]) -> int | None:
    """The place of the one text that is spelt so; None where none or several are."""
    places = [place for place, text in enumerate(texts) if spell(text) == wanted] if wanted else []
    return places[0] if len(places) == 1 else None


def _text(answer: Any) -> str:  # Any: JSON values
    """The answer as text; of a list of one, that one's. A truth value is True or False, whatever the case."""
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, (str, int, float)):
        return ""
    return str(answer).strip()


#: In this order: what comes first is taken where two forms mean the same options.
_READ: dict[AnswerForm, Callable[[Asked], int | None]] = {
    AnswerForm.LABEL: _by_label,
    AnswerForm.LETTER: _by_letter,
    AnswerForm.TEXT: _by_text,
    AnswerForm.FROM_0: _by_index(0),
    AnswerForm.FROM_1: _by_index(1),
}
_NAMES = {
    AnswerForm.LABEL: "an option's label",
    AnswerForm.LETTER: "a letter",
    AnswerForm.TEXT: "an option's text",
    AnswerForm.FROM_0: "an index from 0",
    AnswerForm.FROM_1: "an index from 1",
}
