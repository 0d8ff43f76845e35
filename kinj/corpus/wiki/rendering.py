"""Nodes of a wiki page as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kinj.corpus.wiki.layout import DROPPED, MARK
from kinj.corpus.wiki.nodes import BLOCK_TAGS, NO_TEXT, Namespaces, boxes_of, is_beside, kind_of, parse_nodes
from kinj.corpus.wiki.tables import Cell, to_pipe_table
from kinj.corpus.wiki.templates import BLOCKS, is_without_text, template_name, text_of

_MAGIC = re.compile(r"__[A-Z]{3,}__")
_EMPHASIS = re.compile(r"'{2,5}")
_INTERLANGUAGE = re.compile(r"(?:[a-z]{2,3}(?:-[a-z]+)*|simple)", re.ASCII)
#: The parser itself goes to 40.
_MOST_DEPTH = 60


@dataclass(slots=True)
class Renderer:
    """Makes text of nodes."""

    namespaces: Namespaces
    expanded: Mapping[str, str]
    removed: Counter[str]
    depth: int = 0

    def render(self, nodes: Sequence[Any], *, is_block: bool = True) -> str:  # Any: nodes
        """The text of nodes, in which marks say where a list begins and where something was taken out."""
        if self.depth > _MOST_DEPTH:
            return ""
        self.depth += 1
        boxes = boxes_of(nodes) if is_block else frozenset()
        text = "".join(self._node(node, is_box=id(node) in boxes) for node in nodes)
        self.depth -= 1
        return text

    def _node(self, node: Any, *, is_box: bool) -> str:  # Any: a node
        kind = kind_of(node)
        if kind == "Text":
            return _MAGIC.sub("", _EMPHASIS.sub("", str(node.value)))
        if kind == "HTMLEntity":
            return _entity(node)
        if kind == "Heading":
            title = " ".join(self._inside(node.title).split())
            return f"\n\n{'#' * node.level} {title}\n\n"
        if kind == "Wikilink":
            return self._link(node)
        if kind == "ExternalLink":
            if node.title is not None:
                return self._inside(node.title)
            return self._drop("links without words") if node.brackets else str(node.url)
        if kind == "Template":
            return self._template(node, is_box=is_box)
        if kind == "Tag":
            return self._tag(node)
        if kind == "Argument":
            return self._inside(node.default) if node.default is not None else ""
        return ""  # a comment

    def _inside(self, code: Any, *, is_block: bool = False) -> str:  # Any: Wikicode, or nothing
        return "" if code is None else self.render(code.nodes, is_block=is_block)

    # ---- links

    def _link(self, link: Any) -> str:  # Any: a Wikilink
        target = " ".join(str(link.title).split())
        prefix, colon, _ = target.partition(":")
        prefix = prefix.strip().lower()
        if colon and prefix in self.namespaces.files:
            return self._drop("pictures")
        if colon and prefix in self.namespaces.categories:
            return self._drop("categories")
        if colon and link.text is None and _INTERLANGUAGE.fullmatch(prefix):
            return self._drop("links to other languages")
        if link.text is not None:
            return self._inside(link.text)
        return target.removeprefix(":").partition("#")[0] or target

    # ---- templates

    def _template(self, node: Any, *, is_box: bool) -> str:  # Any: a Template
        name = template_name(str(node.name))
        if is_without_text(name):
            return self._drop("notes and boxes")
        expansion = self.expanded.get(str(node))
        if expansion is not None and not is_box:
            # Templates that are still in it were not expanded: they would be looked up for ever.
            inner = Renderer(self.namespaces, {}, self.removed, self.depth)
            return inner.render(parse_nodes(expansion), is_block=False)
        if is_box and name not in BLOCKS:
            return self._drop("notes and boxes")
        positional = [self._inside(one.value).strip() for one in node.params if not one.showkey]
        named = {str(one.name).strip().lower(): self._inside(one.value).strip() for one in node.params if one.showkey}
        # `1=` is how a first parameter with an equals sign in it is written.
        positional = positional or [named[key] for key in map(str, range(1, 10)) if key in named]
        text = text_of(name, positional, named)
        return self._drop("templates without a text here") if text is None else text

    def _drop(self, what: str) -> str:
        self.removed[what] += 1
        return DROPPED

    # ---- tags

    def _tag(self, node: Any) -> str:  # Any: a Tag
        name = str(node.tag).strip().lower()
        if node.wiki_markup in ("*", "#", ":", ";"):
            return MARK + str(node.wiki_markup)
        if name in NO_TEXT:
            return self._drop("references" if name in ("ref", "references") else "pictures")
        if is_beside(node):
            return self._drop("notes and boxes")
        make = _TAGS.get(name)
        if make is not None:
            return make(self, node)
        text = self._inside(node.contents, is_block=name in BLOCK_TAGS)
        return f"\n{text}\n" if name in BLOCK_TAGS else text

    def _power(self, node: Any) -> str:  # Any: a Tag
        text = self._inside(node.contents).strip()
        # 10<sup>6</sup> is no 106; 1<sup>st</sup> is 1st.
        return f"^{text}" if re.match(r"[-+\u2212]?[\dnx]", text) else text

    def _verbatim(self, node: Any) -> str:  # Any: a Tag
        return f"\n\n```\n{str(node.contents).strip()}\n```\n\n"

    def _formula(self, node: Any) -> str:  # Any: a Tag
        return f"${' '.join(str(node.contents).split())}$"

    def _item(self, node: Any) -> str:  # Any: a Tag
        return f"\n{MARK}*{self._inside(node.contents)}\n"

    def _html_heading(self, node: Any, level: int) -> str:  # Any: a Tag
        return f"\n\n{'#' * level} {' '.join(self._inside(node.contents).split())}\n\n"

    def _table(self, node: Any) -> str:  # Any: a Tag
        rows: list[list[Cell]] = [[]]
        caption = ""
        for one in node.contents.filter_tags(recursive=False):
            name = str(one.tag).strip().lower()
            if name == "tr":
                rows.append([self._cell(cell) for cell in one.contents.filter_tags(recursive=False) if _is_cell(cell)])
            elif name == "caption" or str(one.contents).startswith("+"):
                caption = self._inside(one.contents).removeprefix("+").partition("|")[2] or self._inside(one.contents)
                caption = " ".join(caption.removeprefix("+").split())
            elif _is_cell(one):
                rows[0].append(self._cell(one))
        return f"\n\n{caption}\n\n{to_pipe_table(rows)}\n\n"

    def _cell(self, node: Any) -> Cell:  # Any: a Tag
        values = {str(one.name).strip().lower(): str(one.value or "") for one in node.attributes}
        text = self._inside(node.contents).replace(DROPPED, "")
        text = re.sub(rf"(?:{MARK}[*#:;])+[ \t]*", "", text)
        return Cell(" ".join(text.split()), values.get("rowspan", ""), values.get("colspan", ""))


def _is_cell(node: Any) -> bool:  # Any: a Tag
    return str(node.tag).strip().lower() in ("td", "th")


def _entity(node: Any) -> str:  # Any: an HTMLEntity
    try:
        character = str(node.normalize())
    except (ValueError, OverflowError):  # a number that is no character
        return ""
    # Nor are NUL and halves of surrogates characters of a text.
    return "" if character == "\0" or "\ud800" <= character <= "\udfff" else character


#: Makes the text of a tag that is more than what stands in it.
_TAGS: dict[str, Callable[[Renderer, Any], str]] = {  # Any: a Tag
    "br": lambda _, __: "\n",
    "hr": lambda _, __: "\n\n",
    "nowiki": lambda renderer, node: str(node.contents or ""),
    "math": Renderer._formula,
    "chem": Renderer._formula,
    "ce": Renderer._formula,
    "sup": Renderer._power,
    "pre": Renderer._verbatim,
    "syntaxhighlight": Renderer._verbatim,
    "source": Renderer._verbatim,
    "li": Renderer._item,
    "table": Renderer._table,
    **{f"h{level}": partial(Renderer._html_heading, level=level) for level in range(2, 7)},
}
