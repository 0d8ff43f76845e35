"""Scores of an lm-eval task after each epoch, by starting `lm_eval` on the checkpoint just saved."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kinj.benchmark import collection_folder
from kinj.errors import UserError
from kinj.lm_eval_command import run_lm_eval
from kinj.manifest import write_whole
from kinj_training.recipe.settings import Json
from kinj_training.run.checkpoints import folder_of
from kinj_training.run.saving import Merger
from kinj_training.run.trainer import BlockTrainer

log = logging.getLogger(__name__)

NAME = "accuracy.json"


class ScoreEachEpoch(TrainerCallback):
    """Scores the checkpoint of each epoch's end once, also one that an interruption left without a score.

    Args:
        trainer: whose checkpoints are scored.
        task: of lm-eval.
        collection: whose dev questions are asked.
        merger: of the adapter that is trained; None: the weights themselves are.
    """

    def __init__(self, trainer: BlockTrainer, task: str, collection: str, merger: Merger | None) -> None:
        self._steps_per_epoch = trainer.schedule.steps_per_epoch
        self._folder = Path(str(trainer.args.output_dir))
        self._task = task
        self._collection = collection
        self._merger = merger

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Scores the checkpoint that the training goes on from, if it has no score yet."""
        self.on_save(args, state, control)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Scores the checkpoint just saved, if an epoch ends there."""
        step, entries = state.global_step, read_accuracy(self._folder)
        if step == 0 or step % self._steps_per_epoch or any(entry["step"] == step for entry in entries):
            return
        entry = {"step": step, "epoch": step // self._steps_per_epoch, **self._score(folder_of(self._folder, step))}
        write_whole(self._folder / NAME, json.dumps([*entries, entry], indent=1) + "\n")
        scores = ", ".join(f"{name} {value:.4f}" for name, value in entry["scores"].items())
        log.info("epoch %d (step %d): %s, n %d: %s", entry["epoch"], step, entry["task"], entry["n"], scores)

    def _score(self, checkpoint: Path) -> Json:
        """Task, metrics and number of questions; an adapter's checkpoint is merged for it and thrown away again."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="accuracy.") as scratch:
            model = checkpoint
            if self._merger is not None:
                model = Path(scratch, "merged")
                self._merger.merge(checkpoint, model)
                for file in checkpoint.glob("*token*"):
                    shutil.copy(file, model)
            return _ask(model, self._task, self._collection, Path(scratch, "results"))


def read_accuracy(folder: Path) -> list[Json]:
    """The scores so far, an entry an epoch."""
    path = folder / NAME
    entries: list[Json] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return entries


def _ask(model: Path, task: str, collection: str, output: Path) -> Json:
    """Task, metrics and number of questions of one `lm_eval` run, closed book, on the dev questions.

    Raises:
        UserError: lm_eval failed; ends with its last line.
    """
    metadata = json.dumps({"split": "dev", "benchmark": str(collection_folder(collection))})
    arguments = ["--model", "kinj_rag", "--model_args", f"pretrained={model},retriever=none"]
    try:
        file = run_lm_eval([*arguments, "--tasks", task, "--metadata", metadata], output)
    except UserError as error:
        raise UserError(
            f"accuracy_task: {task}: {error}; the checkpoint is whole: "
            "type the same command with another accuracy_task, or without, to go on"
        ) from error
    results = json.loads(file.read_text(encoding="utf-8"))
    metrics = {name.split(",")[0]: value for name, value in results["results"][task].items() if "stderr" not in name}
    numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
    return {"task": task, "scores": numbers, "n": results["n-samples"].get(task, {}).get("effective", 0)}
