"""Files of rows, each a document: JSON lines, CSV, TSV and Parquet, under other people's column names too."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kinj.corpus.readers.reading import UnreadableError, decode, is_wide
from kinj.errors import MissingExtraError, UserError
from kinj.jsonl import parse_object, to_record
from kinj.records import Document, Json

#: What others call an id (BEIR, MS MARCO, Pyserini) and a text, the first one that a row has.
ID_KEYS = ("id", "_id", "docid", "doc_id")
TEXT_KEYS = ("text", "contents", "content", "body", "passage")
TITLE_KEYS = ("title",)
#: holds the cells of a CSV row that no column is for
CELLS = "more"
#: Keys of ours that rows of others use for something else: passed over where their type is another.
_OURS = {"markup": str, "language": str, "version": str, "pages": list}


@dataclass(frozen=True, slots=True)
class Fields:
    """The keys of a row that hold its id, text and title; None: the usual ones."""

    id: str | None = None
    text: str | None = None
    title: str | None = None

    def find(self, row: Json) -> tuple[str | None, str | None, str | None]:
        """The keys that this row has for id, text and title; that of the text may hold nothing."""
        wanted = ((self.id, ID_KEYS), (self.text, TEXT_KEYS), (self.title, TITLE_KEYS))
        id_keys, texts, titles = ([key for key in ((own,) if own else usual) if key in row] for own, usual in wanted)
        return _filled(id_keys, row), _filled(texts, row) or next(iter(texts), None), _filled(titles, row)


def _filled(keys: list[str], row: Json) -> str | None:
    """The first of the keys whose value is not empty."""
    return next((key for key in keys if row[key] not in (None, "")), None)


@dataclass(frozen=True, slots=True)
class Row:
    """A row, or why it could not be read."""

    place: str
    number: int
    #: None: it could not be read
    values: Json | None
    reason: str = ""
    #: bytes of the file up to here, about
    end: int = 0
    #: whether its values are cells of CSV, which can only be texts
    is_csv: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of its values, 64 hex digits."""
        spelled = json.dumps(self.values, sort_keys=True, default=str)
        return hashlib.sha256(spelled.encode()).hexdigest()


