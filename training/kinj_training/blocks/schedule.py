"""In which order an epoch shows the blocks, by seed and epoch alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.utils.data import Sampler

from kinj_training.blocks.block import Block


class TokenCount(NamedTuple):
    """How much went through the model while it learnt, summed over epochs and processes."""

    tokens: int
    targets: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which blocks each optimizer step learns from."""

    blocks: int
    #: blocks of one optimizer step: per device x accumulated x processes
    batch: int
    seed: int
    shuffled: bool

    @property
    def steps_per_epoch(self) -> int:
        """The last step of an epoch may hold fewer blocks."""
        return math.ceil(self.blocks / self.batch)

    def order(self, epoch: int) -> list[int]:
        """The numbers of the blocks as epoch number `epoch`, counted from 0, shows them."""
        if not self.shuffled:
            return list(range(self.blocks))
        # One generator an epoch, so that a resumed training needs to know nothing but the step it stands at. Seed and
        # epoch are kept apart by a wide factor: seed 1 in epoch 0 is not seed 0 in epoch 1.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(self.blocks, generator=generator).tolist()

    def token_count(self, blocks: Sequence[Block], steps: int) -> TokenCount:
        """How much `steps` steps show of these blocks."""
        tokens = targets = 0
        for epoch in range(math.ceil(steps / self.steps_per_epoch)):
            left = steps - epoch * self.steps_per_epoch
            shown = [blocks[number] for number in self.order(epoch)[: left * self.batch]]
            tokens += sum(len(block.input_ids) for block in shown)
            targets += sum(block.targets for block in shown)
        return TokenCount(tokens, targets)


class EpochSampler(Sampler[int]):
    """The rows of the epoch that the training stands in, the blank rows last.

    It reads the epoch off the step. The usual sampler is told its epoch, but not where several processes resume in the
    middle of one.
    """

    def __init__(self, schedule: Schedule, rows: int, step: Callable[[], int]) -> None:
        self.schedule = schedule
        self.rows = rows
        self._step = step

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[int]:
        yield from self.schedule.order(self._step() // self.schedule.steps_per_epoch)
        yield from range(self.schedule.blocks, self.rows)
