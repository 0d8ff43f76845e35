"""A training under a claim (`kinj.claims`) ends with a checkpoint when it is asked to, and saves nothing once lost."""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kinj import claims
from kinj_training.run.trainer import BlockTrainer

log = logging.getLogger(__name__)


class StopWhenAsked(TrainerCallback):
    """Saves after the step at which it was asked to stop, and ends all of the training's processes then."""

    def __init__(self, trainer: BlockTrainer) -> None:
        self._trainer = trainer
        self._is_asked = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Saves where it was asked to stop; at the end of an epoch only once that is evaluated."""
        if claims.token():
            self._is_asked = self._are_asked()
            is_epoch = control.should_training_stop or abs(float(state.epoch or 0) - round(state.epoch or 0)) < 1e-6
            self._save(control, asked=self._is_asked and not is_epoch)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """As `on_step_end`, which came before it."""
        self._save(control, asked=self._is_asked)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Ends where it was asked to; the checkpoint is complete."""
        if self._is_asked:
            log.info("stopped with a checkpoint after step %d, as it was asked to", state.global_step)
            raise SystemExit(claims.STOPPED)

    def _save(self, control: TrainerControl, *, asked: bool) -> None:
        control.should_save = control.should_save or asked
        if control.should_save:
            claims.refuse_lost()

    def _are_asked(self) -> bool:
        """The same in all processes, of which one may look a moment before the others."""
        accelerator = self._trainer.accelerator
        if accelerator.num_processes == 1:
            return claims.is_asked_to_stop()
        asked = torch.tensor([int(claims.is_asked_to_stop())], device=accelerator.device)
        return bool(accelerator.reduce(asked, "sum").item())
