"""What an update of an index has to do: which chunks are new, and which vectors are there already."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinj.errors import UserError
from kinj.jsonl import record_line
from kinj.progress import progress
from kinj.records import Chunk, Json
from kinj.retrieval.chunkfile import SortedChunks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

log = logging.getLogger(__name__)

#: Gives the vectors of those texts that were embedded before.
Known = Callable[[Sequence[str]], Mapping[str, "npt.NDArray[np.float32]"]]
#: Gives the vectors of those rows, in their order.
VectorsOf = Callable[[Sequence[int]], Iterable["npt.NDArray[np.float32]"]]
#: Memory in KiB; what is more lies in a temporary file that is gone with the process.
_CACHE_KIB = 32_000
_PRAGMAS = ("journal_mode = OFF", f"cache_size = -{_CACHE_KIB}")
#: What must not change between a build and its update: how documents are cut, and how an index on a cluster is made.
_SETTINGS = (
    *("--chunk-tokens", "--tokenizer"),
    *("--vectors", "--m", "--ef-construction", "--num-candidates", "--shards"),
)


def chunks_of(count: int) -> str:
    """So many chunks, in words."""
    return f"{count} chunk{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Changes:
    """How many chunks an update adds, changes, takes away and leaves as they are, by id and content."""

    added: int
    changed: int
    gone: int
    same: int
    #: chunks, added ones too, whose text was in the index before: their vectors are kept
    known: int

    def __str__(self) -> str:
        return f"{chunks_of(self.added)} added, {self.changed} changed, {self.gone} gone, {self.same} as before"


class Before:
    """What an index held before its update."""

    def __init__(self, chunks: Iterable[Chunk], total: int) -> None:
        """Reads the chunks, so many, in the order of their rows."""
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in _PRAGMAS:
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE chunks (id BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID")
        self._database.execute("CREATE TABLE texts (text BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._count = total
        with progress("reading what is there", total) as advance:
            for row, chunk in enumerate(chunks):
                content, text = _digest(record_line(chunk)), _digest(chunk.searched_text)
                self._database.execute("INSERT INTO chunks VALUES (?, ?)", (chunk.id.encode(), content))
                self._database.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (text, row))
                advance(1)

    def compare(self, chunks: Iterable[Chunk]) -> Changes:
        """What makes these chunks of it."""
        added = changed = same = known = 0
        for chunk in chunks:
            found = self._one("SELECT content FROM chunks WHERE id = ?", chunk.id.encode())
            added += found is None
            same += found == _digest(record_line(chunk))
            changed += found not in (None, _digest(record_line(chunk)))
            known += self.row(chunk.searched_text) is not None
        return Changes(added, changed, self._count - changed - same, same, known)

    def row(self, text: str) -> int | None:
        """The row of a chunk that had this text; None where there was none."""
        row = self._one("SELECT row FROM texts WHERE text = ?", _digest(text))
        return None if row is None else int(row)  # type: ignore[call-overload]  # the column is a number

    def known(self, vectors_of: VectorsOf) -> Known:
        """The vectors that it had."""

        def find(texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
            rows = {text: row for text in texts if (row := self.row(text)) is not None}
            return dict(zip(rows, vectors_of(list(rows.values())), strict=True)) if rows else {}

        return find

    def _one(self, query: str, key: bytes) -> object:
        row = self._database.execute(query, (key,)).fetchone()
        return None if row is None else row[0]


def log_changes(place: object, before: Before, made: SortedChunks, vectors_of: VectorsOf | None) -> Known | None:
    """Says what the update makes of an index; gives the vectors that it has, where it has any."""
    changes = before.compare(made)
    if vectors_of is None:
        log.info("%s: %s", place, changes)
        return None
    log.info("%s: %s; %d vectors kept, %d to make", place, changes, changes.known, len(made) - changes.known)
    return before.known(vectors_of)


def check_update(
    place: object,
    manifest: Json,
    made_from: Sequence[str],
    query_prefix: str | None,
    passage_prefix: str | None,
) -> None:
    """Refuses settings other than those that the index was built with: nothing of it could be kept.

    Raises:
        UserError: names the setting.
    """
    for option in _SETTINGS if manifest["made_from"] and made_from else ():
        before, now = (_value(words, option) for words in (manifest["made_from"], made_from))
        if before != now:
            was = f"with {option} {before}" if before else f"without {option}"
            raise UserError(f"{place} was built {was}: give the same, or --overwrite in place of --update")
    for name, value in (("query_prefix", query_prefix), ("passage_prefix", passage_prefix)):
        before = (manifest["embedder"] or {}).get(name)
        if value is not None and value != before:
            raise UserError(f"{place} was built with {name}={before!r}: --overwrite in place of --update changes it")


def _value(words: Sequence[str], option: str) -> str | None:
    return words[words.index(option) + 1] if option in words else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
