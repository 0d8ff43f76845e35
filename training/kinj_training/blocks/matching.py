"""How often an arm's texts come, so that it trains as many steps or tokens as another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from kinj.errors import UserError
from kinj_training.blocks.block import Block
from kinj_training.recipe.settings import Json
from kinj_training.texts.arms import in_order
from kinj_training.texts.tokens import Tokens

LayOut = Callable[[Sequence[Tokens]], list[Block]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a training goes through its blocks."""

    epochs: int
    #: blocks of one optimizer step: per device x accumulated x processes
    batch: int
    world_size: int
    seed: int

    def steps_per_epoch(self, blocks: int) -> int:
        """The last step of an epoch may hold fewer blocks."""
        return math.ceil(blocks / self.batch)


@dataclass(frozen=True, slots=True)
class Reference:
    """The numbers of another arm, to which an arm is matched."""

    name: str
    #: of the whole training
    steps: int
    #: of the whole training, marks included
    tokens: int
    #: blocks of one epoch, its optimizer batch in blocks, its epochs
    blocks: int
    batch: int
    epochs: int

    @classmethod
    def of(cls, name: str, counts: Json) -> Reference:
        """The numbers of a plan, whose `counts` are those of one epoch but for the steps."""
        epochs = counts["epochs"]
        return cls(name, counts["steps"], counts["tokens"] * epochs, counts["blocks"], counts["batch"], epochs)


@dataclass(frozen=True, slots=True)
class Match:
    """How often an arm's texts are to come."""

    #: what is to be equal
    by: Literal["steps", "tokens"]
    reference: Reference
    pace: Pace

    def choose(self, texts: Sequence[Tokens], lay_out: LayOut) -> list[Tokens]:
        """Copies of the texts, the last copy in part: the texts of one epoch.

        Raises:
            UserError: the reference's steps cannot be spread over these epochs, or no number of texts gives them.
        """
        return self._by_tokens(texts) if self.by == "tokens" else self._by_steps(texts, lay_out)

    def _by_steps(self, texts: Sequence[Tokens], lay_out: LayOut) -> list[Tokens]:
        """Those whose blocks give exactly the reference's optimizer steps.

        With the reference's own batch and epochs they fill exactly its number of blocks too.
        """
        reference, pace = self.reference, self.pace
        if reference.steps % pace.epochs:
            raise UserError(
                f"match: steps: {reference.name} takes {reference.steps} steps, which {pace.epochs} epochs cannot "
                "share evenly: choose num_train_epochs that divides it"
            )
        steps = reference.steps // pace.epochs
        is_alike = (pace.batch, pace.epochs) == (reference.batch, reference.epochs)
        wanted = reference.blocks if is_alike else steps * pace.batch
        # Every layout takes the texts one after the other, so more texts never make fewer blocks.
        few, many = 0, len(texts)
        while len(lay_out(in_order(texts, many, pace.seed))) <= wanted:
            few, many = many, many * 2
        while many - few > 1:
            middle = (few + many) // 2
            fits = len(lay_out(in_order(texts, middle, pace.seed))) <= wanted
            few, many = (middle, many) if fits else (few, middle)
        chosen = in_order(texts, few, pace.seed)
        reached = pace.steps_per_epoch(len(lay_out(chosen)))
        if reached != steps:
            raise UserError(
                f"match: steps: {reference.name} takes {steps} steps an epoch, and these texts give {reached} or more "
                f"than {steps}: raise max_length, so that no single text fills several blocks, or take match: tokens"
            )
        return chosen

    def _by_tokens(self, texts: Sequence[Tokens]) -> list[Tokens]:
        """Those whose tokens over all epochs come nearest to the reference's."""
        wanted = self.reference.tokens / self.pace.epochs
        one_copy = sum(len(text.input_ids) for text in texts)
        enough = in_order(texts, (int(wanted // one_copy) + 1) * len(texts), self.pace.seed)
        sums = list(accumulate(len(text.input_ids) for text in enough))
        nearest = min(range(len(sums)), key=lambda i: abs(sums[i] - wanted))
        return enough[: nearest + 1]
