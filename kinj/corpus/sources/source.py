"""What every source of documents gives, so that one build serves them all: `kinj.corpus.build`.

A source names each thing that it reads by a key that stays between two runs, and the state of that thing by a version.
The build asks it for the items in their order, keeps what they gave, and says which versions it has: so a run that was
killed goes on, and a later run does only what changed, while the source alone decides how to see a change cheaply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kinj.records import Document

#: Gives the version of a key that the collection holds already; None where it holds none.
Known = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read. One such never stops the others; it is listed at the end."""

    #: which: a path, a path with a line, an address
    place: str
    #: why, and the way out where there is one; half a sentence
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a source: a file, a row, a page."""

    #: unique in the source and the same in every run: a path, a path and a row's id, a page id
    key: str
    #: changes when the document would: a SHA-256 of bytes and settings, a revision id; empty: read again each time
    version: str
    #: None: its version is the one that the collection holds, so that it was not read
    content: Document | Unread | None
    #: how much of the source's `total` this was
    size: int = 1
    #: what was taken out of the text, and how often: {"page numbers": 12}
    removed: Mapping[str, int] = field(default_factory=dict)
    #: why a person should look at the text: "page 3 is scanned"; empty: no doubt
    doubt: str = ""
    #: where it is, for messages; empty: its key says it
    place: str = ""


class Source(Protocol):
    """Gives documents one at a time, in an order that is the same in every run over the same things."""

    @property
    def kind(self) -> str:
        """What it is, one word: `files`, `wikipedia`. A folder made from one kind is not continued from another."""
        ...

    @property
    def made_from(self) -> list[str]:
        """What was asked for, as it is typed; goes into the manifest."""
        ...

    @property
    def unit(self) -> str:
        """What `total` and an item's `size` count, in the plural, for the progress bar: `kB`, `pages`."""
        ...

    def total(self) -> int:
        """About how many units there are, found quickly; items that grow or vanish meanwhile do no harm."""
        ...

    def items(self, known: Known) -> Iterator[Item]:
        """Yields everything there is, also what is `known` in its present version (with no content).

        What this does not yield is gone, and leaves the collection: so a source that cannot go on raises.

        Raises:
            UserError: nothing at all can be read, or a service gave up: what the user can mend.
        """
        ...
