"""Lines into paragraphs: a line end of the page is a space of the text, unless a paragraph ends there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from kinj.corpus.readers.pdf.lines import Line, PageLines

#: A step down of more than so many usual ones is a gap between paragraphs.
_PARAGRAPH_GAP = 1.4
#: Letters that differ by more than this share in height are a heading and its text.
_OTHER_SIZE = 0.15
#: A line that ends this share of its column's width before the others is the last one of its paragraph.
_SHORT = 0.15
_BULLET = re.compile(r"(?:[•‣◦▪●·*\u2013\u2014-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_BROKEN_WORD = re.compile(r"([^\W\d_]+)-$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NO_SPACES = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u30ff]")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line with what its page says about it."""

    line: Line
    is_first: bool
    #: the page's usual step down from line to line
    step: float
    #: how far the widest line of its column reaches
    right: float


def flow(pages: Sequence[PageLines]) -> tuple[str, tuple[int, ...], int]:
    """The text, the offset at which each page begins in it, and how many hyphens at line ends went."""
    words = Counter(word.casefold() for page in pages for line in page.lines for word in _WORD.findall(line.text))
    text, offsets, hyphens = "", [], 0
    before: _Placed | None = None
    for page in pages:
        start = None
        for placed in _placed(page):
            if before is not None:
                end, is_one_word = _between(before, placed, words)
                text = (text[:-1] if is_one_word else text) + end
                hyphens += is_one_word
            if start is None:
                start = len(text)
            text += placed.line.text
            before = placed
        offsets.append(len(text) if start is None else start)
    return text, tuple(offsets), hyphens


def _between(before: _Placed, placed: _Placed, words: Counter[str]) -> tuple[str, bool]:
    """What stands between two lines, and whether the first one's hyphen goes."""
    end = _joint(before, placed)
    if not _is_broken(before.line, placed.line, end):
        return end, False
    return "", _is_one_word(before.line.text, placed.line.text, words)


def _placed(page: PageLines) -> Iterator[_Placed]:
    step = _usual_step(page.lines)
    for number, line in enumerate(page.lines):
        right = max(o.right for o in page.lines if o.left <= line.right and line.left <= o.right)
        yield _Placed(line, number == 0, step, right)


def _usual_step(lines: Sequence[Line]) -> float:
    steps = [above.bottom - below.bottom for above, below in pairwise(lines)]
    usual = [step for step, line in zip(steps, lines, strict=False) if 0 < step < 3 * line.height]
    return median(usual) if usual else 0.0


def _joint(before: _Placed, placed: _Placed) -> str:
    """What stands between two lines: a space within a paragraph, a line end in a list, a blank line else."""
    above, line = before.line, placed.line
    down = above.bottom - line.bottom
    is_other_size = abs(above.height - line.height) > _OTHER_SIZE * max(above.height, line.height)
    if placed.is_first or down <= 0:  # the next page or column
        goes_on = not is_other_size and line.text[:1].islower() and above.text[-1:] not in ".!?:"
        return _space(above, line) if goes_on else "\n\n"
    if is_other_size or down > _PARAGRAPH_GAP * placed.step:
        return "\n\n"
    is_short = above.right < before.right - _SHORT * (before.right - above.left)
    return "\n" if is_short or _BULLET.match(line.text) else _space(above, line)


def _space(before: Line, line: Line) -> str:
    """Chinese and Japanese have none."""
    return "" if _NO_SPACES.match(before.text[-1]) and _NO_SPACES.match(line.text[0]) else " "


def _is_broken(before: Line, line: Line, end: str) -> bool:
    return end in (" ", "\n") and bool(_BROKEN_WORD.search(before.text)) and line.text[:1].islower()


def _is_one_word(before: str, after: str, words: Counter[str]) -> bool:
    """Whether the hyphen is there for the line end alone: unless the document has the word with it, and not without."""
    start, rest = _BROKEN_WORD.search(before), _WORD.match(after)
    if start is None or rest is None:
        return False
    first, second = start[1].casefold(), rest[0].casefold()
    return not words[f"{first}-{second}"] or bool(words[first + second])
