"""The chunks of an index on disk: one JSON line each, in the order of their ids, read in turn or by row."""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kinj.errors import UserError
from kinj.jsonl import record_line
from kinj.records import Chunk, Json
from kinj.retrieval.filters import FIELDS, filled_fields
from kinj.retrieval.spool import Spool, open_spool

_DECODER = json.JSONDecoder()
#: The longest word that an index keeps, and the longest value that a filter compares: Lucene's limit (9.12,
#: `IndexWriter.MAX_TERM_LENGTH`). tantivy takes up to 65,530 and skips in silence what is longer.
LONGEST_BYTES = 32_766
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class SortedChunks:
    """A file of chunks in the order of their ids, each read when its turn comes. `sort_chunks` writes one."""

    path: Path
    #: what a manifest says about them: count, documents, bytes, sha256, and how many repeat the text of another
    summary: Json
    #: how many of them have a value in each of `FIELDS` that a filter can meet
    fields: dict[str, int]

    def __len__(self) -> int:
        return int(self.summary["count"])

    def __iter__(self) -> Iterator[Chunk]:
        """Yields the chunks; a chunk's place is its row, which breaks ties."""
        # Read, not memory-mapped: the pages of a map would count as this process's memory.
        with self.path.open("rb") as lines:
            for line in lines:
                yield Chunk.from_json(json.loads(line))

    def texts(self) -> Iterator[str]:
        """Yields what is embedded of each."""
        return (chunk.searched_text for chunk in self)

    def move(self, path: Path) -> SortedChunks:
        """The same chunks, their file renamed to `path`."""
        return replace(self, path=self.path.rename(path))


def sort_chunks(chunks: Iterable[Chunk], path: Path) -> SortedChunks:
    """Writes the chunks sorted by id, in memory that does not grow with them; the same chunks give the same bytes.

    While it works it needs as much room again beside `path`.

    Raises:
        UserError: no chunks, an id given twice, an empty text, or a word or a value longer than `LONGEST_BYTES`.
        OSError: the disk is full.
    """
    with open_spool(path.with_name(path.name + ".spool")) as spool:
        fields = _fill(spool, chunks)
        digest, count, size = hashlib.sha256(), 0, 0
        with path.open("wb") as sink:
            for line in spool.lines():
                sink.write(line)
                digest.update(line)
                count, size = count + 1, size + len(line)
        documents, repeated = spool.count_documents(), count - spool.count_texts()
    counts = {"count": count, "documents": documents, "repeated": repeated, "bytes": size}
    summary = {**counts, "sha256": digest.hexdigest()}
    return SortedChunks(path, summary, fields)


def _fill(spool: Spool, chunks: Iterable[Chunk]) -> dict[str, int]:
    """Adds the chunks, checked, to the spool; returns how many have each field."""
    counts = dict.fromkeys(FIELDS, 0)
    empty = True
    for chunk in chunks:
        empty = False
        if not chunk.text.strip():
            raise UserError(f"chunk {chunk.id!r} has an empty text")
        _check_lengths(chunk)
        spool.add(chunk.id, chunk.document_id, chunk.text, record_line(chunk).encode())
        for field in filled_fields(chunk):
            counts[field] += 1
    if empty:
        raise UserError("no chunks: there is nothing to index")
    return counts


def _check_lengths(chunk: Chunk) -> None:
    """Refuses what one back end would refuse and the other pass over in silence."""
    for field in (name for name in FIELDS if name != "date"):
        if (size := len(getattr(chunk, field).encode())) > LONGEST_BYTES:
            raise UserError(
                f"chunk {chunk.id!r}: its {field} has {size} bytes, and a filter compares values of at most "
                f"{LONGEST_BYTES}: shorten it"
            )
    if len(chunk.text.encode()) > LONGEST_BYTES:
        word = max(_WORD.findall(chunk.text), key=len, default="")
        if (size := len(word.encode())) > LONGEST_BYTES:
            raise UserError(
                f"chunk {chunk.id!r}: its word {word[:20]}… has {size} bytes, and an index keeps words of at most "
                f"{LONGEST_BYTES}: cut it, or leave the chunk out"
            )


class ChunkFile:
    """Chunks by row and by id, memory-mapped: 200,000 chunks cost two megabytes of offsets, not their texts."""

    def __init__(self, path: Path) -> None:
        self._ends = array("Q")
        digest, end = hashlib.sha256(), 0
        with path.open("rb") as source:
            for line in source:
                digest.update(line)
                end += len(line)
                self._ends.append(end)
            self._bytes = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) if end else b""
        #: SHA-256 of the file, taken while its lines were found
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> Chunk:
        return Chunk.from_json(json.loads(self._line(row)))

    def id_of(self, row: int) -> str:
        """The id of the chunk in that row; its text is not read, which takes a tenth of the time."""
        # `sort_chunks` writes a record's fields in their order, so every line begins with its id.
        return str(_DECODER.raw_decode(self._line(row).decode(), len('{"id": '))[0])

    def find(self, chunk_id: str) -> Chunk | None:
        """The chunk of that id, or None: a binary search, as rows are in the order of ids."""
        row = bisect_left(range(len(self)), chunk_id, key=self.id_of)
        return self[row] if row < len(self) and self.id_of(row) == chunk_id else None

    def _line(self, row: int) -> bytes:
        return self._bytes[self._ends[row - 1] if row else 0 : self._ends[row]]
