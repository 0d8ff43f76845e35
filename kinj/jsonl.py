"""JSON lines to records and back; a bad line is refused as `file:line: why`."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from kinj.errors import UserError

T = TypeVar("T")


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:  # Any: JSON values
    """Yields `(place, object)` for each line that is not blank; `place` is `file:line`, for messages.

    Raises:
        UserError: no such file, not UTF-8, or a line that is not one JSON object.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            place = f"{path}:{number}"
            if not raw.strip():
                continue
            try:
                value = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise UserError(f"{place}: not UTF-8 ({error.reason} at byte {error.start})") from error
            except json.JSONDecodeError as error:
                raise UserError(f"{place}: not JSON ({error.msg} at column {error.colno})") from error
            if not isinstance(value, dict):
                raise UserError(f"{place}: expected a JSON object, got {type(value).__name__}")
            yield place, value


def read_records(path: Path, kind: type[T], defaults: Callable[[dict[str, Any]], None] | None = None) -> Iterator[T]:
    """Yields the file's lines as records of `kind` (a dataclass). Keys the record does not have are ignored.

    Raises:
        UserError: a line lacks a field or holds a value of another type; the message is `file:line: why`.
    """
    for place, value in read_objects(path):
        if defaults is not None:
            defaults(value)
        yield to_record(place, value, kind)


def to_record(place: str, value: dict[str, Any], kind: type[T]) -> T:
    """The object as a record of `kind`, each field's type checked; lists become tuples."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # `type[T]` cannot say "a dataclass"
        if field.name not in value:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise UserError(f"{place}: no {field.name!r} (a {kind.__name__.lower()} needs it)")
            continue
        given = value[field.name]
        if isinstance(given, list):
            given = tuple(given)
        if not _fits(given, hints[field.name]):
            raise UserError(
                f"{place}: {field.name!r} is {type(value[field.name]).__name__}, expected {_said(hints[field.name])}"
            )
        values[field.name] = given
    return kind(**values)


def write_records(path: Path, records: Iterable[object]) -> int:
    """Writes dataclass records one a line, fields equal to their default left out; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as sink:
        for record in records:
            sink.write(record_line(record))
            count += 1
    return count


def record_line(record: object) -> str:
    """The record as one line of JSON, its end included."""
    return json.dumps(to_object(record), ensure_ascii=False) + "\n"


def to_object(record: object) -> dict[str, Any]:
    """The record as a JSON object without the fields that equal their default."""
    fields = dataclasses.fields(record)  # type: ignore[arg-type]  # any dataclass instance
    return {f.name: getattr(record, f.name) for f in fields if getattr(record, f.name) != f.default}


def _fits(value: object, hint: Any) -> bool:  # Any: a type annotation
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return isinstance(value, tuple) and all(_fits(v, inner) for v in value)
    if isinstance(hint, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _said(hint: Any) -> str:  # Any: a type annotation
    if typing.get_origin(hint) is tuple:
        return f"a list of {typing.get_args(hint)[0].__name__}"
    return str(getattr(hint, "__name__", hint))
