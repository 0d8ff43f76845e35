"""Tokens into blocks: packed side by side, joined to a stream and cut, or one text a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinj_training.blocks.block import Block
from kinj_training.texts.tokens import NO_LOSS, Tokens


def lay_out(layout: str, texts: Sequence[Tokens], length: int) -> list[Block]:
    """The blocks of at most `length` tokens that hold all tokens of the texts, in the order of the texts.

    No target is lost: where a text goes on in another block, its last token stands there again, read but not learnt.
    A joined stream is cut as the study does it, without that token, so each block's first token is read only; a last
    block of a single token, which could learn nothing, gets it.
    """
    if layout == "joined":
        return _joined(texts, length)
    pieces = [piece for text in texts for piece in _pieces(text, length)]
    return pieces if layout == "single" else _packed(pieces, length)


def _pieces(text: Tokens, length: int) -> Iterator[Block]:
    """The text as blocks of its own."""
    start = 0
    while True:
        ids, labels = text.input_ids[start : start + length], text.labels[start : start + length]
        if start:
            labels = (NO_LOSS, *labels[1:])
        yield Block((text.text_id,), ids, labels, (len(ids),))
        if start + length >= len(text.input_ids):
            return
        start += length - 1


def _packed(pieces: Sequence[Block], length: int) -> list[Block]:
    """Best fit in the given order: each piece goes into the fullest block that has room for it.

    Not in decreasing order of length, which is one per cent denser: it lays copies and paraphrases of one text, being
    equally long, side by side, and a batch would then hold few different texts.
    """
    blocks: list[list[Block]] = []
    # open_blocks[room] are the blocks with that much room; bit `room` of `rooms` says whether there is any
    open_blocks: list[list[int]] = [[] for _ in range(length + 1)]
    rooms = 0
    for piece in pieces:
        size = len(piece.input_ids)
        fitting = rooms >> size
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            at = open_blocks[room].pop()
            if not open_blocks[room]:
                rooms ^= 1 << room
        else:
            room, at = length, len(blocks)
            blocks.append([])
        blocks[at].append(piece)
        if room > size:
            open_blocks[room - size].append(at)
            rooms |= 1 << (room - size)
    return [_side_by_side(parts) for parts in blocks]


def _side_by_side(parts: Sequence[Block]) -> Block:
    return Block(
        tuple(text_id for part in parts for text_id in part.text_ids),
        tuple(token for part in parts for token in part.input_ids),
        tuple(label for part in parts for label in part.labels),
        tuple(length for part in parts for length in part.lengths),
    )


def _joined(texts: Sequence[Tokens], length: int) -> list[Block]:
    ids = [token for text in texts for token in text.input_ids]
    labels = [label for text in texts for label in text.labels]
    owners = [text.text_id for text in texts for _ in text.input_ids]
    blocks = []
    for start in range(0, len(ids), length):
        end = min(start + length, len(ids))
        learnt = labels[start:end]
        if end - start == 1 and start:
            start, learnt = start - 1, [NO_LOSS, *learnt]
        text_ids = tuple(dict.fromkeys(owners[start:end]))
        blocks.append(Block(text_ids, tuple(ids[start:end]), tuple(learnt), (end - start,)))
    return blocks
