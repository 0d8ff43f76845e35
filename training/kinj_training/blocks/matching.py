"""How often an arm's texts come, so that it trains as many steps or tokens as another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from kinj.errors import UserError
from kinj_training.blocks.block import Block
from kinj_training.texts.arms import in_order
from kinj_training.texts.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Target:
    """What an arm is matched to: another arm's numbers over its whole training."""

    #: what to call it
    name: str
    steps: int
    #: marks included
    tokens: int
    #: blocks of one epoch, its optimizer batch in blocks, its epochs
    blocks: int
    batch: int
    epochs: int


def match_steps(
    texts: Sequence[Tokens],
    target: Target,
    *,
    epochs: int,
    batch: int,
    seed: int,
    lay_out: Callable[[Sequence[Tokens]], list[Block]],
) -> list[Tokens]:
    """Copies of the texts, the last copy in part, whose blocks give exactly the target's optimizer steps.

    With the target's own batch and epochs they fill exactly its number of blocks too.

    Raises:
        UserError: the target's steps cannot be spread over these epochs, or no number of texts gives them.
    """
    if target.steps % epochs:
        raise UserError(
            f"match: steps: {target.name} takes {target.steps} steps, which {epochs} epochs cannot share evenly: "
            f"choose num_train_epochs that divides it"
        )
    steps = target.steps // epochs
    wanted = target.blocks if (batch, epochs) == (target.batch, target.epochs) else steps * batch
    # Every layout takes the texts one after the other, so more texts never make fewer blocks.
    few, many = 0, len(texts)
    while len(lay_out(in_order(texts, many, seed))) <= wanted:
        few, many = many, many * 2
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if len(lay_out(in_order(texts, middle, seed))) <= wanted else (few, middle)
    chosen = in_order(texts, few, seed)
    got = math.ceil(len(lay_out(chosen)) / batch)
    if got != steps:
        raise UserError(
            f"match: steps: {target.name} takes {steps} steps an epoch, and these texts give {got} or more than "
            f"{steps}: raise max_length, so that no single text fills several blocks, or take match: tokens"
        )
    return chosen


def match_tokens(texts: Sequence[Tokens], target: Target, *, epochs: int, seed: int) -> list[Tokens]:
    """Copies of the texts, the last copy in part, whose tokens over all epochs come nearest to the target's."""
    wanted = target.tokens / epochs
    one_copy = sum(len(text.input_ids) for text in texts)
    enough = in_order(texts, (int(wanted // one_copy) + 1) * len(texts), seed)
    sums = list(accumulate(len(text.input_ids) for text in enough))
    nearest = min(range(len(sums)), key=lambda i: abs(sums[i] - wanted))
    return enough[: nearest + 1]
