"""A MediaWiki's pages as a source of documents, over its API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kinj.corpus.sources.source import Item, Known, Unread
from kinj.corpus.wiki.api import Wiki, batches
from kinj.corpus.wiki.document import Revision, key_of, key_of_title, to_item, version_of
from kinj.corpus.wiki.expanding import Expander
from kinj.corpus.wiki.listing import Wanted
from kinj.corpus.wiki.wikitext import parse_wikitext
from kinj.records import Json

_STATE = {"prop": "info|pageprops", "ppprop": "disambiguation"}


class WikipediaSource:
    """The documents of pages that are asked for; see `kinj.corpus.sources.Source`.

    A page is known by its number, and its state by its revision: pages that are as they were are not read again.
    """

    kind = "wikipedia"
    unit = "pages"

    def __init__(self, wiki: Wiki, wanted: Wanted, made_from: Sequence[str]) -> None:
        """`made_from` is what was asked for, as it is typed, without the contact."""
        self._wiki, self._wanted = wiki, wanted
        self._made_from = list(made_from)
        self._titles: list[str] | None = None
        self._named = frozenset(wanted.pages)
        self._expander = Expander(wiki)
        self._passed_over: Counter[str] = Counter()

    @property
    def made_from(self) -> list[str]:
        """The options as they are typed."""
        return self._made_from

    def total(self) -> int:
        """Titles that are asked for."""
        return len(self._list())

    def passed_over(self) -> dict[str, int]:
        """What was found and not read, by its reason; known once all items were given."""
        return dict(self._passed_over.most_common())

    def items(self, known: Known) -> Iterator[Item]:
        """Yields the pages in the order of the list.

        A page that was named and is not there, or lists pages of like names, is unread; one that was only found is
        passed over and counted.
        """
        self._passed_over.clear()
        seen: set[int] = set()
        for titles in batches(self._list()):
            pages = self._wiki.pages(titles="|".join(titles), redirects="1", **_STATE)
            by_title = {title: page for page in pages for title in (page["title"], *page.get("asked", ()))}
            wanted: list[tuple[str, Json]] = []
            for title in titles:
                page = by_title.get(title, {"missing": True})
                why = self._not_wanted(page, seen)
                if why and title in self._named:
                    yield self._unread(title, page, why)
                elif why:
                    self._passed_over[why] += 1
                else:
                    seen.add(page["pageid"])
                    wanted.append((title, page))
            yield from self._read(wanted, known)

    def _list(self) -> list[str]:
        if self._titles is None:
            self._titles = self._wanted.titles(self._wiki)
        return self._titles

    def _not_wanted(self, page: Json, seen: set[int]) -> str:
        if page.get("invalid"):
            return "no title that a page can have"
        if page.get("missing") or "pageid" not in page:
            return "no page of that title: deleted, or never written"
        if page["pageid"] in seen:
            return "leads to a page that was read already"
        if page.get("contentmodel", "wikitext") != "wikitext":
            return "no wikitext"
        return ""

    def _unread(self, title: str, page: Json, why: str) -> Item:
        return Item(key_of_title(self._wiki.site, title), "", Unread(title, why))

    def _read(self, wanted: Sequence[tuple[str, Json]], known: Known) -> Iterator[Item]:
        """Yields these pages, with the texts of those that are not known."""
        site = self._wiki.site
        states = {page["pageid"]: version_of(page["lastrevid"]) for _, page in wanted}
        new = [number for number, state in states.items() if known(key_of(site, number)) != state]
        revisions = {revision.page_id: revision for revision in self._revisions(new)}
        parsed = {number: parse_wikitext(revision.text, site.namespaces) for number, revision in revisions.items()}
        calls = [call for one in parsed.values() if not one.is_disambiguation for call in one.templates_in_sentences()]
        expanded = self._expander.expand(calls)
        for title, page in wanted:
            number = page["pageid"]
            if number not in new:
                yield Item(key_of(site, number), states[number], None)
                continue
            if number not in revisions:
                yield self._unread(title, page, "deleted, or hidden, while it was read")
                continue
            one = parsed[number]
            one.is_disambiguation |= "disambiguation" in page.get("pageprops", {})
            item = to_item(site, revisions[number], one, expanded)
            if one.is_disambiguation and title not in self._named:
                self._passed_over["disambiguation pages"] += 1
            else:
                yield item

    def _revisions(self, numbers: Sequence[int]) -> Iterator[Revision]:
        if not numbers:
            return
        for page in self._wiki.pages(
            pageids="|".join(map(str, numbers)), prop="revisions", rvprop="ids|timestamp|content", rvslots="main"
        ):
            for revision in page.get("revisions", ())[:1]:
                content = revision.get("slots", {}).get("main", {}).get("content")
                if content is not None:
                    yield Revision(page["pageid"], revision["revid"], page["title"], revision["timestamp"], content)
