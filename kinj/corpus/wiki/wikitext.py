"""Wikitext as Markdown: headings, lists, tables and sentences stay; boxes, notes, pictures and categories go.

By mwparserfromhell (MIT, last release July 2025). wikitextparser is released more often (October 2026), but under
GPL-3, which a package under Apache-2.0 should not ask for. What either parser gives is a tree; what is text in it is
decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinj.corpus.wiki.layout import DROPPED, MARK, to_lines
from kinj.corpus.wiki.nodes import (
    BLOCK_TAGS,
    MOST_UNENDED,
    NO_TEXT,
    Namespaces,
    boxes_of,
    is_beside,
    kind_of,
    parse_nodes,
    unended_of,
)
from kinj.corpus.wiki.rendering import Renderer
from kinj.corpus.wiki.templates import BLOCKS, is_disambiguation, is_without_text, template_name

#: Counted up when the same wikitext gives another text than before.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A page's text."""

    text: str
    is_disambiguation: bool
    #: what was taken out, and how often
    removed: Mapping[str, int]


@dataclass(slots=True)
class Wikitext:
    """A page's markup, parsed."""

    _nodes: list[Any]  # Any: mwparserfromhell's nodes
    _namespaces: Namespaces
    #: why it was not parsed; empty: it was
    problem: str = ""
    is_disambiguation: bool = False
    #: the templates in sentences, which an API should expand, as they are written
    inline: list[str] = field(default_factory=list)

    def templates_in_sentences(self) -> list[str]:
        """`inline`, each once."""
        return list(dict.fromkeys(self.inline))

    def to_markdown(self, expanded: Mapping[str, str] | None = None) -> Cleaned:
        """The page as Markdown, with what an API made of its templates; the rest of them by the table."""
        renderer = Renderer(self._namespaces, expanded or {}, Counter())
        text = to_lines(renderer.render(self._nodes))
        return Cleaned(text, self.is_disambiguation, {name: count for name, count in renderer.removed.items() if count})


def parse_wikitext(text: str, namespaces: Namespaces) -> Wikitext:
    """The markup as a tree.

    Raises:
        MissingExtraError: mwparserfromhell is not installed.
    """
    if (unended := unended_of(text)) > MOST_UNENDED:
        return Wikitext([], namespaces, problem=f"markup that begins and never ends, {unended:,} times: not parsed")
    # Characters that this module uses as marks; no wiki has a use for them.
    nodes = parse_nodes(text.replace(MARK, "").replace(DROPPED, ""))
    parsed = Wikitext(nodes, namespaces, is_disambiguation="__DISAMBIG__" in text)
    for node, is_box in _templates(nodes, is_block=True):
        name = template_name(str(node.name))
        parsed.is_disambiguation |= is_disambiguation(name)
        if not is_box and not is_without_text(name) and name not in BLOCKS:
            parsed.inline.append(str(node))
    return parsed


def _templates(nodes: Sequence[Any], *, is_block: bool) -> Iterator[tuple[Any, bool]]:  # Any: nodes
    """Yields the templates that are not inside others, and whether each is a box: alone on its lines."""
    boxes = boxes_of(nodes) if is_block else frozenset()
    for node in nodes:
        kind = kind_of(node)
        if kind == "Template":
            yield node, id(node) in boxes
            if template_name(str(node.name)) in BLOCKS:
                for one in node.params:
                    yield from _templates(one.value.nodes, is_block=False)
        elif kind == "Tag" and node.contents is not None and str(node.tag).lower() not in NO_TEXT:
            if not is_beside(node):
                yield from _templates(node.contents.nodes, is_block=str(node.tag).lower() in BLOCK_TAGS - {"table"})
        elif kind == "Wikilink" and node.text is not None:
            yield from _templates(node.text.nodes, is_block=False)
        elif kind == "Heading":
            yield from _templates(node.title.nodes, is_block=False)
