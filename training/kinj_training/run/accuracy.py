"""Scores of an lm-eval task after each epoch, by starting `lm_eval` on the checkpoint just saved."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kinj.benchmark import collection_folder
from kinj.errors import UserError
from kinj_training.base import Base
from kinj_training.recipe.recipe import Recipe
from kinj_training.run.checkpoints import folder_of
from kinj_training.run.saving import merge
from kinj_training.run.trainer import BlockTrainer

log = logging.getLogger(__name__)

NAME = "accuracy.json"

#: A launcher's words to its processes, which lm_eval would take for its own.
_LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_", "ACCELERATE_", "FSDP_")


class ScoreEachEpoch(TrainerCallback):
    """Scores the checkpoint of each epoch's end once, also one that an interruption left without a score."""

    def __init__(self, trainer: BlockTrainer, recipe: Recipe, base: Base) -> None:
        self._epoch = trainer.schedule.steps_per_epoch
        self._recipe = recipe
        self._base = base
        self._folder = Path(str(recipe.training.output_dir))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Scores the checkpoint that the training goes on from, if it has no score yet."""
        self.on_save(args, state, control)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:  # Any: not read
        """Scores the checkpoint just saved, if an epoch ends there."""
        step, scores = state.global_step, read_scores(self._folder)
        if step == 0 or step % self._epoch or any(line["step"] == step for line in scores):
            return
        found = self._score(folder_of(self._folder, step))
        scores.append({"step": step, "epoch": step // self._epoch, **found})
        part = self._folder / (NAME + ".part")
        part.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
        part.rename(self._folder / NAME)
        said = ", ".join(f"{name} {value:.4f}" for name, value in found["scores"].items())
        log.info("epoch %d (step %d): %s, n %d: %s", step // self._epoch, step, found["task"], found["n"], said)

    def _score(self, checkpoint: Path) -> dict[str, Any]:  # Any: JSON values
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="accuracy.") as scratch:
            model = checkpoint
            if self._recipe.model.use_peft:
                model = Path(scratch, "merged")
                merge(checkpoint, self._recipe, self._base, model)
                for file in checkpoint.glob("*token*"):
                    shutil.copy(file, model)
            return _lm_eval(model, self._recipe, Path(scratch, "results"))


def read_scores(folder: Path) -> list[dict[str, Any]]:  # Any: JSON values
    """The scores so far, an entry an epoch."""
    path = folder / NAME
    scores: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return scores


def _lm_eval(model: Path, recipe: Recipe, output: Path) -> dict[str, Any]:  # Any: JSON values
    """Task, metrics and number of questions of one `lm_eval` run, closed book, on the dev questions.

    Raises:
        UserError: lm_eval failed; ends with its last line.
    """
    task = str(recipe.data.accuracy_task)
    metadata = {"split": "dev", "benchmark": str(collection_folder(recipe.data.collection))}
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "kinj_rag", "--tasks", task]
    command += ["--model_args", f"pretrained={model},retriever=none", "--metadata", json.dumps(metadata)]
    command += ["--output_path", str(output)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHERS)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    files = sorted(output.rglob("results*.json"))
    if done.returncode or not files:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(
            f"accuracy_task: {task}: lm_eval ended with exit code {done.returncode} ({last}); the checkpoint is whole: "
            "type the same command with another accuracy_task, or without, to go on"
        )
    results = json.loads(files[-1].read_text(encoding="utf-8"))
    metrics = {name.split(",")[0]: value for name, value in results["results"][task].items() if "stderr" not in name}
    numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
    return {"task": task, "scores": numbers, "n": results["n-samples"].get(task, {}).get("effective", 0)}
