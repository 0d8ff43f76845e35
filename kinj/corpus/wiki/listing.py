"""Which pages of a wiki are wanted: named ones, those of categories, those around a page, those of months."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from kinj.corpus.wiki.api import Wiki, batches
from kinj.errors import UserError
from kinj.progress import progress

log = logging.getLogger(__name__)

#: Of English Wikipedia.
EVENTS, DAYS = "{month} {year} events", "Portal:Current events/{year} {month} {day}"
LIMIT = 4000
_FROM_LINKS, _FROM_CATEGORIES = 1, 0
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Months:
    """A range of months, both included."""

    first: date
    last: date

    @classmethod
    def parse(cls, first: str, last: str | None) -> Months:
        """`2026-08` to `2026-11`; without a last one, one month.

        Raises:
            UserError: one is no month, or they are in the wrong order.
        """
        ends = []
        for option, text in (("--from", first), ("--to", last or first)):
            if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text) or text < "0001":
                raise UserError(f"{option} {text}: a month, 2026-08 for example")
            ends.append(date.fromisoformat(f"{text}-01"))
        if ends[0] > ends[1]:
            raise UserError(f"--from {first} --to {last}: the first month comes after the last")
        return cls(*ends)

    def names(self, pattern: str) -> list[str]:
        """The pattern for each month: `{year}`, `{month}` (its English name) and `{mm}` (08) filled in."""
        names, month = [], self.first
        while month <= self.last:
            names.append(_filled(pattern, month))
            month = (month + timedelta(days=31)).replace(day=1)
        return names

    def days(self, pattern: str) -> list[str]:
        """The pattern for each day; `{day}` is its number."""
        end = (self.last + timedelta(days=31)).replace(day=1)
        return [_filled(pattern, self.first + timedelta(days=n)) for n in range((end - self.first).days)]


def _filled(pattern: str, day: date) -> str:
    values = {"year": f"{day.year:04}", "month": _MONTHS[day.month - 1], "mm": f"{day.month:02}", "day": str(day.day)}
    return re.sub(r"\{(year|month|mm|day)\}", lambda found: values[found[1]], pattern)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a wiki; what several of these name comes in this order, each page once."""

    #: titles
    pages: tuple[str, ...] = ()
    #: pages with those that they link to
    around: tuple[str, ...] = ()
    #: names of categories, with or without the namespace
    categories: tuple[str, ...] = ()
    #: links from the page, or levels of subcategories; None: 1 and 0
    depth: int | None = None
    #: at most so many of those that are not named
    limit: int = LIMIT

    def __post_init__(self) -> None:
        if not (self.pages or self.around or self.categories):
            raise UserError("which pages? --category NAME, --around TITLE, --pages FILE or --from 2026-08 --to 2026-11")
        for title in self.around:
            if not title.strip() or "|" in title:
                raise UserError(f"--around {title!r}: the title of one page")
        if (self.depth or 0) < 0 or self.limit < 1:
            raise UserError(f"--depth {self.depth} --limit {self.limit}: a depth from 0, a limit from 1")

    def titles(self, wiki: Wiki) -> list[str]:
        """The titles, each once; redirects among them, and links to pages that nobody has written.

        Raises:
            UserError: no page of that title to go around; no article in any of the categories; the wiki gave up.
        """
        found: dict[str, None] = {}
        for title in self.around:
            depth = _FROM_LINKS if self.depth is None else self.depth
            found |= dict.fromkeys(_around(wiki, title, depth, self.limit + 1))
        for name in self.categories:
            depth = _FROM_CATEGORIES if self.depth is None else self.depth
            members = _category(wiki, name, depth, self.limit + 1)
            if not members:
                log.warning("category %r holds no article; --depth %d looks further down", name, depth + 1)
            found |= dict.fromkeys(members)
        if not (found or self.pages):
            names = ", ".join(map(repr, self.categories))
            raise UserError(f"{wiki.address}: no article in {names}; are the names right?")
        if len(found) > self.limit:
            log.warning("more than %d pages were found, and the first of them taken: --limit takes more", self.limit)
        return list(dict.fromkeys([*self.pages, *list(found)[: self.limit]]))


def read_titles(path: Path) -> tuple[str, ...]:
    """The titles of a text file, one a line.

    Raises:
        UserError: no such file, no UTF-8, or none in it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise UserError(f"--pages {path}: no such file; a text file with one title a line") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--pages {path}: not UTF-8: {error.reason} at byte {error.start}") from error
    titles = tuple(" ".join(line.replace("_", " ").split()) for line in lines if line.strip())
    if not titles:
        raise UserError(f"--pages {path}: no title in it; one a line")
    for title in titles:
        if "|" in title or len(title.encode()) > 255:
            raise UserError(f"--pages {path}: {title[:80]!r} is no title: one a line, without |, of at most 255 bytes")
    return titles


def _around(wiki: Wiki, title: str, depth: int, limit: int) -> list[str]:
    """A page, and those that it links to, and so on; of too many, those that most of the pages before link to.

    By title alone, the links of depth 2 would be those of the first pages in the alphabet.
    """
    [page] = wiki.pages(titles=title, redirects="1") or [{}]
    if "pageid" not in page:
        raise UserError(f"--around {title!r}: {wiki.address} has no page of that title")
    found: dict[str, None] = {str(page["title"]): None}
    frontier = list(found)
    for level in range(1, depth + 1):
        links: Counter[str] = Counter()
        with progress(f"reading links, {level} from {title}", len(frontier)) as advance:
            for titles in batches(frontier):
                links.update(_links(wiki, titles))
                advance(len(titles))
        ranked = sorted((link for link in links if link not in found), key=lambda link: (-links[link], link))
        frontier = ranked[: limit - len(found)]
        found |= dict.fromkeys(frontier)
    return list(found)


def _links(wiki: Wiki, titles: Sequence[str]) -> Iterator[str]:
    namespaces = "|".join(map(str, wiki.site.content))
    for page in wiki.pages(titles="|".join(titles), redirects="1", prop="links", plnamespace=namespaces, pllimit="max"):
        yield from (str(link["title"]) for link in page.get("links", ()))


def _category(wiki: Wiki, name: str, depth: int, limit: int) -> list[str]:
    """The articles of a category, then those of the ones below it, in the wiki's order."""
    prefix, colon, rest = name.partition(":")
    is_prefixed = colon and prefix.strip().lower() in wiki.site.namespaces.categories
    names = [f"{wiki.site.category}:{(rest if is_prefixed else name).strip()}"]
    found: dict[str, None] = {}
    seen = set(names)
    for _ in range(depth + 1):
        below: list[str] = []
        with progress(f"reading categories of {name}", len(names)) as advance:
            for one in names:
                for member in _members(wiki, one):
                    if member["ns"] == 14:
                        below.append(str(member["title"]))
                    elif member["ns"] in wiki.site.content:
                        found[str(member["title"])] = None
                advance(1)
                if len(found) >= limit:
                    return list(found)[:limit]
        names = [one for one in dict.fromkeys(below) if one not in seen]
        seen |= set(names)
    return list(found)


def _members(wiki: Wiki, category: str) -> Iterator[dict[str, object]]:
    for answer in wiki.query(list="categorymembers", cmtitle=category, cmtype="page|subcat", cmlimit="max"):
        yield from answer.get("categorymembers", ())
