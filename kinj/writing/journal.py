"""Every answer that came, a line each: what stands here is never asked again.

The collection's journal (`kinj.corpus.journal`) keeps items that change as a whole, in SQLite; here one line is added
for each answer, by one process, and a kill may cut the last one, which is then taken off.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from kinj.errors import UserError
from kinj.jsonl import parse_object
from kinj.records import Json

NAME = "journal.jsonl"
_LOCK = ".journal.lock"


@dataclass(frozen=True, slots=True)
class Key:
    """What an answer is known by; not the prompt's text, which may be worded anew."""

    #: its id; of two, both with a space between
    chunk: str
    #: the prompt's name
    task: str
    #: which of the task's several answers about the chunk
    style: str = ""
    #: the how-manieth time it is asked for, from 1: `--again` asks once more
    number: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer."""

    key: Key
    #: SHA-256 of the chunk's text, 16 hex digits: a changed chunk is asked anew
    chunk_sha256: str
    #: the model's name, and the host that it was asked at
    by: str
    #: None where it was refused
    answer: Json | None
    #: why it was refused: no use as an answer; what the checks say stands in the review file
    refused: str = ""
    #: what came, where it was refused
    text: str = ""
    #: it was refused because it ended too early: more tokens may help
    cut: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: the server did not count: the tokens are estimates
    estimated: bool = False
    #: empty in journals of before
    host: str = ""
    #: SHA-256 of the prompt files that it was asked by, by name
    prompts: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        """Host and model: what a price hangs on."""
        return self.host, self.by


class Journal:
    """Open for one process at a time; `open_journal` gives one."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._entries: defaultdict[Key, list[Entry]] = defaultdict(list)
        #: which document belongs to which split, and other facts that outlive a run
        self.facts: dict[str, Json] = {}
        if not read_only:
            _take_off_half_line(path)
        if path.is_file():
            with path.open("rb") as lines:
                for number, raw in enumerate(lines, 1):
                    if read_only and not raw.endswith(b"\n"):
                        break  # the half line of a kill; only who writes takes it off
                    self._take(parse_object(f"{path}:{number}", raw), f"{path}:{number}")
        self._sink = None if read_only else path.open("a", encoding="utf-8", newline="\n")

    def close(self) -> None:
        """Nothing more is written."""
        if self._sink is not None:
            self._sink.close()

    def entries(self, key: Key, chunk_sha256: str, by: str | None = None) -> list[Entry]:
        """The answers of that key about the chunk as it is now, the first first; by one model where `by` says which."""
        found = self._entries.get(key, ())
        return [e for e in found if e.chunk_sha256 == chunk_sha256 and by in (None, e.by)]

    def all_entries(self) -> Iterator[Entry]:
        """Yields every answer, those about chunks that have changed or gone too."""
        for entries in self._entries.values():
            yield from entries

    def add(self, entry: Entry) -> None:
        """Keeps an answer; once this returns, a kill does not lose it.

        Raises:
            OSError: the disk is full.
        """
        self._write(asdict(entry))
        self._entries[entry.key].append(entry)

    def set_fact(self, name: str, value: Json) -> None:
        """Keeps a fact; the last of a name holds."""
        if self.facts.get(name) != value:
            self._write({"fact": name, "value": value})
            self.facts[name] = value

    def _write(self, value: Json) -> None:
        if self._sink is None:
            raise RuntimeError("this journal was opened to be read")
        self._sink.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._sink.flush()

    def _take(self, value: Json, place: str) -> None:
        try:
            if "fact" in value:
                self.facts[value["fact"]] = value["value"]
                return
            entry = Entry(**{**value, "key": Key(**value["key"])})
        except (TypeError, KeyError) as error:
            raise UserError(f"{place}: no line of this journal ({error}); delete the line") from error
        self._entries[entry.key].append(entry)


def _take_off_half_line(path: Path) -> None:
    """A kill or a full disk may leave one at the end."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        at = size
        while at > 0:
            start = max(0, at - 65_536)
            file.seek(start)
            if (found := file.read(at - start).rfind(b"\n")) >= 0:
                file.truncate(start + found + 1)
                return
            at = start
        file.truncate(0)


@contextmanager
def open_journal(folder: Path, *, read_only: bool = False) -> Iterator[Journal]:
    """Gives the journal of a folder, which is made where there is none; to be read, whoever writes in it.

    Raises:
        UserError: another process has it open, or a line is none of it.
        OSError: the disk is full.
    """
    if read_only:
        yield Journal(folder / NAME, read_only=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{folder}: another `kinj write` is writing here; wait for it, or end it") from error
    try:
        journal = Journal(folder / NAME)
        try:
            yield journal
        finally:
            journal.close()
    finally:
        lock.release()
