"""Blocks into a data set, and a batch of them into tensors in which no part reads another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from datasets import Dataset

from kinj_training.blocks.block import Block
from kinj_training.texts.tokens import NO_LOSS

COLUMNS = ("text_ids", "input_ids", "labels", "lengths")

#: Fills the last batch where several processes share it: nothing in it is learnt. Two tokens, so that a model that
#: shifts its labels still has a position to compute.
BLANK = Block(text_ids=(), input_ids=(0, 0), labels=(NO_LOSS, NO_LOSS), lengths=(2,))


def to_dataset(blocks: Sequence[Block], share: int = 1) -> Dataset:
    """One row a block, in order, and behind them as many blank ones as make the rows divisible by `share`."""
    rows = [*blocks, *[BLANK] * (-len(blocks) % share)]
    return Dataset.from_dict({name: [list(getattr(row, name)) for row in rows] for name in COLUMNS})


@dataclass(frozen=True, slots=True)
class BlockCollator:
    """A batch of rows as tensors: `input_ids` and `labels`, and `position_ids` where a row has several parts.

    Positions restart with each part: where transformers gets neither an attention mask nor a cache, it reads the
    borders of the parts from them. Rows are padded on the right, where no real token sees the padding. Flash attention
    finds borders in a single row only, so for it the whole batch is one row.
    """

    #: all blocks of a batch in one row
    flat: bool = False

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors of shape (blocks, longest block) or (1, all tokens); `text_ids` and `tokens` are for our count."""
        is_packed = any(len(row["lengths"]) > 1 for row in rows)
        lines = [_join(rows)] if self.flat and is_packed else [_join([row]) for row in rows]
        width = max(len(line["input_ids"]) for line in lines)
        batch: dict[str, Any] = {
            "input_ids": _stack([line["input_ids"] for line in lines], width, 0),
            "labels": _stack([line["labels"] for line in lines], width, NO_LOSS),
            "text_ids": [text_id for row in rows for text_id in row["text_ids"]],
            # A blank row is no training text.
            "tokens": sum(len(row["input_ids"]) for row in rows if row["text_ids"]),
        }
        if is_packed:
            # Padding goes on counting, as if it were more of the last part.
            batch["position_ids"] = torch.stack([_positions(line["lengths"], width) for line in lines])
        return batch


def _join(rows: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """The rows' parts side by side. The first token of a part is no target: nothing of that part stands before it."""
    joined: dict[str, list[int]] = {
        name: [value for row in rows for value in row[name]] for name in ("input_ids", "labels", "lengths")
    }
    for start in accumulate(joined["lengths"][:-1], initial=0):
        joined["labels"][start] = NO_LOSS
    return joined


def _stack(lines: Sequence[Sequence[int]], width: int, filler: int) -> torch.Tensor:
    return torch.tensor([[*line, *[filler] * (width - len(line))] for line in lines], dtype=torch.long)


def _positions(lengths: Sequence[int], width: int) -> torch.Tensor:
    padding = width - sum(lengths)
    return torch.cat([torch.arange(length) for length in [*lengths[:-1], lengths[-1] + padding]])
