"""JSON lines to records and back; a bad line is refused as `file:line: why`."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kinj.errors import UserError

T = TypeVar("T")

#: One validator a record type: making one costs more than a thousand uses.
_adapter: Callable[[type], TypeAdapter[Any]] = cache(TypeAdapter)  # Any: each its own record type


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


def read_records(path: Path, kind: type[T]) -> Iterator[T]:
    """Yields the file's lines as records of `kind` (a dataclass). Keys the record does not have are ignored.

    Raises:
        UserError: a line lacks a field or holds a value of another type; the message is `file:line: why`.
    """
    for place, value in read_objects(path):
        yield to_record(place, value, kind)


def to_record(place: str, value: dict[str, Any], kind: type[T]) -> T:
    """The object as a record of `kind`, each field's type checked; lists become tuples.

    Raises:
        UserError: a field is missing or of another type; `place` begins the message.
    """
    try:
        # As JSON text: only there does strict mode take a list for a tuple and a mapping for a dataclass.
        record: T = _adapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise UserError(f"{place}: {_first_fault(error, kind)}") from error
    return record


def _first_fault(error: ValidationError, kind: type) -> str:
    fault = error.errors(include_url=False)[0]
    if not fault["loc"]:
        return f"not JSON ({fault['msg']})"
    name, *inside = fault["loc"]
    if fault["type"] == "missing":
        return f"no {name!r} (a {kind.__name__.lower()} needs it)"
    hint = typing.get_type_hints(kind)[str(name)]
    where = f"{name!r}" if not inside else f"entry {inside[0]} of {name!r}"
    expected = _type_name(hint if not inside else typing.get_args(hint)[0])
    return f"{where} is {type(fault['input']).__name__}, expected {expected}"


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


def _type_name(hint: Any) -> str:  # Any: a type annotation
    if typing.get_origin(hint) is tuple:
        return f"a list of {typing.get_args(hint)[0].__name__}"
    return str(getattr(hint, "__name__", hint))
