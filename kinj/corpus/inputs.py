"""Outside texts as records: chunk files, document files and folders of texts, told apart by what they hold.

Everything is read line by line: a collection may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from kinj.corpus.build import AGAIN, CHUNKS, DOCUMENTS, is_unfinished
from kinj.corpus.readers.formats import FORMATS, ROW_SUFFIXES, SUFFIXES
from kinj.corpus.sources.files import LINKED_FOLDER, FileSource
from kinj.corpus.sources.rows import Fields
from kinj.corpus.sources.source import Unread
from kinj.corpus.used_ids import UsedIds
from kinj.errors import UserError
from kinj.jsonl import read_objects, to_record
from kinj.records import Chunk, Document

Kind = Literal["chunks", "documents", "folder of texts", "collection", "text"]
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
        cut = {"chunks": lambda path: path, "collection": lambda path: path / CHUNKS}
        return [cut[kind](path) for path, kind in self.kinds if kind in cut]

    @property
    def _document_paths(self) -> list[Path]:
        return [path for path, kind in self.kinds if kind not in ("chunks", "collection")]


def open_inputs(paths: Sequence[Path]) -> InputFiles:
    """What these files and folders are; only the first line of each file is looked at.

    Raises:
        UserError: no such file, an empty one, or one whose first line is neither a document nor a chunk.
    """
    return InputFiles(tuple((path, kind_of(path)) for path in paths))


def kind_of(path: Path) -> Kind:
    """What an input is: by its suffix, or by the keys of its first line chunks (`document_id`) or documents.

    A folder with documents.jsonl and chunks.jsonl is a collection, as `kinj corpus` writes it: its chunks are taken.

    Raises:
        UserError: a folder that `kinj corpus` did not finish, and as `open_inputs`.
    """
    if path.is_dir():
        return "collection" if _is_collection(path) else "folder of texts"
    if path.suffix.lower() in FORMATS:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        return "text"
    if path.suffix.lower() in ROW_SUFFIXES[2:]:  # tables have no chunks
        return "documents"
    for place, value in read_objects(path):
        if "document_id" in value:
            return "chunks"
        if Fields().find(value)[1] is not None:
            return "documents"
        raise UserError(
            f"{place}: neither a document (needs 'id', 'text') nor a chunk (needs 'id', 'document_id', 'text', 'start' "
            f"and 'end'); its keys are {', '.join(map(repr, value))}; `kinj corpus files --text-field` names other keys"
        )
    raise UserError(f"{path} is empty: there is nothing to read")


def _is_collection(folder: Path) -> bool:
    if is_unfinished(folder):
        raise UserError(f"{folder} is a collection that is not finished: {AGAIN}")
    return (folder / DOCUMENTS).is_file() and (folder / CHUNKS).is_file()


def read_chunks(paths: Sequence[Path]) -> Iterator[Chunk]:
    """Yields the chunks of these JSON-lines files.

    Raises:
        UserError: nothing in a file, an empty text, an id used twice, offsets that do not fit the text, or a line that
            is no chunk: `file:line: why`.
    """
    return (chunk for _, chunk in _chunks_with_places(paths, UsedIds()))


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    r"""Yields the documents of these files and folders, by the readers of `kinj corpus files`.

    In a folder the id is the file's path inside it without the suffix, which stays where two files differ in nothing
    else (README.txt, README.md). A file's byte-order mark is left out, and its lines end in `\n` whatever ends them in
    the file: neither belongs in a prompt. In a row `url` stands in for `source`.

    Raises:
        UserError: nothing in a file or folder, an id used twice, or something that cannot be read: `place: why`.
            `kinj corpus files` goes on there, and lists it.
    """
    return (document for _, document in _documents_with_places(paths, UsedIds()))


def _chunks_with_places(paths: Sequence[Path], used: UsedIds) -> Iterator[tuple[str, Chunk]]:
    items = (item for path in paths for item in _chunks(path))
    for place, chunk in _checked(items, used):
        _check_slice(place, chunk)
        yield place, chunk


def _chunks(path: Path) -> Iterator[tuple[str, Chunk]]:
    is_empty = True
    for place, value in read_objects(path):
        is_empty = False
        if "source" not in value and isinstance(value.get("url"), str):
            value["source"] = value["url"]
        yield place, to_record(place, value, Chunk)
    if is_empty:
        raise UserError(f"{path} is empty: there is nothing to read")


def _documents_with_places(paths: Sequence[Path], used: UsedIds) -> Iterator[tuple[str, Document]]:
    return _checked((item for path in paths for item in _documents(path)), used)


def _documents(path: Path) -> Iterator[tuple[str, Document]]:
    if path.is_dir() and _is_collection(path):
        path = path / DOCUMENTS
    is_empty = True
    for item in FileSource((path,)).items(lambda _: None):
        if isinstance(item.content, Document):
            is_empty = False
            yield item.place or item.key, item.content
        elif isinstance(item.content, Unread) and item.content.reason != LINKED_FOLDER:
            raise UserError(_refusal(path, item.content))
    if is_empty:
        raise UserError(f"{path} holds no file that a reader is for: {', '.join(SUFFIXES)}")


def _refusal(path: Path, unread: Unread) -> str:
    if unread.place == str(path) and unread.reason.startswith("is empty"):
        return f"{path} {unread.reason}"
    advice = f"; `kinj corpus files {path} OUT` reads the rest, and lists what it could not" if path.is_dir() else ""
    return f"{unread.place}: {unread.reason}{advice}"


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
