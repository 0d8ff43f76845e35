"""Tables of a wiki page as Markdown's pipe tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: A cell that claims more is a mistake, or an attempt to fill the memory.
_WIDEST = 100


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with its text on one line."""

    text: str
    #: as they are written: "2"
    rowspan: str = ""
    colspan: str = ""


def to_pipe_table(rows: Sequence[Sequence[Cell]]) -> str:
    """The rows as a pipe table whose first row is its header; empty where no cell has a text.

    A cell over several rows or columns stands in each of them, so that each row can be read without the others. A table
    of one column lays out a text: its cells become paragraphs.
    """
    grid = [row for row in _spread(rows) if any(row)]
    if not grid:
        return ""
    width = max(map(len, grid))
    if width == 1:
        return "\n\n".join(row[0] for row in grid)
    lines = [_line(row + [""] * (width - len(row))) for row in grid]
    return "\n".join([lines[0], _line(["---"] * width), *lines[1:]])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """The texts of a grid, each cell put into all the places that it spans."""
    grid: list[list[str]] = []
    below: dict[int, tuple[str, int]] = {}  # column -> text and how many rows more it goes down
    for row in rows:
        if not row:
            continue
        texts: list[str] = []
        left = list(row)
        while (left or len(texts) in below) and len(texts) < _WIDEST:
            if len(texts) in below:
                text, more = below.pop(len(texts))
                if more > 1:
                    below[len(texts)] = (text, more - 1)
                texts.append(text)
                continue
            cell = left.pop(0)
            text = cell.text.replace("|", r"\|")
            for _ in range(_span(cell.colspan)):
                if _span(cell.rowspan) > 1:
                    below[len(texts)] = (text, _span(cell.rowspan) - 1)
                texts.append(text)
        grid.append(texts)
    return grid


def _span(written: str) -> int:
    digits = written.strip().strip('"')
    return min(max(int(digits), 1), _WIDEST) if digits.isascii() and digits.isdecimal() and len(digits) < 5 else 1
