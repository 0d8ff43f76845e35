"""Text with its place on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or a piece of one. Points (1/72 inch) from the page's lower left corner."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def height(self) -> float:
        """About the size of its letters."""
        return self.top - self.bottom

    @property
    def width(self) -> float:
        """From its first to its last letter."""
        return self.right - self.left

    def is_beside(self, other: Line) -> bool:
        """Whether both stand on one line of the page."""
        middle = (self.top + self.bottom) / 2
        return other.bottom < middle < other.top


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page."""

    #: from 0
    number: int
    #: in points
    width: float
    height: float
    #: runs of letters without a wide gap, in the order of the file
    pieces: tuple[Line, ...]
    has_picture: bool


@dataclass(frozen=True, slots=True)
class PageLines:
    """A page's lines in the order in which they are read."""

    number: int
    height: float
    lines: tuple[Line, ...]


def lines_of(page: Page, pieces: Sequence[Line]) -> PageLines:
    """The pieces as lines: those that follow each other to the right on one line are one."""
    lines: list[Line] = []
    for piece in pieces:
        before = lines[-1] if lines else None
        if before is not None and piece.left >= before.right and piece.is_beside(before):
            lines[-1] = replace(
                before,
                text=f"{before.text} {piece.text}",
                right=piece.right,
                bottom=min(before.bottom, piece.bottom),
                top=max(before.top, piece.top),
            )
        else:
            lines.append(piece)
    return PageLines(page.number, page.height, tuple(lines))
