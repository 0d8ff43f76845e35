"""The steps of a training: how long the learning rate warms up, which learn nothing, and after which it is saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_scheduler
from trl import SFTConfig  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj_training.recipe.libraries import refused_by_libraries
from kinj_training.recipe.settings import Json


def warmup_steps(training: SFTConfig, steps: int) -> int:
    """How many of the training's steps warm up: as transformers counts them, but none where their share is below one.

    Transformers rounds up, so that 3 % of a few steps is one step, which has learning rate 0: the whole of a training
    of one step, half of one of two.
    """
    if training.warmup_steps < 1 and training.warmup_steps * steps < 1:
        return 0
    return int(training.get_warmup_steps(steps))


def idle_steps(training: SFTConfig, steps: int) -> int:
    """How many steps have learning rate 0: the first one of a warm-up, for example.

    Raises:
        UserError: all of them, so that nothing would be learnt.
    """
    chosen: Any = training.lr_scheduler_kwargs  # Any: a dictionary, once the settings are made
    name = getattr(training.lr_scheduler_type, "value", training.lr_scheduler_type)
    with refused_by_libraries(f"lr_scheduler_type: {name}", ValueError, TypeError):
        scheduler = get_scheduler(
            training.lr_scheduler_type,
            torch.optim.SGD([torch.zeros(1)], lr=training.learning_rate),
            num_warmup_steps=warmup_steps(training, steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=chosen,
        )
    if not isinstance(scheduler, LambdaLR):  # follows the loss, from the whole learning rate on
        return 0
    [factor] = scheduler.lr_lambdas
    idle = sum(factor(step) == 0 for step in range(steps))
    if steps and idle == steps:
        raise UserError(
            f"warmup_steps: {training.warmup_steps}: all {steps} steps would have learning rate 0, and nothing would "
            "be learnt: lower it, or train more steps"
        )
    return idle


def epoch_ends(counts: Json) -> range:
    """The steps after which an epoch has ended, out of a plan's counts."""
    each = counts["steps_per_epoch"]
    return range(each, counts["steps"] + 1, each)


def saved_steps(training: SFTConfig, counts: Json) -> Sequence[int]:
    """The steps whose checkpoints are saved, as transformers counts them."""
    strategy, last = str(getattr(training.save_strategy, "value", training.save_strategy)), counts["steps"]
    if strategy == "epoch":
        return epoch_ends(counts)
    if strategy != "steps":
        return ()
    share = training.save_steps
    every = math.ceil(last * share) if share < 1 else int(share)
    return sorted({*range(every, last + 1, every), last})
