"""Documents that say the same: the same words, or nearly the same, by MinHash."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from array import array
from dataclasses import dataclass
from itertools import islice

from kinj.corpus.used_ids import disk_error
from kinj.errors import MissingExtraError

#: As the FineWeb data set was cleaned (Penedo et al. 2024): 5-grams, 112 values in 14 bands of 8. A pair of documents
#: that share 80 % of their 5-grams meets in some band with probability 0.92, one that shares half with 0.05.
_VALUES, _BANDS, _WORDS = 112, 14, 5
_ROWS = _VALUES // _BANDS
_SEED = 1
#: The share of 5-grams, estimated, from which two documents count as one.
NEAR = 0.8
_CACHE_KIB = 64_000
#: Words that are looked at together: a text of 50 MB has ten million.
_AT_A_TIME = 100_000
#: A word, or one sign of a script that writes no spaces (Thai, Lao, Khmer, Chinese, Japanese).
_TOKEN = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells a text from others."""

    #: of its words in their order, without case and punctuation
    words_sha256: str
    #: MinHash of its word 5-grams: 112 values of 32 bits; empty for a text of fewer words
    signature: bytes


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document that says what an earlier one says."""

    id: str
    kind: str
    #: the earlier document
    like: str
    #: the share of their 5-grams that both have, estimated; 1 for the same words
    similarity: float


def fingerprint(text: str) -> Fingerprint:
    """The text's fingerprint, by rensa: 4 s for 1 GB, where datasketch takes 190 s.

    Raises:
        MissingExtraError: rensa is not installed.
    """
    try:
        from rensa import RMinHash  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("rensa", "corpus", "finding duplicates") from error
    digest, sketch = hashlib.sha256(), RMinHash(num_perm=_VALUES, seed=_SEED)
    count, before = 0, list[str]()
    found = (match[0].casefold() for match in _TOKEN.finditer(text))
    while words := list(islice(found, _AT_A_TIME)):
        digest.update("".join(f"{word} " for word in words).encode())
        count, words = count + len(words), before + words
        sketch.update([" ".join(words[at : at + _WORDS]) for at in range(len(words) - _WORDS + 1)])
        before = words[1 - _WORDS :]
    signature = array("I", sketch.digest()).tobytes() if count >= _WORDS else b""
    return Fingerprint(digest.hexdigest(), signature)


class DuplicateFinder:
    """Holds the fingerprints of the documents so far, on disk where they are many."""

    def __init__(self, near: float = NEAR) -> None:
        self._near = near
        # Without a name it is a temporary file of SQLite's own, gone with the process.
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE texts (number INTEGER PRIMARY KEY, id TEXT, signature BLOB)")
        self._database.execute("CREATE TABLE words (digest TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._database.execute(
            "CREATE TABLE bands (band BLOB, number INTEGER, PRIMARY KEY (band, number)) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")

    def check(self, document_id: str, mark: Fingerprint) -> Duplicate | None:
        """Whether an earlier document says the same; where none does, this one is held for those to come.

        Raises:
            OSError: the disk is full.
        """
        try:
            found = self._find(document_id, mark)
            if found is None:
                self._hold(document_id, mark)
        except sqlite3.OperationalError as error:
            raise disk_error(error, "the duplicates' temporary file (TMPDIR says in which folder)") from error
        return found

    def _find(self, document_id: str, mark: Fingerprint) -> Duplicate | None:
        row = self._database.execute(
            "SELECT id FROM words JOIN texts USING (number) WHERE digest = ?", (mark.words_sha256,)
        ).fetchone()
        if row is not None:
            return Duplicate(document_id, "exact", row[0], 1.0)
        bands = _bands(mark.signature)
        marks = ",".join("?" * len(bands))
        rows = self._database.execute(
            "SELECT id, signature FROM texts WHERE number IN "  # noqa: S608  # question marks alone
            f"(SELECT number FROM bands WHERE band IN ({marks})) ORDER BY number",
            bands,
        )
        for other, signature in rows:
            if (share := _shared(mark.signature, signature)) >= self._near:
                return Duplicate(document_id, "near", other, round(share, 3))
        return None

    def _hold(self, document_id: str, mark: Fingerprint) -> None:
        number = self._database.execute(
            "INSERT INTO texts (id, signature) VALUES (?, ?)", (document_id, mark.signature)
        ).lastrowid
        self._database.execute("INSERT INTO words VALUES (?, ?)", (mark.words_sha256, number))
        rows = [(band, number) for band in _bands(mark.signature)]
        self._database.executemany("INSERT INTO bands VALUES (?, ?)", rows)


def _bands(signature: bytes) -> list[bytes]:
    """A key for each band: its number and a hash of its values. Two texts with one such key may be alike."""
    size = 4 * _ROWS
    return [
        bytes([at]) + hashlib.blake2b(signature[at * size : (at + 1) * size], digest_size=8).digest()
        for at in range(len(signature) // size)
    ]


def _shared(one: bytes, other: bytes) -> float:
    """The share of values in which two signatures agree: an estimate of the Jaccard similarity."""
    pairs = zip(memoryview(one).cast("I"), memoryview(other).cast("I"), strict=True)
    return sum(a == b for a, b in pairs) / _VALUES
