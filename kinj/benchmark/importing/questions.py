"""Rows of other people's files as questions, and what could not be taken."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from kinj.benchmark.checks.structure import KINDS
from kinj.benchmark.importing.answers import AnswerForm, find_form, place_of
from kinj.benchmark.importing.fields import Asked, Columns, Fields, RowError, accepted_answers
from kinj.benchmark.importing.files import HALF_CHARACTER, is_headerless
from kinj.benchmark.integrity import FEWEST_OPTIONS, MOST_OPTIONS
from kinj.corpus.sources.rows import CELLS, Row
from kinj.errors import UserError
from kinj.records import Json, Question

#: what names an option, where there is one: a letter, or a place
_MARK = re.compile(r"\(?[A-Ja-j][).:]?|(10|[0-9])(\.0+)?")

_IF_HEADER = "; if this line names the columns, say which by --question-field, --options-field and --answer-field"


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is no question of a benchmark."""

    #: file and line, or number
    place: str
    why: str
    #: as it stands in the file, as far as JSON can say it; None where it could not be read
    row: Json | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file gave."""

    #: without chunks and split
    questions: tuple[Question, ...]
    refused: tuple[Refused, ...]
    columns: Columns
    #: of the answers of rows with options; None: no row has any
    form: AnswerForm | None
    #: columns that were left out, with the number of rows that have something there
    left_out: Mapping[str, int]
    has_header: bool
    #: whether the file's ids are kept; where one is repeated none is
    keeps_ids: bool


def import_questions(
    rows: Sequence[Row], fields: Fields, possible: Sequence[AnswerForm] = tuple(AnswerForm)
) -> Imported:
    """The questions of these rows; a bad row is refused by itself.

    Args:
        rows: of one file or data set.
        fields: which columns hold what.
        possible: the forms that the answers may have.

    Raises:
        UserError: no row that can be read, columns that are not there, answers that could be read in several ways, or
            such as name options where none was found.
    """
    if all(row.values is None for row in rows):
        raise UserError(f"none of {len(rows):,} rows can be read; {rows[0].place}: {rows[0].reason}")
    columns = fields.columns_of(rows)
    read: list[tuple[Row, Asked]] = []
    refused: list[Refused] = []
    for row in rows:
        try:
            asked = columns.read(row)
            _refuse_faulty(asked)
        except RowError as error:
            refused.append(Refused(row.place, str(error), _plain(row)))
        else:
            read.append((row, asked))
    with_options = [asked for _, asked in read if asked.options]
    form = find_form(with_options, possible) if with_options else None
    if form is None and tuple(possible) != (AnswerForm.TEXT,):
        _refuse_unfound_options([asked for _, asked in read], possible)
    questions: list[Question] = []
    places: dict[Hashable, str] = {}
    for row, asked in read:
        try:
            question = _question(asked, form)
            said = (question.question, frozenset(question.choices), question.right_answer, question.accepted_answers)
            if said in places:  # drawn into another split, it would be asked of who was shown it
                raise RowError(f"the same question, options and answer as {places[said]}")
            places[said] = row.place
            questions.append(question)
        except RowError as error:
            refused.append(Refused(row.place, str(error), _plain(row)))
    ids = [question.id for question in questions]
    keeps_ids = all(ids) and len(set(ids)) == len(ids)
    if not keeps_ids:
        questions = [replace(question, id=f"q{number:06}") for number, question in enumerate(questions, 1)]
    order = {row.place: number for number, row in enumerate(rows)}
    return Imported(
        questions=tuple(questions),
        refused=tuple(sorted(_hinted(refused, rows[0]), key=lambda one: order[one.place])),
        columns=columns,
        form=form,
        left_out=_left_out(rows, columns, [asked for _, asked in read]),
        has_header=not any(is_headerless(row) for row in rows),
        keeps_ids=keeps_ids,
    )


def _hinted(refused: Sequence[Refused], first: Row) -> list[Refused]:
    """The same; of a file whose first line was taken for a question and refused, with how its columns are named."""
    is_first = [is_headerless(first) and one.place == first.place for one in refused]
    return [
        replace(one, why=one.why + _IF_HEADER) if hint else one for one, hint in zip(refused, is_first, strict=True)
    ]


def _refuse_unfound_options(read: Sequence[Asked], possible: Sequence[AnswerForm]) -> None:
    """Refuses questions without options whose answers are mostly letters or places, or were said to be."""
    given = [answers for asked in read if not asked.accepted_answers and (answers := accepted_answers(asked))]
    marks = [answers[0] for answers in given if all(map(_MARK.fullmatch, answers))]
    way_out = "which columns are they? --options-field NAMES; or, if the questions are open, --answer-is text"
    if len(marks) * 2 > len(given):
        shown = ", ".join(sorted(set(marks))[:6])
        raise UserError(f"no options were found, and the answers ({shown}) look like those of options: {way_out}")
    if given and len(possible) < len(AnswerForm):
        raise UserError(f"no options were found that the answers could name: {way_out}")


def _plain(row: Row) -> Json | None:
    """The row's values as JSON: dates as text, what is no text said so, half a character as a question mark."""
    spelled = json.dumps(row.values, ensure_ascii=False, default=lambda value: str(value)[:200])
    plain: Json | None = json.loads(spelled.encode("utf-8", "replace"))
    return plain


