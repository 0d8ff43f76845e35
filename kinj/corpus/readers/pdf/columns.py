"""Pages of two columns: the left one is read before the right one, whatever the order in the file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from kinj.corpus.readers.pdf.lines import Line, Page

#: A column has at least so many lines; below that two pieces side by side are a title line, or an address.
_FEWEST_LINES = 5
#: Where a gutter can be, as shares of the printed width.
_MIDDLE = (0.3, 0.7)
#: A line of a column is at least this share of the printed width; a cell of a table is mostly narrower.
_COLUMN_WIDTH = 0.2
#: Of the lines that are as wide as a column, at most this share may lie across the gutter: titles, wide figures.
_MOST_ACROSS = 0.25
#: So many rows of wide pieces side by side, with no gutter that explains them, make a page doubtful.
_DOUBTFUL_ROWS = 4
_WORDS_OF_PROSE = 3


def reading_order(page: Page) -> tuple[list[Line], bool]:
    """The page's pieces in the order in which they are read, and whether that is clear."""
    pieces = list(page.pieces)
    gutter = _gutter(pieces)
    if gutter is None:
        return pieces, _rows_of_prose(pieces) < _DOUBTFUL_ROWS
    return (_by_columns(pieces, gutter) if _is_read_across(pieces, gutter) else pieces), True


def _gutter(pieces: Sequence[Line]) -> float | None:
    """Where the right column begins; None where the page has not two columns."""
    if not pieces:
        return None
    start, end = min(p.left for p in pieces), max(p.right for p in pieces)
    lines = [piece for piece in pieces if piece.width >= _COLUMN_WIDTH * (end - start)]
    middle = [start + share * (end - start) for share in _MIDDLE]
    starts = {round(piece.left, 1) for piece in lines if middle[0] <= piece.left <= middle[1]}
    best, best_count = None, _FEWEST_LINES - 1
    for gutter in sorted(starts):
        left = [piece for piece in lines if piece.right <= gutter]
        right = [piece for piece in lines if piece.left >= gutter - 0.5]
        across = len(lines) - len(left) - len(right)
        count = min(len(left), len(right))
        if count > best_count and across <= _MOST_ACROSS * len(lines) and _overlap(left, right):
            best, best_count = gutter, count
    return best


def _overlap(left: Sequence[Line], right: Sequence[Line]) -> bool:
    """Whether both stand beside each other for half of the shorter one's height."""
    tops = [max(piece.top for piece in side) for side in (left, right)]
    bottoms = [min(piece.bottom for piece in side) for side in (left, right)]
    shared = min(tops) - max(bottoms)
    return shared >= 0.5 * min(top - bottom for top, bottom in zip(tops, bottoms, strict=True))


def _is_read_across(pieces: Sequence[Line], gutter: float) -> bool:
    """Whether the file goes from the left column into the right one within a line, again and again."""
    across = sum(a.right <= gutter <= b.left + 0.5 and b.is_beside(a) for a, b in pairwise(pieces))
    return across >= _DOUBTFUL_ROWS


def _by_columns(pieces: Sequence[Line], gutter: float) -> list[Line]:
    """Each stretch between lines that lie across the gutter: its left column, then its right one."""
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for piece in sorted(pieces, key=lambda p: (-p.top, p.left)):
        if piece.left < gutter - 0.5 < piece.right:
            ordered += [*left, *right, piece]
            left, right = [], []
        else:
            (left if piece.right <= gutter else right).append(piece)
    return [*ordered, *left, *right]


def _rows_of_prose(pieces: Sequence[Line]) -> int:
    """How often two pieces of several words stand side by side."""
    return sum(_is_prose(a) and _is_prose(b) and a.right < b.left and b.is_beside(a) for a, b in pairwise(pieces))


def _is_prose(piece: Line) -> bool:
    return len(piece.text.split()) >= _WORDS_OF_PROSE
