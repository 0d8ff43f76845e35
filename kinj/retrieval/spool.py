"""Lines sorted by id on disk, in memory that does not grow with them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kinj.corpus.used_ids import disk_error
from kinj.errors import UserError

#: Memory for the database in KiB.
_CACHE_KIB = 64_000
#: It is read once and thrown away: nothing in it has to survive a crash, nobody else may look.
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{_CACHE_KIB}")


class Spool:
    """Takes lines in any order and gives them back in the order of their ids. `open_spool` makes one.

    The ids are indexed while lines come in, so that one given twice is refused at once; SQLite's own sorting would need
    as much room again in a folder for temporary files. UTF-8 sorts as its characters do.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._last_document: str | None = None
        database.execute("CREATE TABLE lines (id BLOB PRIMARY KEY, line BLOB NOT NULL)")
        database.execute("CREATE TABLE documents (id BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("CREATE TABLE texts (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("BEGIN")

    def add(self, chunk_id: str, document_id: str, text: str, line: bytes) -> None:
        """Takes the line of a chunk.

        Raises:
            UserError: a chunk of that id was added before.
        """
        try:
            self._database.execute("INSERT INTO lines VALUES (?, ?)", (chunk_id.encode(), line))
        except sqlite3.IntegrityError as error:
            raise UserError(f"the chunk id {chunk_id!r} was given twice") from error
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        self._database.execute("INSERT OR IGNORE INTO texts VALUES (?)", (digest,))
        if document_id != self._last_document:
            self._database.execute("INSERT OR IGNORE INTO documents VALUES (?)", (document_id.encode(),))
            self._last_document = document_id

    def lines(self) -> Iterator[bytes]:
        """Yields all lines, sorted by id."""
        return (line for (line,) in self._database.execute("SELECT line FROM lines ORDER BY id"))

    def count_documents(self) -> int:
        """How many documents the chunks are of."""
        return self._count("documents")

    def count_texts(self) -> int:
        """How many different texts they have."""
        return self._count("texts")

    def _count(self, table: str) -> int:
        [count] = self._database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # a name of ours
        return int(count)


@contextmanager
def open_spool(file: Path) -> Iterator[Spool]:
    """Gives an empty spool in a new file, which is removed at the end.

    Raises:
        OSError: the file cannot be written, as when the disk is full.
    """
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            for pragma in _PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
            yield Spool(database)
    except sqlite3.OperationalError as error:
        raise disk_error(error, str(file)) from error
    finally:
        file.unlink(missing_ok=True)
