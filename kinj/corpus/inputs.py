"""Outside texts as records: chunk files, document files and folders of texts, told apart by what they hold.

Everything is read line by line: a collection may be larger than memory.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from kinj.corpus.used_ids import UsedIds
from kinj.errors import UserError
from kinj.jsonl import read_objects, to_record
from kinj.records import Chunk, Document

Kind = Literal["chunks", "documents", "folder of texts"]
_SUFFIXES = (".txt", ".md")
T = TypeVar("T", Chunk, Document)


@dataclass(frozen=True, slots=True)
class InputFiles:
    """A set of files and folders: documents still to be cut, and chunks already cut. `open_inputs` makes one."""

    #: each input with what it was taken for
    kinds: tuple[tuple[Path, Kind], ...]

    @property
    def has_documents(self) -> bool:
        """Whether anything is to be cut."""
        return bool(self._document_paths)

    def chunks(self) -> Iterator[Chunk]:
        """Yields the chunks that are cut already; see `read_chunks`."""
        return read_chunks(self._chunk_paths)

    def documents(self) -> Iterator[Document]:
        """Yields the documents; see `read_documents`."""
        return read_documents(self._document_paths)

    def all_chunks(self, cut: Callable[[Document], Iterable[Chunk]]) -> Iterator[Chunk]:
        """Yields the chunks that are cut already, then those that `cut` makes of each document.

        Raises:
            UserError: as `open_inputs` and the readers, or a cut's id is that of a chunk; names both places.
        """
        used = UsedIds()
        for _, chunk in _chunks_with_places(self._chunk_paths, used):
            yield chunk
        for place, document in _documents_with_places(self._document_paths, UsedIds()):
            for chunk in cut(document):
                # Two documents' cuts never share an id, since it begins with the document's.
                used.check(chunk.id, place)
                yield chunk

    @property
    def _chunk_paths(self) -> list[Path]:
        return [path for path, kind in self.kinds if kind == "chunks"]

    @property
    def _document_paths(self) -> list[Path]:
        return [path for path, kind in self.kinds if kind != "chunks"]


def open_inputs(paths: Sequence[Path]) -> InputFiles:
    """What these files and folders are; only the first line of each file is looked at.

    Raises:
        UserError: no such file, an empty one, or one whose first line is neither a document nor a chunk.
    """
    return InputFiles(tuple((path, kind_of(path)) for path in paths))


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


def read_chunks(paths: Sequence[Path]) -> Iterator[Chunk]:
    """Yields the chunks of these JSON-lines files.

    Raises:
        UserError: nothing in a file, an empty text, an id used twice, offsets that do not fit the text, or a line that
            is no chunk: `file:line: why`.
    """
    return (chunk for _, chunk in _chunks_with_places(paths, UsedIds()))


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    r"""Yields the documents of these JSON-lines files and folders of .txt and .md files.

    In a folder the id is the file's path inside it without the suffix, which stays where two files differ in nothing
    else (README.txt, README.md). A file's byte-order mark is left out, and its lines end in `\n` whatever ends them in
    the file: neither belongs in a prompt. In a JSON line `url` stands in for `source`.

    Raises:
        UserError: nothing in a file or folder, an empty text, an id used twice, or a line that is no document:
            `file:line: why`.
    """
    return (document for _, document in _documents_with_places(paths, UsedIds()))


def _chunks_with_places(paths: Sequence[Path], used: UsedIds) -> Iterator[tuple[str, Chunk]]:
    items = (item for path in paths for item in _records(path, Chunk))
    for place, chunk in _checked(items, used):
        _check_slice(place, chunk)
        yield place, chunk


def _documents_with_places(paths: Sequence[Path], used: UsedIds) -> Iterator[tuple[str, Document]]:
    items = (item for path in paths for item in (_texts(path) if path.is_dir() else _records(path, Document)))
    return _checked(items, used)


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
    empty = True
    for path, has_twin in _files(folder):
        empty = False
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
        inside = path.relative_to(folder)
        name = (inside if has_twin else inside.with_suffix("")).as_posix()
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield str(path), Document(id=name, text=text, title=path.stem, source=str(path))
    if empty:
        raise UserError(f"{folder} holds no {' or '.join(_SUFFIXES)} file")


def _files(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yields the files of texts below the folder in the order of their paths, holding one folder's names at a time.

    With each comes whether another of its folder has the same name but for the suffix.
    """
    names = sorted(os.listdir(folder))
    stems = Counter(Path(name).stem for name in names if Path(name).suffix.lower() in _SUFFIXES)
    for name in names:
        path = folder / name
        if path.is_dir():
            if not path.is_symlink():
                yield from _files(path)
        elif path.suffix.lower() in _SUFFIXES and path.is_file():
            yield path, stems[path.stem] > 1


def _checked(items: Iterable[tuple[str, T]], used: UsedIds) -> Iterator[tuple[str, T]]:
    for place, record in items:
        if not record.text.strip():
            raise UserError(f"{place}: {record.id!r} has an empty text")
        used.add(record.id, place)
        yield place, record


def _check_slice(place: str, chunk: Chunk) -> None:
    if chunk.start < 0 or chunk.end - chunk.start != len(chunk.text):
        raise UserError(
            f"{place}: chunk {chunk.id!r} is {len(chunk.text)} characters long but says it is "
            f"document[{chunk.start}:{chunk.end}]"
        )
