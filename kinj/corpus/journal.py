"""What a collection was made of, kept beside it: so a killed run goes on, and a later one does only what changed."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kinj.corpus.sources.source import Unread
from kinj.corpus.used_ids import disk_error
from kinj.errors import UserError
from kinj.records import Json

NAME = "journal.sqlite"
#: Stands for the settings of an item that could not be read: none decides about it.
UNPREPARED = ""
#: One process at a time; memory for it in KiB.
_PRAGMAS = ("locking_mode = EXCLUSIVE", "cache_size = -64000")
#: A kill loses at most the work of so long.
_SECONDS_BETWEEN_COMMITS = 1.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    # `complete` is the version that the finished collection holds: what was added or changed since is told by it.
    "CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, number INTEGER NOT NULL, run INTEGER NOT NULL, "
    "position INTEGER NOT NULL, version TEXT NOT NULL, complete TEXT)",
    "CREATE INDEX IF NOT EXISTS by_position ON items (run, position)",
    # Apart, since an item's position changes in every run and its texts do not.
    "CREATE TABLE IF NOT EXISTS texts (number INTEGER PRIMARY KEY, prepared_by TEXT NOT NULL, notes TEXT NOT NULL, "
    "body BLOB)",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal holds of one item."""

    key: str
    #: what is known of it beside its texts, JSON
    notes: Json
    #: the document and its cuts as one text; None where it could not be read
    body: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an item since the collection was last complete."""

    key: str
    #: added, changed or gone
    change: str


class Journal:
    """Open for one process at a time; `open_journal` gives one."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        for statement in _SCHEMA:
            database.execute(statement)
        self._run = int(self.fact("run") or 0) + 1
        self.set_fact("run", str(self._run))
        self._position = 0
        self._committed = time.monotonic()

    def fact(self, name: str) -> str | None:
        """A fact of the whole collection."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Keeps a fact of the whole collection."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def version(self, key: str) -> str | None:
        """The version of an item that the journal holds; None where it holds none."""
        row = self._database.execute("SELECT version FROM items WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def is_of_this_run(self, key: str) -> bool:
        """Whether this run has met the item already."""
        row = self._database.execute("SELECT run FROM items WHERE key = ?", (key,)).fetchone()
        return row is not None and row[0] == self._run

    def prepared_by(self, key: str) -> str:
        """By which settings its texts were prepared."""
        row = self._database.execute(
            "SELECT prepared_by FROM texts WHERE number = (SELECT number FROM items WHERE key = ?)", (key,)
        ).fetchone()
        return str(row[0]) if row else ""

    def keep(self, key: str) -> None:
        """The item is still there as it was."""
        self._position += 1
        self._database.execute("UPDATE items SET run = ?, position = ? WHERE key = ?", (self._run, self._position, key))
        self._commit_now_and_then()

    def put(self, key: str, version: str, prepared_by: str, notes: Json, body: str | None) -> None:
        """The item is new, or another than before."""
        self._position += 1
        row = self._database.execute("SELECT number, complete FROM items WHERE key = ?", (key,)).fetchone()
        number = row[0] if row else self._next_number()
        self._database.execute(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?)",
            (key, number, self._run, self._position, version, row[1] if row else None),
        )
        packed = None if body is None else zlib.compress(body.encode(), 1)
        self._database.execute(
            "INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?)",
            (number, prepared_by, json.dumps(notes, ensure_ascii=False), packed),
        )
        self._commit_now_and_then()

    def unread(self, key: str) -> Unread | None:
        """Why an item could not be read; None where it was."""
        row = self._database.execute(
            "SELECT notes FROM items JOIN texts USING (number) WHERE key = ? AND body IS NULL", (key,)
        ).fetchone()
        return None if row is None else Unread(**json.loads(row[0]))

    def entry(self, key: str) -> Entry:
        """What it holds of an item."""
        [row] = self._database.execute(
            "SELECT key, notes, body FROM items JOIN texts USING (number) WHERE key = ?", (key,)
        )
        return _entry(row)

    def entries(self) -> Iterator[Entry]:
        """Yields the items of this run in their order."""
        rows = self._database.execute(
            "SELECT key, notes, body FROM items JOIN texts USING (number) WHERE run = ? ORDER BY position", (self._run,)
        )
        return map(_entry, rows)

    def changes(self) -> dict[str, int]:
        """How many items were added, changed, gone and unchanged since the collection was last complete."""
        query = (
            "SELECT sum(run = :run AND complete IS NULL), sum(run = :run AND complete <> version), "
            "sum(run <> :run AND complete IS NOT NULL), sum(run = :run AND complete = version) FROM items"
        )
        [row] = self._database.execute(query, {"run": self._run})
        return dict(zip(("added", "changed", "gone", "unchanged"), (int(n or 0) for n in row), strict=True))

    def changed_items(self) -> Iterator[Change]:
        """Yields what `changes` counts but the unchanged, by key; nothing for a collection that was never complete."""
        query = (
            "SELECT key, CASE WHEN run <> :run THEN 'gone' WHEN complete IS NULL THEN 'added' ELSE 'changed' END "
            "FROM items WHERE EXISTS (SELECT 1 FROM items WHERE complete IS NOT NULL) "
            "AND NOT (run <> :run AND complete IS NULL) AND NOT (run = :run AND complete IS version) ORDER BY key"
        )
        return (Change(*row) for row in self._database.execute(query, {"run": self._run}))

    def has_documents(self) -> bool:
        """Whether this run met anything that could be read."""
        query = "SELECT 1 FROM items JOIN texts USING (number) WHERE run = ? AND body IS NOT NULL LIMIT 1"
        return self._database.execute(query, (self._run,)).fetchone() is not None

    def __len__(self) -> int:
        """Items of this run."""
        [(count,)] = self._database.execute("SELECT count(*) FROM items WHERE run = ?", (self._run,))
        return int(count)

    def complete(self) -> None:
        """The collection holds what this run met, and nothing else."""
        self._database.execute(
            "DELETE FROM texts WHERE number IN (SELECT number FROM items WHERE run <> ?)", (self._run,)
        )
        self._database.execute("DELETE FROM items WHERE run <> ?", (self._run,))
        self._database.execute("UPDATE items SET complete = version WHERE complete IS NOT version")
        self.commit()

    def commit(self) -> None:
        """From here on a kill loses nothing."""
        self._database.commit()
        self._committed = time.monotonic()

    def _commit_now_and_then(self) -> None:
        if time.monotonic() - self._committed > _SECONDS_BETWEEN_COMMITS:
            self.commit()

    def _next_number(self) -> int:
        [(number,)] = self._database.execute("SELECT coalesce(max(number), 0) + 1 FROM texts")
        return int(number)


def _entry(row: tuple[str, str, bytes | None]) -> Entry:
    key, notes, body = row
    return Entry(key, json.loads(notes), None if body is None else zlib.decompress(body).decode())


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Gives the journal of a collection folder, which exists.

    Raises:
        UserError: another process has it open, or the file is none.
        OSError: the disk is full.
    """
    path = folder / NAME
    database = sqlite3.connect(path, timeout=0)
    try:
        try:
            for pragma in _PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
            database.execute("BEGIN IMMEDIATE")
            journal = Journal(database)
            yield journal
        finally:
            # Whatever happened, what was read stays.
            if database.in_transaction:
                database.commit()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise UserError(f"{folder}: another process is writing this collection; wait for it, or end it") from error
        raise disk_error(error, str(path)) from error
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is broken ({error}): delete the folder, and type the command again") from error
    finally:
        database.close()
