"""A MediaWiki's XML export as a source of documents, read once from front to back.

By mwxml (MIT, last release April 2026). Memory holds one revision, and the titles that are asked for.
"""

from __future__ import annotations

import bz2
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kinj.corpus.sources.source import Item, Known, Unread
from kinj.corpus.wiki.api import Site
from kinj.corpus.wiki.document import Revision, key_of, key_of_title, to_item, version_of
from kinj.corpus.wiki.nodes import Namespaces
from kinj.corpus.wiki.wikitext import parse_wikitext
from kinj.errors import MissingExtraError, UserError

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_WIKIMEDIA = re.compile(
    r"https?://(?:[\w-]+\.)?(?:m\.)?"
    r"(?:wikipedia|wiktionary|wikibooks|wikiquote|wikisource|wikiversity|wikivoyage)\.org/"
)
_WIKIMEDIA_LICENSE = "CC BY-SA 4.0"


class DumpSource:
    """The documents of an export's pages in its order, by their latest revisions; see `kinj.corpus.sources.Source`."""

    kind = "dump"
    unit = "bytes"

    def __init__(
        self,
        path: Path,
        namespaces: tuple[int, ...] = (0,),
        titles: tuple[str, ...] = (),
        license_name: str | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            path: .xml or .xml.bz2.
            namespaces: the numbers of those whose pages are read.
            titles: only these pages; none: all.
            license_name: of the texts; by default that of Wikimedia's wikis for those, else unknown.

        Raises:
            UserError: no such file, or of another kind.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        if path.suffix not in (".xml", ".bz2"):
            raise UserError(f"{path}: an XML export ends in .xml or .bz2; unpack others first")
        self._path, self._namespaces, self._license = path, namespaces, license_name
        self._titles = dict.fromkeys(titles)
        self._passed_over: Counter[str] = Counter()

    @property
    def made_from(self) -> list[str]:
        """The file and options as they are typed; of a list of titles, those."""
        numbers = self._namespaces if self._namespaces != (0,) else ()
        spaces = [word for number in numbers for word in ("--namespace", str(number))]
        license_name = ["--license", self._license] if self._license is not None else []
        return [str(self._path), *spaces, *license_name, *(f"page: {title}" for title in self._titles)]

    def total(self) -> int:
        """Bytes of the file, packed as it is."""
        return self._path.stat().st_size

    def passed_over(self) -> dict[str, int]:
        """What was found and not read, by its reason; known once all items were given."""
        return dict(self._passed_over.most_common())

    def items(self, known: Known) -> Iterator[Item]:
        """Yields the pages; a title that was asked for, and is not there or leads to another page, is unread."""
        self._passed_over.clear()
        missing = dict(self._titles)
        with self._open() as file, _explained(self._path):
            root, pages = _read(file)
            site = self._site(root, pages.site_info)
            place = 0
            for page in pages.pages:
                if self._is_wanted(page):
                    missing.pop(page.title, None)
                    now = file.tell()
                    item = self._item(site, page, known, now - place)
                    if item is not None:
                        place = now
                        yield item
                # mwxml empties a page and leaves it in the tree: of millions, a gigabyte.
                root.element.clear()
        for title in missing:
            yield Item(key_of_title(site, title), "", Unread(title, "no page of that title in this export"))

    def _is_wanted(self, page: Any) -> bool:  # Any: mwxml's Page
        if page.namespace not in self._namespaces:
            return False
        return not self._titles or page.title in self._titles

    def _item(self, site: Site, page: Any, known: Known, size: int) -> Item | None:  # Any: mwxml's Page
        is_named = page.title in self._titles
        if page.redirect is not None:
            if is_named:
                why = f"leads to {page.redirect!r}: ask for that"
                return Item(key_of_title(site, page.title), "", Unread(page.title, why), size)
            self._passed_over["redirects"] += 1
            return None
        latest = _latest(page)
        if latest is None:
            self._passed_over["no wikitext, or its text is hidden"] += 1
            return None
        key, state = key_of(site, page.id), version_of(latest.id)
        if known(key) == state:
            return Item(key, state, None, size)
        parsed = parse_wikitext(latest.text, site.namespaces)
        if parsed.is_disambiguation and not is_named:
            self._passed_over["disambiguation pages"] += 1
            return None
        return to_item(site, latest, parsed, {}, size)

    def _site(self, root: Any, said: Any) -> Site:  # Any: mwxml's records
        base = str(said.base or "")
        names = [(space.id, space.name) for space in said.namespaces or () if space.name]
        own = _WIKIMEDIA_LICENSE if _WIKIMEDIA.match(base) else ""
        return Site(
            id=str(said.dbname or said.name or self._path.stem),
            language=str(root.element.attrib.get(_LANGUAGE, "")),
            license=own if self._license is None else self._license,
            address=f"{base.rsplit('/', 1)[0]}/$1" if base else "",
            namespaces=Namespaces.of(names),
        )

    @contextmanager
    def _open(self) -> Iterator[_Counted]:
        with self._path.open("rb") as packed:
            yield _Counted(packed, bz2.BZ2File(packed) if self._path.suffix == ".bz2" else packed)


class _Counted:
    """A file to read whose place is that in the packed one."""

    def __init__(self, packed: IO[bytes], file: IO[bytes] | bz2.BZ2File) -> None:
        self._packed, self.read = packed, file.read

    def tell(self) -> int:
        return self._packed.tell()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says in one line that an export is broken; what was read of it is kept."""
    from xml.etree.ElementTree import ParseError

    from mwxml.errors import MalformedXML  # type: ignore[import-untyped]

    try:
        yield
    except (ParseError, MalformedXML, EOFError) as error:
        why = " ".join(str(error).split())[:200] or "it is no <mediawiki>"
        raise UserError(f"{path}: broken, or no MediaWiki export: {why}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UserError(f"{path}: broken: {error}") from error


def _read(file: _Counted) -> tuple[Any, Any]:  # Any: mwxml ships no types
    """The root of the tree as it grows, and the pages."""
    try:
        from mwxml import Dump  # type: ignore[import-untyped]
        from mwxml.element_iterator import ElementIterator  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("mwxml", "corpus", "reading a MediaWiki export") from error
    root = ElementIterator.from_file(file)
    if root.tag != "mediawiki":
        raise UserError(f"the export begins with <{root.tag}>, not with <mediawiki>")
    return root, Dump.from_element(root)


def _latest(page: Any) -> Revision | None:  # Any: mwxml's Page
    """The page's latest revision that has wikitext; None where there is none."""
    latest = None
    for one in page:
        if one.text is not None and one.model in (None, "wikitext") and (latest is None or one.id > latest.id):
            latest = Revision(page.id, one.id, page.title, str(one.timestamp), one.text)
    return latest
