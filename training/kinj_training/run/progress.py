"""What a person sees while a model trains: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kinj.progress import progress
from kinj_training.run.trainer import BlockTrainer

log = logging.getLogger(__name__)


class ShowProgress(TrainerCallback):
    """Shows step, loss, tokens a second and the time left; the held-out loss after each evaluation."""

    def __init__(self, trainer: BlockTrainer) -> None:
        self._trainer = trainer
        self._display = ExitStack()
        self._loss = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Starts the clock and, on a terminal, the bar."""
        self._started, self._tokens = time.monotonic(), self._trainer.tokens_here()
        steps = progress("optimizer steps", state.max_steps, done=state.global_step)
        self._advance = self._display.enter_context(steps)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Moves the bar, or writes a line if the last one is some time ago."""
        tokens = (self._trainer.tokens_here() - self._tokens) * self._trainer.accelerator.num_processes
        self._advance(1, f"{self._loss}{tokens / (time.monotonic() - self._started):.0f} tokens/s")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: what was logged
        """Keeps the loss to show: the mean since the last time it was logged."""
        if "loss" in more["logs"]:
            self._loss = f"loss {more['logs']['loss']:.4f}, "

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: the metrics
        """Says the held-out loss."""
        log.info("epoch %g (step %d): held-out loss %.4f", state.epoch, state.global_step, more["metrics"]["eval_loss"])

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Removes the bar."""
        self.stop()

    def stop(self) -> None:
        """Removes the bar, also where the training ended early."""
        self._display.close()
