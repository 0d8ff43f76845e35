"""Outside texts as records: chunk files, document files and folders of texts, told apart by what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from kinj.errors import UserError
from kinj.jsonl import read_objects, to_record
from kinj.records import Chunk, Document

Kind = Literal["chunks", "documents", "folder of texts"]
_SUFFIXES = (".txt", ".md")
T = TypeVar("T", Chunk, Document)


@dataclass(frozen=True, slots=True)
class Collection:
    """What a set of inputs holds: documents still to be cut, and chunks already cut."""

    documents: tuple[Document, ...]
    chunks: tuple[Chunk, ...]
    #: each input with what it was taken for
    kinds: tuple[tuple[Path, Kind], ...]


def read_collection(paths: Sequence[Path]) -> Collection:
    """The documents and chunks of these files and folders.

    Raises:
        UserError: nothing in them, an empty text, an id given twice, or a line that is no record: `file:line: why`.
    """
    kinds = tuple((path, kind_of(path)) for path in paths)
    return Collection(
        documents=tuple(read_documents([path for path, kind in kinds if kind != "chunks"])),
        chunks=tuple(read_chunks([path for path, kind in kinds if kind == "chunks"])),
        kinds=kinds,
    )


def kind_of(path: Path) -> Kind:
    """What an input is: a folder of texts, or by the keys of its first line chunks (`document_id`) or documents."""
    if path.is_dir():
        return "folder of texts"
    for place, value in read_objects(path):
        if "document_id" in value:
            return "chunks"
        if "id" in value and "text" in value:
            return "documents"
        raise UserError(
            f"{place}: neither a document (needs 'id', 'text') nor a chunk (needs 'id', 'document_id', 'text', 'start' "
            f"and 'end'); its keys are {', '.join(map(repr, value))}"
        )
    raise UserError(f"{path} is empty: there is nothing to read")


def read_chunks(paths: Sequence[Path]) -> list[Chunk]:
    """The chunks of these JSON-lines files."""
    return _checked((item for path in paths for item in _records(path, Chunk)), _check_slice)


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """The documents of these JSON-lines files and folders of .txt and .md files.

    In a folder the id is the file's path inside it without the suffix. In a JSON line `url` stands in for `source`.
    """
    return _checked(item for path in paths for item in (_texts(path) if path.is_dir() else _records(path, Document)))


def _records(path: Path, kind: type[T]) -> Iterator[tuple[str, T]]:
    empty = True
    for place, value in read_objects(path):
        empty = False
        if "source" not in value and isinstance(value.get("url"), str):
            value["source"] = value["url"]
        yield place, to_record(place, value, kind)
    if empty:
        raise UserError(f"{path} is empty: there is nothing to read")


def _texts(folder: Path) -> Iterator[tuple[str, Document]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not files:
        raise UserError(f"{folder} holds no {' or '.join(_SUFFIXES)} file")
    for path in files:
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
        name = path.relative_to(folder).with_suffix("").as_posix()
        yield str(path), Document(id=name, text=text, title=path.stem, source=str(path))


def _checked(items: Iterator[tuple[str, T]], check: Callable[[str, Any], None] | None = None) -> list[T]:  # Any: a T
    seen: dict[str, str] = {}
    records: list[T] = []
    for place, record in items:
        if not record.text.strip():
            raise UserError(f"{place}: {record.id!r} has an empty text")
        if record.id in seen:
            raise UserError(f"{place}: the id {record.id!r} was used before, at {seen[record.id]}")
        if check is not None:
            check(place, record)
        seen[record.id] = place
        records.append(record)
    return records


def _check_slice(place: str, chunk: Chunk) -> None:
    if chunk.start < 0 or chunk.end - chunk.start != len(chunk.text):
        raise UserError(
            f"{place}: chunk {chunk.id!r} is {len(chunk.text)} characters long but says it is "
            f"document[{chunk.start}:{chunk.end}]"
        )
