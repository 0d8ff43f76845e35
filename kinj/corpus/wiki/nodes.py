"""The tree that mwparserfromhell makes of wikitext, and what in it is no text of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kinj.corpus.wiki.layout import names
from kinj.errors import MissingExtraError

#: Tags whose content is no text of the page.
NO_TEXT = frozenset(
    names("""
    categorytree | gallery | graph | hiero | imagemap | indicator | inputbox | mapframe | maplink | ref
    references | score | script | section | style | templatestyles | timeline
""")
)
BLOCK_TAGS = frozenset({"div", "p", "blockquote", "center", "poem", "dl", "ul", "ol", "table"})
#: Classes of what stands beside a text, or is for editors.
_BESIDE = re.compile(
    r"infobox|navbox|sidebar|vertical-navbox|metadata|ambox|hatnote|noprint|reflist|reference|thumb|gallery|error|"
    r"inline-template|mw-empty-elt|navigation-not-searchable|portalbox|toc|sistersitebox|taxobox|biota",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_PAIRS = (("{{", "}}"), ("[[", "]]"), ("{|", "|}"))
_TAG_BEGINS = re.compile(r"<(?!br|hr|li|p\b|d[dt]\b|t[rdh]\b|nowiki)[a-z]+\b[^<>/]*>", re.IGNORECASE)
MOST_UNENDED = 1_000


@dataclass(frozen=True, slots=True)
class Namespaces:
    """What the links of a wiki begin with that are no text, in lower case."""

    files: frozenset[str] = frozenset({"file", "image", "media"})
    categories: frozenset[str] = frozenset({"category"})

    @classmethod
    def of(cls, names: Iterable[tuple[int, str]]) -> Namespaces:
        """Of a wiki's own names: pairs of a namespace's number and name."""
        found = [(number, name.lower()) for number, name in names]
        own = cls()
        return cls(
            own.files | {name for number, name in found if number in (-2, 6)},
            own.categories | {name for number, name in found if number == 14},
        )


def unended_of(text: str) -> int:
    """How often something begins and does not end: the parser takes the square of their number."""
    begun = len(_TAG_BEGINS.findall(text)) - text.count("</")
    return max(begun, 0) + sum(max(text.count(sign) - text.count(end), 0) for sign, end in _PAIRS)


def parse_nodes(text: str) -> list[Any]:  # Any: mwparserfromhell's nodes
    """The nodes of a text.

    Raises:
        MissingExtraError: mwparserfromhell is not installed.
    """
    try:
        import mwparserfromhell
    except ImportError as error:
        raise MissingExtraError("mwparserfromhell", "corpus", "reading wikitext") from error
    # Apostrophes of emphasis are taken out below: its parser fails on those that are not closed.
    nodes: list[Any] = mwparserfromhell.parse(text, skip_style_tags=True).nodes
    return nodes


def kind_of(node: Any) -> str:  # Any: a node
    """The name of a node's class."""
    return type(node).__name__


def boxes_of(nodes: Sequence[Any]) -> frozenset[int]:  # Any: nodes
    """The ids of the templates on whose lines stands nothing else than templates."""
    boxes: set[int] = set()
    line: list[int] = []
    is_text = False
    for node in nodes:
        kind = kind_of(node)
        if kind == "Template":
            line.append(id(node))
            continue
        written = "" if kind == "Comment" else str(node)
        first, *rest = written.split("\n") if kind in ("Text", "Heading") else [written]
        is_text |= bool(first.strip())
        if rest:
            boxes |= set() if is_text else set(line)
            line, is_text = [], bool(rest[-1].strip())
    return frozenset(boxes | (set() if is_text else set(line)))


def is_beside(tag: Any) -> bool:  # Any: a Tag
    """Whether a tag holds no text of the page: a box, or something hidden."""
    if not tag.attributes:
        return False
    values = {str(one.name).strip().lower(): str(one.value or "") for one in tag.attributes}
    return bool(_BESIDE.search(values.get("class", "")) or _HIDDEN.search(values.get("style", "")))
