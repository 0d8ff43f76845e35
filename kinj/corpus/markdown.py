"""Markdown into slices by its structure: headings stay with what they head, tables are cut between rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, pairwise, repeat
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

#: Gives the pieces of a text: where each begins, and the piece.
Split = Callable[[str], Iterable[tuple[int, str]]]
Count = Callable[[str], int]
#: Whether the part of the text from here to there has at most so many tokens.
Fits = Callable[[int, int, int], bool]

#: How good a place for a cut is: before a heading of level 1 (9) down to level 6 (4), before a block, at a line's end,
#: at a sentence's end, between words, between a table's header and its first row; 0 after a heading.
_HEADING, _BLOCK, _LINE, _SENTENCE, _WORD, _HEADER, _NEVER = 10, 3, 2, 1.5, 1, 0.5, 0
#: Characters of a token: more on average have only runs of one sign.
_LONGEST_TOKEN = 16
_SENTENCE_END = re.compile(r"[.!?…。！？।؟]['\"”’»)\]]*$")  # noqa: RUF001  # of other scripts too
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a text, and what stands above it."""

    start: int
    end: int
    #: as `Chunk.headings` and `Chunk.table_header`
    headings: tuple[str, ...] = ()
    table_header: str = ""


@dataclass(frozen=True, slots=True)
class _Atom(Slice):
    """The smallest part that is not cut, with what stands above it."""

    #: how good a cut before it is
    rank: float = _BLOCK
    is_heading: bool = False


def cut_markdown(text: str, tokens: int, count: Count, split: Split) -> list[Slice]:
    """Slices of at most so many tokens; between them is white space only. A text that fits is one.

    A slice ends before the highest heading that it can, else before a block (paragraph, list, table), a line, a
    sentence, a word, and there it holds as much as fits. A heading is never a slice of its own nor the end of one, but
    where nothing else is there. A slice that begins inside a table has the table's header row as `table_header`, which
    counts as its own tokens; a header row of more than half of them goes with none.

    The `MarkdownSplitter` of semantic-text-splitter does neither: it leaves headings at the end, and cuts rows off
    their header (its issue 798).

    Args:
        text: Markdown: CommonMark with pipe tables.
        tokens: the most that a slice holds; more only where one character does.
        count: gives the tokens of a text.
        split: cuts a text into pieces much smaller than `tokens`.
    """

    def fits(start: int, end: int, room: int) -> bool:
        # Not even counted where it is far too long: a line may have 50 MB.
        return end - start <= _LONGEST_TOKEN * room and count(text[start:end]) <= room

    atoms = _bind_last_headings(list(_atoms(text, tokens, fits, split)))
    slices, first = [], 0
    while first < len(atoms):
        end = _end_of_slice(text, atoms, first, tokens, count)
        atom = atoms[first]
        slices.append(Slice(atom.start, atoms[end - 1].end, atom.headings, atom.table_header))
        first = end
    return slices


