"""A row of the training set: whole training texts side by side, or a cut of the joined stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kinj_training.texts.tokens import NO_LOSS


@dataclass(frozen=True, slots=True)
class Block:
    """What one row of a batch holds."""

    #: ids of the training texts in it, in order
    text_ids: tuple[str, ...]
    input_ids: tuple[int, ...]
    #: one label a token: the token itself, or `NO_LOSS`; not shifted, the model does that
    labels: tuple[int, ...]
    #: tokens of each part; positions restart with each part, and no part attends to another; they sum to the block
    lengths: tuple[int, ...]

    @property
    def targets(self) -> int:
        """How many tokens the block's loss is taken over: no part's first token, as nothing stands before it."""
        firsts = {sum(self.lengths[:i]) for i in range(len(self.lengths))}
        return sum(label != NO_LOSS for i, label in enumerate(self.labels) if i not in firsts)


def as_json(blocks: Sequence[Block]) -> list[list[Any]]:  # Any: numbers and texts, as JSON has them
    """The blocks in the one form in which they are hashed."""
    return [[block.text_ids, block.input_ids, block.labels, block.lengths] for block in blocks]