def _refuse_faulty(asked: Asked) -> None:
    for text in (asked.question, asked.id, *asked.options, *asked.accepted_answers, str(asked.answer)):
        if HALF_CHARACTER.search(text):
            raise RowError("a text holds half a character: write the whole one, or remove it")
    count = len(asked.options)
    if count and not FEWEST_OPTIONS <= count <= MOST_OPTIONS:
        raise RowError(f"{count} options, expected {FEWEST_OPTIONS} to {MOST_OPTIONS}")
    if not all(asked.options):
        raise RowError(f"option {asked.options.index('') + 1} of {count} is empty")
    if repeated := next((text for place, text in enumerate(asked.options) if text in asked.options[:place]), None):
        raise RowError(f"the option {repeated[:60]!r} comes twice")
    if asked.labels and len(asked.labels) != count:
        raise RowError(f"{count} options with {len(asked.labels)} labels")


def _question(asked: Asked, form: AnswerForm | None) -> Question:
    """The question, without chunks and split.

    Raises:
        RowError: the answer is none of its options, or none is there.
    """
    kind = asked.kind if asked.kind in KINDS else ""
    if not asked.options or form is None:
        accepted = accepted_answers(asked)
        if not accepted:
            raise RowError("no options, and no answer that could be compared with a model's")
        if form not in (None, AnswerForm.TEXT) and not asked.accepted_answers and all(map(_MARK.fullmatch, accepted)):
            raise RowError(f"no options, and the answer {str(asked.answer)[:60]!r} looks like that of one")
        return Question(asked.id, (), asked.question, (), kind=kind, accepted_answers=accepted)
    place = place_of(asked, form)
    if place is None:
        raise RowError(_strange_answer(asked, form))
    return Question(asked.id, (), asked.question, asked.options, place, kind, asked.accepted_answers)


def _strange_answer(asked: Asked, form: AnswerForm) -> str:
    if asked.answer in (None, "", []):
        return "no answer"
    last = len(asked.options)
    expected = {
        AnswerForm.LABEL: f"one of {', '.join(asked.labels) or 'its labels, of which it has none'}",
        AnswerForm.LETTER: f"a letter from A to {chr(ord('A') + last - 1)}",
        AnswerForm.TEXT: "the text of one option",
        AnswerForm.FROM_0: f"an index from 0 to {last - 1}",
        AnswerForm.FROM_1: f"an index from 1 to {last}",
    }[form]
    return f"the answer {str(asked.answer)[:60]!r} is not {expected}"


def _left_out(rows: Sequence[Row], columns: Columns, read: Sequence[Asked]) -> dict[str, int]:
    counts = Counter(key for row in rows for key, value in (row.values or {}).items() if value not in (None, ""))
    is_csv = any(row.is_csv for row in rows)
    left_out = {
        name.encode("utf-8", "replace").decode(): count  # as `_plain`
        for name, count in counts.items()
        if name not in columns.taken and not (is_csv and name == CELLS)
    }
    if strange := sum(asked.kind not in ("", *KINDS) for asked in read):  # somebody else's kinds
        left_out[columns.kept["kind"]] = strange
    return left_out