def _end_of_slice(text: str, atoms: list[_Atom], first: int, tokens: int, count: Count) -> int:
    """The atom before which the slice that begins with `first` ends."""
    room = tokens
    if header := atoms[first].table_header:
        room -= count(header + "\n")
    fitting, too_far = first + 1, len(atoms) + 1
    step = 8
    while too_far - fitting > 1:  # `fitting` atoms fit, up to `too_far` do not; the first steps double
        middle = min(fitting + step, (fitting + too_far) // 2)
        step *= 2
        if count(text[atoms[first].start : atoms[middle - 1].end]) <= room:
            fitting = middle
        else:
            too_far = middle
    if fitting == len(atoms):
        return fitting
    # Where headings fill all the room, nothing is left but to cut after one.
    return max(range(first + 1, fitting + 1), key=lambda end: (atoms[end].rank, end))


def _bind_last_headings(atoms: list[_Atom]) -> list[_Atom]:
    """Headings at the very end have nothing to head: they stay with what is before them."""
    at = len(atoms)
    while at > 1 and atoms[at - 1].is_heading:
        at -= 1
        atoms[at] = replace(atoms[at], rank=_NEVER)
    return atoms


def _atoms(text: str, tokens: int, fits: Fits, split: Split) -> Iterator[_Atom]:
    """Yields the atoms of the text in their order, the one after a heading bound to it."""
    path: list[tuple[int, str]] = []
    is_bound = False
    for block in _blocks(text):
        is_heading = block.level > 0 and fits(block.start, block.end, tokens // 2)
        if is_heading:
            path = [(level, title) for level, title in path if level < block.level]
        above = tuple(title for _, title in path if title)
        if is_heading:
            atoms = _trimmed(text, block.start, block.end, above, rank=_HEADING - block.level, is_heading=True)
            path.append((block.level, block.title))
        elif block.rows:
            atoms = _rows(text, block, above, tokens, fits, split)
        elif fits(block.start, block.end, tokens // 4):  # small enough to share a slice with the headings above it
            atoms = _trimmed(text, block.start, block.end, above, rank=_BLOCK)
        else:
            atoms = _pieces(text, block.start, block.end, above, _BLOCK, split)
        if atoms and is_bound:
            atoms[0] = replace(atoms[0], rank=_NEVER)
        is_bound = is_heading if atoms else is_bound
        yield from atoms


def _rows(text: str, block: _Block, above: tuple[str, ...], tokens: int, fits: Fits, split: Split) -> list[_Atom]:
    """A table: its header with the first row, then row by row."""
    atoms: list[_Atom] = []
    bounds = pairwise((block.start, *block.rows, block.end))
    for rank, (start, end) in zip(chain((_BLOCK, _HEADER), repeat(_LINE)), bounds, strict=False):
        if fits(start, end, tokens // 2):
            atoms += _trimmed(text, start, end, above, rank=rank)
        else:
            atoms += _pieces(text, start, end, above, rank, split)
    start, end = block.header
    header = text[start:end].strip() if fits(start, end, tokens // 2) else ""
    return [*atoms[:1], *(replace(atom, table_header=header) for atom in atoms[1:])]


def _pieces(text: str, start: int, end: int, above: tuple[str, ...], rank: float, split: Split) -> list[_Atom]:
    """A part of the text in small pieces, the first with the given rank."""
    atoms: list[_Atom] = []
    for at, piece in split(text[start:end]):
        if atoms:
            between = text[atoms[-1].end : start + at]
            ends_sentence = _SENTENCE_END.search(text[max(start, atoms[-1].end - 8) : atoms[-1].end])
            rank = _LINE if "\n" in between else _SENTENCE if ends_sentence else _WORD
        atoms.append(_Atom(start + at, start + at + len(piece), above, rank=rank))
    return atoms


def _trimmed(text: str, start: int, end: int, above: tuple[str, ...], **of_atom: Any) -> list[_Atom]:  # Any: fields
    """A part of the text as one atom, without the white space around it; none where there is nothing else."""
    part = text[start:end]
    begin = start + len(part) - len(part.lstrip())
    return [_Atom(begin, start + len(part.rstrip()), above, **of_atom)] if part.strip() else []


@dataclass(frozen=True, slots=True)
class _Block:
    """A top-level block of Markdown; blank lines after it belong to it."""

    start: int
    end: int
    #: of a heading, from 1; 0 for anything else
    level: int = 0
    title: str = ""
    #: of a table: where its header row begins and ends, and where its other rows begin
    header: tuple[int, int] = (0, 0)
    rows: tuple[int, ...] = ()


def _blocks(text: str) -> Iterator[_Block]:
    """Yields the blocks of a text, which together are all of it."""
    lines = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]
    tokens = _parser().parse(text)
    top = [(at, token) for at, token in enumerate(tokens) if token.level == 0 and token.map]
    # What no block covers, link definitions say, belongs to the block before it.
    starts = [0, *(lines[_lines(token)[0]] for _, token in top[1:]), len(text)] if top else [0, len(text)]
    if not top:
        yield _Block(0, len(text))
    for (at, token), start, end in zip(top, starts, starts[1:], strict=False):
        first, last = _lines(token)
        if token.type == "heading_open":
            yield _Block(start, end, int(token.tag[1:]), " ".join(tokens[at + 1].content.split()))
        elif token.type == "table_open" and last - first > 2:  # rows, not a header alone
            yield _Block(start, end, header=(lines[first], lines[first + 1]), rows=tuple(lines[first + 2 : last]))
        else:
            yield _Block(start, end)


def _lines(token: Token) -> tuple[int, int]:
    first, last = token.map or (0, 0)
    return first, last


@cache
def _parser() -> MarkdownIt:
    # Blocks alone: what is inside a line changes no cut.
    return MarkdownIt("commonmark").enable("table").disable("inline")
