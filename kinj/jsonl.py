"""JSON lines to records and back; a bad line is refused as `file:line: why`."""

from __future__ import annotations

import codecs
import dataclasses
import json
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING
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
            if number == 1:  # tools on Windows begin a file with a byte-order mark
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if not raw.strip():
                continue
            yield place, parse_object(place, raw)


def parse_object(place: str, raw: bytes, encoding: str = "utf-8") -> dict[str, Any]:  # Any: JSON values
    """The JSON object on one line.

    Raises:
        UserError: another encoding, or not one JSON object; `place` begins the message.
    """
    try:
        value = json.loads(raw.decode(encoding))
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: not {encoding.upper()} ({error.reason} at byte {error.start})") from error
    except (ValueError, RecursionError) as error:  # a number of ten thousand digits is a ValueError
        why = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{place}: not JSON ({why})") from error
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected a JSON object, got {type(value).__name__}")
    return value


def read_records(path: Path, kind: type[T]) -> Iterator[T]:
    """Yields the file's lines as records of `kind` (a dataclass). Keys the record does not have are ignored.

    Raises:
        UserError: a line lacks a field or holds a value of another type; the message is `file:line: why`.
    """
    for place, value in read_objects(path):
        yield to_record(place, value, kind)


def to_record(place: str, value: dict[str, Any], kind: type[T]) -> T:
    """The object as a record of `kind`, each field's type checked; lists become tuples.

    Null means that an optional key is absent, and an id may be a whole number: many tools write both.

    Raises:
        UserError: a field is missing, of another type, or holds half a character; `place` begins the message.
    """
    values = {name: _id_text(name, value[name]) for name in _fields(kind, value)}
    try:
        # As JSON text: only there does strict mode take a list for a tuple and a mapping for a dataclass.
        record: T = _adapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise UserError(f"{place}: {_half_character(values) or _first_fault(error, kind)}") from error
    return record


def _fields(kind: type, value: dict[str, Any]) -> list[str]:
    """The record's fields that the object has a value for."""
    fields = dataclasses.fields(kind)
    return [f.name for f in fields if f.name in value and (value[f.name] is not None or f.default is MISSING)]


def _id_text(name: str, value: Any) -> Any:
    if isinstance(value, list) and name.endswith("_ids"):
        return [_id_text("id", entry) for entry in value]
    is_id = name == "id" or name.endswith("_id")
    return str(value) if is_id and isinstance(value, int) and not isinstance(value, bool) else value


def _half_character(values: dict[str, Any]) -> str | None:
    """Which value has a surrogate without its other half: JSON can spell one as an escape, UTF-8 cannot."""
    for name, value in values.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and (half := re.search("[\ud800-\udfff]", text)):
                return f"{name!r} holds half a character (\\u{ord(half[0]):04x}): write the whole one, or remove it"
    return None


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
