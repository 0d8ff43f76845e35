"""A wiki's page as a document, the same from the API and from a dump."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from kinj.corpus.readers.reading import language_code
from kinj.corpus.sources.source import Item, Unread
from kinj.corpus.wiki.api import Site
from kinj.corpus.wiki.wikitext import FORMAT, Wikitext
from kinj.records import Document

#: Wikipedia's page of a day's events, as `Portal:Current events/2026 August 1`.
_DAY = re.compile(r".*/(\d{4}) ([A-Z][a-z]+) (\d{1,2})")
DISAMBIGUATION = "a disambiguation page: a list of pages of like names"


@dataclass(frozen=True, slots=True)
class Revision:
    """A page in one state."""

    page_id: int
    id: int
    title: str
    #: when it was written, ISO with seconds and Z
    timestamp: str
    #: its wikitext
    text: str = field(repr=False)


def key_of(site: Site, page_id: int) -> str:
    """What a page is called in a collection, however it came there; its title may change."""
    return f"{site.id}:{page_id}"


def key_of_title(site: Site, title: str) -> str:
    """The same for a title without a page, which may look like a number, but holds no brackets."""
    return f"{site.id}:[[{title}]]"


def version_of(revision_id: int) -> str:
    """Changes when the page's text would: its revision, and what cleans it."""
    return f"{revision_id} {FORMAT} mwparserfromhell={_parser_version()}"


def to_item(site: Site, revision: Revision, parsed: Wikitext, expanded: Mapping[str, str], size: int = 1) -> Item:
    """The page's document; or why it is none."""
    key, state = key_of(site, revision.page_id), version_of(revision.id)
    if parsed.problem:
        return Item(key, state, Unread(revision.title, parsed.problem), size, place=revision.title)
    if parsed.is_disambiguation:
        return Item(key, state, Unread(revision.title, DISAMBIGUATION), size, place=revision.title)
    cleaned = parsed.to_markdown(expanded)
    if not any(map(str.isalnum, cleaned.text)):
        return Item(key, state, Unread(revision.title, "no sentence is left of it without its boxes"), size)
    document = Document(
        id=key,
        text=cleaned.text,
        title=revision.title,
        date=_day(revision.title) or revision.timestamp,
        source=site.address_of(revision.title),
        license=site.license,
        markup="markdown",
        language=language_code(site.language),
        version=str(revision.id),
    )
    return Item(key, state, document, size, cleaned.removed, place=revision.title)


def _day(title: str) -> str:
    """The day that a page of a day's events is about; empty for other pages."""
    found = _DAY.fullmatch(title)
    try:
        return datetime.strptime(" ".join(found.groups()), "%Y %B %d").date().isoformat() if found else ""
    except ValueError:
        return ""


def _parser_version() -> str:
    try:
        return version("mwparserfromhell")
    except PackageNotFoundError:
        return ""
