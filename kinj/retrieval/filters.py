"""Which chunks may be retrieved at all: `date:2023-08-01..2023-11-30+subject:law`, the same on both back ends."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from kinj.errors import UserError
from kinj.records import Chunk

#: The fields of a chunk that a filter may name.
FIELDS = ("date", "subject", "source", "document_id", "title")
_FORM = "write it as date:2023-08-01..2023-11-30+subject:law"
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


@dataclass(frozen=True, slots=True)
class Days:
    """A range of days, both ends included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on fields: a chunk must meet one of each field's values."""

    #: field and its allowed values, in the order of `FIELDS`, without dates
    values: tuple[tuple[str, tuple[str, ...]], ...]
    #: ranges of which the chunk's date must lie in one; empty: any date, or none
    days: tuple[Days, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it names."""
        return (*(("date",) if self.days else ()), *(field for field, _ in self.values))

    def __str__(self) -> str:
        """One spelling for all filters that mean the same."""
        dates = [f"date:{days.first}..{days.last}" for days in self.days]
        return "+".join([*dates, *(f"{field}:{value}" for field, values in self.values for value in values)])


def parse_filter(text: str) -> Filter:
    """The filter that the text means: `FIELD:VALUE` joined by `+`; a field given again allows one more value.

    A date is a day, a month (`2023-08`) or a year, or a range of them whose ends are included; `2023-08-01..` and
    `..2023-08-31` have one end only.

    Raises:
        UserError: a field that chunks do not have or without a value, a date that is none, a range that ends before it
            begins.
    """
    values: dict[str, set[str]] = {}
    for condition in re.split(r"\+(?=\w*:)", text):
        field, colon, value = condition.partition(":")
        if field not in FIELDS:
            raise UserError(f"filter={text}: {field!r} is no field of a chunk ({', '.join(FIELDS)}); {_FORM}")
        if not colon or not value.strip():
            raise UserError(f"filter={text}: {field} has no value; {_FORM}")
        values.setdefault(field, set()).add(value.strip())
    days = sorted((_days(text, value) for value in values.pop("date", ())), key=lambda one: (one.first, one.last))
    return Filter(tuple((field, tuple(sorted(values[field]))) for field in FIELDS if field in values), tuple(days))


def day_of(text: str) -> int | None:
    """The day of an ISO date or time as the number 20230801; its first day where it is a month or year; else None."""
    match = _DAY.match(text)
    if match is None or (text[match.end() :] and text[match.end()] not in "T "):
        return None
    try:
        return number_of(_first_day(match))
    except ValueError:
        return None


def number_of(day: date) -> int:
    """The day as a number that sorts like it: 20230801."""
    return day.year * 10_000 + day.month * 100 + day.day


def filled_fields(chunk: Chunk) -> list[str]:
    """Those of `FIELDS` in which the chunk has a value that a filter can meet."""
    return [
        field for field in FIELDS if (value := getattr(chunk, field)) and (field != "date" or day_of(value) is not None)
    ]


def check_fields(wanted: Filter, counts: dict[str, int], place: object) -> None:
    """Refuses a filter on a field that no chunk of the index has.

    Raises:
        UserError: names the fields that there are.
    """
    for field in wanted.fields:
        if not counts.get(field):
            there = ", ".join(name for name in FIELDS if counts.get(name)) or "none"
            what = "date in the form 2023-08-01" if field == "date" else field
            raise UserError(f"filter={wanted}: no chunk of {place} has a {what}; fields to filter by: {there}")


def check_matches(wanted: Filter, count: int, place: object) -> int:
    """The count, refused where it is 0.

    Raises:
        UserError: the filter lets no chunk through.
    """
    if not count:
        raise UserError(f"filter={wanted}: no chunk of {place} meets it, so nothing could ever be retrieved")
    return count


def _days(text: str, value: str) -> Days:
    start, dots, end = value.partition("..")
    first = _bound(text, start).first if start else date.min
    last = _bound(text, end if dots else start).last if (end or not dots) else date.max
    if value == "..":
        raise UserError(f"filter={text}: date has no value; {_FORM}")
    if last < first:
        raise UserError(f"filter={text}: the range {value} ends before it begins")
    return Days(first, last)


def _bound(text: str, value: str) -> Days:
    match = _DAY.fullmatch(value)
    try:
        if match is None:
            raise ValueError(value)
        first = _first_day(match)
    except ValueError as error:
        raise UserError(f"filter={text}: {value!r} is no date; {_FORM}") from error
    _, month, day = match.groups()
    last_month = first.month if month else 12
    last_day = first.day if day else monthrange(first.year, last_month)[1]
    return Days(first, first.replace(month=last_month, day=last_day))


def _first_day(match: re.Match[str]) -> date:
    return date(*(int(part or 1) for part in match.groups()))