def read_rows(
    path: Path, encoding: str | None = None, *, delimiter: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """Yields the rows of a file one at a time; a row that cannot be read is given with its reason.

    Args:
        path: JSON lines, CSV, TSV, Parquet, or Arrow as `datasets` saves it.
        encoding: of a text file that is not UTF-8.
        delimiter: of a CSV file; by default that of its suffix.
        columns: the names of a CSV file's columns, where it has no header line; cells beyond them stand under `CELLS`.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    if path.suffix.lower() == ".arrow":
        return _arrow(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        usual = "\t" if path.suffix.lower() == ".tsv" else ","
        return _csv(path, encoding, delimiter or usual, columns)
    return _json_lines(path, encoding)


def to_document(row: Row, fields: Fields, path: Path) -> Document:
    """The row as a document; without an id its file's name and its number are one.

    Raises:
        UserError: no text, a value of the wrong type, or half a character; the row's place begins the message.
    """
    values = dict(row.values or {})
    id_key, text_key, title_key = fields.find(values)
    if text_key is None:
        raise UserError(f"{row.place}: {no_text(values, fields)}")
    found = {"id": values[id_key] if id_key else f"{path.stem}:{row.number}", "text": values[text_key]}
    if title_key:
        found["title"] = values[title_key]
    if "source" not in values and isinstance(values.get("url"), str):
        values["source"] = values["url"]
    strange = [key for key, kind in _OURS.items() if not isinstance(values.get(key), kind)]
    return to_record(row.place, {key: value for key, value in values.items() if key not in strange} | found, Document)


def no_text(values: Json, fields: Fields) -> str:
    """Says that a row or a table has no text."""
    keys = ", ".join(map(repr, list(values)[:12])) or "none"
    return f"no {fields.text or 'text'!r}; its keys are {keys}; `kinj corpus files --text-field` names another key"


def is_table(path: Path) -> bool:
    """Whether all rows have the same columns."""
    return path.suffix.lower() in (".csv", ".tsv", ".parquet")


def _lines(path: Path, encoding: str | None) -> Iterator[tuple[bytes, int]]:
    """Yields each line without a byte-order mark, and the bytes read so far.

    Raises:
        UnreadableError: a file of an encoding whose line ends have other bytes, which is read as a whole.
    """
    if is_wide(encoding):
        for line in io.StringIO(decode(path.read_bytes(), encoding)):
            yield line.encode(), path.stat().st_size
        return
    end = 0
    with path.open("rb") as lines:
        for raw in lines:
            yield (raw.removeprefix(codecs.BOM_UTF8) if end == 0 else raw), end + len(raw)
            end += len(raw)


def _json_lines(path: Path, encoding: str | None) -> Iterator[Row]:
    number = 0
    try:
        for number, (raw, end) in enumerate(_lines(path, encoding), 1):
            if not raw.strip():
                continue
            place = f"{path}:{number}"
            try:
                yield Row(place, number, parse_object(place, _utf8(raw, encoding)), end=end)
            except (UserError, UnreadableError) as error:
                why = str(error).removeprefix(f"{place}: ")
                hint = ": give its --encoding, cp1252 for example" if encoding is None and "not UTF-8" in why else ""
                yield Row(place, number, None, why + hint, end)
    except UnreadableError as error:
        yield Row(f"{path}:{number + 1}", number + 1, None, f"{error}; nothing was read", path.stat().st_size)


def _utf8(raw: bytes, encoding: str | None) -> bytes:
    return raw if encoding is None else decode(raw, encoding).encode()


def _csv(path: Path, encoding: str | None, delimiter: str, columns: Sequence[str] | None) -> Iterator[Row]:
    for line, cells, why, end in _cells(path, encoding, delimiter):
        place = f"{path}:{line}"
        if cells is None:
            yield Row(
                place,
                line,
                None,
                why if columns is not None else f"{why}; it is the header line: the rest was not read",
                end,
            )
            if columns is None:
                return
        elif columns is None:
            columns = cells
        else:
            values: Json = dict(zip_longest(columns, cells[: len(columns)]))
            if len(cells) > len(columns):
                values[CELLS] = cells[len(columns) :]
            yield Row(place, line, values, end=end, is_csv=True)


def _cells(path: Path, encoding: str | None, delimiter: str) -> Iterator[tuple[int, list[str] | None, str, int]]:
    """Yields line, cells and bytes so far of each row that is not blank; cells None: why they could not be read."""
    csv.field_size_limit(sys.maxsize)
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        for raw, end in _lines(path, encoding):  # noqa: B007  # the caller reads how far it is
            yield from io.StringIO(decode(raw, encoding))  # old spreadsheets end lines by CR alone

    # Strict, since a quote that never ends would make one row of all that follow.
    table = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        first = table.line_num + 1
        try:
            cells = next(table, None)
        except csv.Error as error:
            yield first, None, f"no {path.suffix[1:]}: {_quote_fault(str(error), first, table.line_num)}", end
        except UnreadableError as error:
            yield first, None, f"{error}; the rest of the file was not read", end
            return
        else:
            if cells is None:
                return
            if cells:
                yield first, cells, "", end


def _quote_fault(why: str, first: int, last: int) -> str:
    """What is wrong with the row of these lines."""
    if "unexpected end of data" in why:
        why += ": a quote that opens in this row is never closed"
    return f"{why}; lines {first} to {last} were not read" if last > first else why


def _parquet(path: Path) -> Iterator[Row]:
    arrow = _pyarrow()
    size = path.stat().st_size

    def batches() -> Iterator[tuple[list[Json], int]]:
        with arrow.parquet.ParquetFile(path) as file:
            done, total = 0, max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(batch_size=256):
                done += batch.num_rows
                yield batch.to_pylist(), size * done // total

    return _table(path, batches(), arrow.ArrowException)


def _arrow(path: Path) -> Iterator[Row]:
    """Yields the rows of a stream of Arrow's batches, as `datasets` saves it."""
    arrow = _pyarrow()

    def batches() -> Iterator[tuple[list[Json], int]]:
        with arrow.OSFile(str(path)) as file, arrow.ipc.open_stream(file) as stream:
            for batch in stream:
                yield batch.to_pylist(), file.tell()

    return _table(path, batches(), arrow.ArrowException)


def _table(path: Path, batches: Iterator[tuple[list[Json], int]], fault: type[Exception]) -> Iterator[Row]:
    number, end = 0, 0
    try:
        for values_of_batch, end in batches:
            for values in values_of_batch:
                number += 1
                yield Row(f"{path}:{number}", number, values, end=end)
    except (fault, OSError) as error:
        why = f"{' '.join(str(error).split())[:150]}; what follows was not read"
        yield Row(f"{path}:{number + 1}", number + 1, None, why, path.stat().st_size)


def _pyarrow() -> Any:  # Any: pyarrow ships no types
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.ipc  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("pyarrow", "corpus", "reading Parquet") from error
    return pyarrow
