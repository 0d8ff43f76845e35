"""Which ids were used and where, for collections larger than memory."""

from __future__ import annotations

import errno
import sqlite3

from kinj.errors import UserError

#: Memory for the ids in KiB: some 200,000 of them. SQLite keeps the others in a temporary file of its own (in `TMPDIR`,
#: else `/var/tmp`) that is gone with the process, however that ends. A set of 2,000,000 ids with places takes 500 MB.
_CACHE_KIB = 32_000
_PRAGMAS = ("journal_mode = OFF", f"cache_size = -{_CACHE_KIB}")


class UsedIds:
    """The ids used so far, each with the place of its use."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in _PRAGMAS:
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE used (id BLOB PRIMARY KEY, place TEXT NOT NULL) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, new: str, place: str) -> None:
        """Notes the use of an id.

        Raises:
            UserError: it was used before; names both places.
            OSError: the disk is full.
        """
        try:
            self._database.execute("INSERT INTO used VALUES (?, ?)", (_bytes(new), place))
        except sqlite3.IntegrityError:
            self.check(new, place)
        except sqlite3.OperationalError as error:
            raise disk_error(error, "the ids' temporary file (TMPDIR says in which folder)") from error

    def check(self, new: str, place: str) -> None:
        """Refuses an id that was used, without noting its use.

        Raises:
            UserError: it was used before; names both places.
        """
        row = self._database.execute("SELECT place FROM used WHERE id = ?", (_bytes(new),)).fetchone()
        if row is not None:
            raise UserError(f"{place}: the id {new!r} was used before, at {row[0]}")


def disk_error(error: sqlite3.OperationalError, file: str) -> OSError:
    """What SQLite says of a disk, as the error of the system that it is."""
    number = errno.ENOSPC if error.sqlite_errorcode == sqlite3.SQLITE_FULL else errno.EIO
    return OSError(number, str(error), file)


def _bytes(text: str) -> bytes:
    """Lone surrogates too, which JSON can spell."""
    return text.encode("utf-8", "surrogatepass")
