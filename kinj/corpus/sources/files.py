"""Files and folders as a source of documents."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinj.corpus.readers.formats import FORMATS, ROW_SUFFIXES, SUFFIXES, Format
from kinj.corpus.readers.reading import Reading, UnreadableError, check_encoding, language_code
from kinj.corpus.sources.rows import Fields, Row, is_table, no_text, read_rows, to_document
from kinj.corpus.sources.source import Item, Known, Unread
from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Document

LINKED_FOLDER = "a link to a folder, which is not followed: name the folder itself"
#: Counted up when rows give other documents than before.
_ROWS = 1


@dataclass(frozen=True, slots=True)
class FileSource:
    """The documents of files, and of folders of them; see `kinj.corpus.sources.Source`."""

    paths: tuple[Path, ...]
    #: what files are in that are not UTF-8
    encoding: str | None = None
    fields: Fields = field(default_factory=Fields)
    kind: str = "files"
    unit: str = "bytes"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        for path in self.paths:
            if not path.exists():
                raise UserError(f"{path}: no such file or folder")

    @property
    def made_from(self) -> list[str]:
        """The paths and options as they are typed."""
        options = {"encoding": self.encoding, "id-field": self.fields.id, "text-field": self.fields.text,
                   "title-field": self.fields.title}  # fmt: skip
        given = [word for name, value in options.items() if value for word in (f"--{name}", value)]
        return [shown(path) for path in self.paths] + given

    def refuse_inside(self, out: Path) -> None:
        """Raises `UserError` where a collection written to `out` would be read as an input of its own."""
        for path in self.paths:
            if path.resolve() in (out.resolve(), *out.resolve().parents):
                raise UserError(f"{out} lies inside {path}, and would be read the next time: name a folder outside it")

    def total(self) -> int:
        """Bytes of the files."""
        return sum(_size(found.path) for path in self.paths for found in _walk(path))

    def passed_over(self) -> dict[str, int]:
        """How many files of the folders no reader is for, by suffix, the most frequent first."""
        counts = Counter(
            Path(name).suffix.lower() or "(no suffix)"
            for path in self.paths
            if path.is_dir()
            for _, _, names in os.walk(path)
            for name in names
            if Path(name).suffix.lower() not in SUFFIXES
        )
        return dict(counts.most_common())

    def items(self, known: Known) -> Iterator[Item]:
        """Yields the documents of each path in turn, a folder's in the order of their paths."""
        for path in self.paths:
            for found in _walk(path):
                if found.problem:
                    yield Item(shown(found.path), "", Unread(shown(found.path), found.problem))
                elif found.path.suffix.lower() in FORMATS:
                    yield self._file(found, FORMATS[found.path.suffix.lower()], known)
                else:
                    yield from self._rows(found.path, known)

    def _file(self, found: FoundFile, its_format: Format, known: Known) -> Item:
        key = shown(found.path)
        try:
            data = found.path.read_bytes()
        except OSError as error:
            return Item(key, "", Unread(key, error.strerror or str(error)))
        digest = hashlib.sha256(data).hexdigest()
        version = sha256_json([digest, found.id, its_format.identity(), self.encoding])
        if known(key) == version:
            return Item(key, version, None, len(data))
        try:
            reading = its_format.read(data, self.encoding)
            _refuse_text(reading.text)
        except UnreadableError as error:
            return Item(key, version, Unread(key, str(error)), len(data))
        return Item(key, version, _document(found, reading), len(data), reading.removed, reading.doubt)

    def _rows(self, path: Path, known: Known) -> Iterator[Item]:
        settings = [self.encoding, self.fields.id, self.fields.text, self.fields.title, _ROWS]
        end, is_empty = 0, True
        try:
            for row in read_rows(path, self.encoding):
                if is_empty and is_table(path) and self.fields.find(row.values or {"text": ""})[1] is None:
                    yield Item(shown(path), "", Unread(shown(path), no_text(row.values or {}, self.fields)))
                    return
                is_empty = False
                yield self._row(path, row, settings, known, row.end - end)
                end = row.end
        except OSError as error:
            yield Item(shown(path), "", Unread(shown(path), error.strerror or str(error)))
        else:
            if is_empty:
                yield Item(shown(path), "", Unread(shown(path), "is empty: there is nothing to read"))

    def _row(self, path: Path, row: Row, settings: Sequence[object], known: Known, size: int) -> Item:
        place = shown(row.place)
        if row.values is None:
            return Item(place, "", Unread(place, row.reason), size)
        id_key = self.fields.find(row.values)[0]
        key = f"{shown(path)}:{row.values[id_key]}" if id_key else place
        version = sha256_json([row.digest, *settings])
        if known(key) == version:
            return Item(key, version, None, size)
        try:
            document = to_document(row, self.fields, path)
            if not document.text.strip():
                raise UserError(f"{row.place}: {document.id!r} has an empty text")
        except UserError as error:
            return Item(key, version, Unread(place, str(error).removeprefix(f"{row.place}: ")), size)
        return Item(key, version, document, size, place=place)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read."""

    path: Path
    #: of the document that it is
    id: str
    #: why it will not be read; empty: it will
    problem: str = ""


def shown(path: object) -> str:
    r"""A path as text that can be written: bytes of a name that are no UTF-8 become `\xe9`."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def _walk(path: Path) -> Iterator[FoundFile]:
    if path.is_dir():
        yield from _folder(path, path)
    else:
        yield FoundFile(path, shown(path.stem))


def _folder(folder: Path, top: Path) -> Iterator[FoundFile]:
    """Yields the files below a folder in the order of their paths, holding one folder's names at a time.

    The id is the path below `top` without the suffix, which stays where another file of the folder has the same name
    but for it.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield FoundFile(folder, "", error.strerror or str(error))
        return
    if {"documents.jsonl", "chunks.jsonl"} <= set(names):  # a collection: the chunks say the same again
        names = ["documents.jsonl"]
    stems = Counter(Path(name).stem for name in names if Path(name).suffix.lower() in FORMATS)
    for name in names:
        path = folder / name
        if path.is_dir():
            if path.is_symlink():
                yield FoundFile(path, "", LINKED_FOLDER)
            else:
                yield from _folder(path, top)
        elif path.suffix.lower() in SUFFIXES:
            inside = path.relative_to(top)
            is_twin = stems[path.stem] > 1 or path.suffix.lower() in ROW_SUFFIXES
            found = shown((inside if is_twin else inside.with_suffix("")).as_posix())
            yield FoundFile(path, found, _problem(path))


def _problem(path: Path) -> str:
    if path.is_file():
        return ""
    return "a link to nothing" if path.is_symlink() else "no regular file: a pipe, a socket or a device"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refuse_text(text: str) -> None:
    if not any(map(str.isalnum, text)):
        raise UnreadableError("empty: no letter and no digit in it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnreadableError(f"half a character (U+{ord(text[error.start]):04X}) in its text") from error


def _document(found: FoundFile, reading: Reading) -> Document:
    return Document(
        id=found.id,
        text=reading.text,
        title=reading.title or shown(found.path.stem),
        date=reading.date,
        source=shown(found.path),
        license=reading.license,
        markup=reading.markup,
        language=language_code(reading.language),
        pages=reading.pages,
    )
