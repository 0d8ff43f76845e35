"""The chunks of an index on disk: one JSON line each, in the order of their ids, read by row."""

from __future__ import annotations

import hashlib
import json
import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kinj.jsonl import record_line, write_records
from kinj.records import Chunk


def write_chunks(path: Path, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Writes the chunks sorted by id and returns them so: the same chunks give the same bytes, in whatever order."""
    ordered = in_order(chunks)
    write_records(path, ordered)
    return ordered


def in_order(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks sorted by id; a chunk's place is its row, which breaks ties."""
    return sorted(chunks, key=lambda chunk: chunk.id)


def describe_chunks(ordered: Sequence[Chunk]) -> dict[str, Any]:  # Any: JSON values
    """What a manifest says about the chunks, as `write_chunks` would write them, whether or not it does."""
    digest, size = hashlib.sha256(), 0
    for chunk in ordered:
        line = record_line(chunk).encode()
        digest.update(line)
        size += len(line)
    documents = len({chunk.document_id for chunk in ordered})
    return {"count": len(ordered), "documents": documents, "bytes": size, "sha256": digest.hexdigest()}


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
        start = self._ends[row - 1] if row else 0
        return Chunk(**json.loads(self._bytes[start : self._ends[row]]))

    def find(self, chunk_id: str) -> Chunk | None:
        """The chunk of that id, or None: a binary search, as rows are in the order of ids."""
        row = bisect_left(range(len(self)), chunk_id, key=lambda row: self[row].id)
        if row < len(self) and (chunk := self[row]).id == chunk_id:
            return chunk
        return None
