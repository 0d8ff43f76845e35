"""What a person sees while a model trains: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kinj_training.run.trainer import BlockTrainer

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 15.0


class ShowProgress(TrainerCallback):
    """Shows step, loss, tokens a second and the time left; the held-out loss after each evaluation."""

    def __init__(self, trainer: BlockTrainer) -> None:
        self._trainer = trainer
        self._loss = ""
        self._bar: Progress | None = None
        self._started = self._said = 0.0
        self._first_step = self._tokens = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Starts the clock and, on a terminal, the bar."""
        self._started = self._said = time.monotonic()
        self._first_step, self._tokens = state.global_step, self._trainer.tokens_here()
        if sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("", total=state.max_steps, completed=state.global_step)
            self._bar.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Moves the bar, or writes a line if the last one is some time ago."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=state.global_step, description=self._said_now(now))
        elif now - self._said > _SECONDS_BETWEEN_LINES:
            self._said = now
            left = (now - self._started) / (state.global_step - self._first_step)
            left *= state.max_steps - state.global_step
            log.info("step %d of %d, %s, %s left", state.global_step, state.max_steps, self._said_now(now), _time(left))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: what was logged
        """Keeps the loss that the bar shows: the mean since the last time it was logged."""
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
        if self._bar is not None:
            self._bar.stop()

    def _said_now(self, now: float) -> str:
        tokens = (self._trainer.tokens_here() - self._tokens) * self._trainer.accelerator.num_processes
        return f"{self._loss}{tokens / (now - self._started):.0f} tokens/s"


def _time(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
