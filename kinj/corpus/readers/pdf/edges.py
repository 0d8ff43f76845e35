"""Running heads and feet, and page numbers: what repeats at the edge of pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kinj.corpus.readers.pdf.lines import Line, PageLines

#: The share of a page's height above and below in which running lines stand.
_EDGE = 0.14
#: Pages on which a line repeats before it counts as running; of a short document, half of its pages.
_PAGES = 3
#: What else stands around a page number.
_LABEL = re.compile(r"\b(?:page|p|of|seite|von|página|de|стр|из)\b|[-\u2013\u2014|./\s]+", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_ROMAN = re.compile(r"\b[ivxl]{1,7}\b", re.IGNORECASE)


def drop_running_lines(pages: Sequence[PageLines]) -> tuple[list[PageLines], dict[str, int]]:
    """The pages without what repeats, numbers apart, at one edge of several of them; and how many such lines went."""
    patterns = [[_pattern(line, page) for line in page.lines] for page in pages]
    pages_with = Counter(pattern for page in patterns for pattern in set(page))
    fewest = min(_PAGES, max(2, len(pages) // 2))
    kept, removed = [], Counter[str]()
    for page, own in zip(pages, patterns, strict=True):
        lines = []
        for line, pattern in zip(page.lines, own, strict=True):
            kind = _kind(line, pattern, page.number, repeats=pages_with[pattern] >= fewest)
            removed[kind] += 1
            if not kind:
                lines.append(line)
        kept.append(replace(page, lines=tuple(lines)))
    return kept, {kind: count for kind, count in sorted(removed.items()) if kind}


def _pattern(line: Line, page: PageLines) -> tuple[str, str] | None:
    """(edge, the line without its numbers); None for a line that is not at an edge."""
    if line.bottom > page.height * (1 - _EDGE):
        edge = "top"
    elif line.top < page.height * _EDGE:
        edge = "bottom"
    else:
        return None
    text = _DIGITS.sub("", line.text.casefold())
    return edge, " ".join((_ROMAN.sub("", text) if len(line.text.split()) <= 3 else text).split())


def _kind(line: Line, pattern: tuple[str, str] | None, number: int, *, repeats: bool) -> str:
    """What a line is taken out as; empty: it stays."""
    if pattern is None:
        return ""
    if not _LABEL.sub("", pattern[1]):
        return "page numbers" if repeats or line.text.strip(" -\u2013\u2014") == str(number + 1) else ""
    return "running heads and feet" if repeats else ""
