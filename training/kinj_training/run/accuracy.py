"""Scores of an lm-eval task for each epoch, by starting `lm_eval` on their checkpoints once training has ended."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path

from trl import SFTConfig  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj.lm_eval_command import refuse_unknown_task, run_lm_eval
from kinj.manifest import write_whole
from kinj_training.blocks.rates import epoch_ends, saved_steps
from kinj_training.recipe.settings import Json
from kinj_training.run.checkpoints import folder_of
from kinj_training.run.saving import Merger
from kinj_training.texts.own import find_collection, has_questions

log = logging.getLogger(__name__)

NAME = "accuracy.json"


def refuse_unscorable(task: str, training: SFTConfig, counts: Json) -> None:
    """Returns if lm-eval has the task, and a checkpoint of each epoch's end will be there when training has ended.

    Args:
        task: of lm-eval.
        training: when checkpoints are saved, and how many are kept.
        counts: the plan's.

    Raises:
        UserError: it has not, or one is missing.
    """
    if task.startswith("kinj_benchmark") and not has_questions(counts["collection"]):
        raise UserError(f"accuracy_task: {task}: {counts['collection']} has no questions: name another task")
    if "," in task:
        raise UserError(f"accuracy_task: {task}: one task is scored: name one")
    steps = saved_steps(training, counts)
    if any(step not in steps for step in epoch_ends(counts)):
        raise UserError(
            f"accuracy_task: {task}: no checkpoint is saved where an epoch ends (each {counts['steps_per_epoch']} "
            "steps), so that the epoch could not be scored: take save_strategy: epoch"
        )
    limit = training.save_total_limit or 0
    if 0 < limit < len(steps):
        raise UserError(
            f"accuracy_task: {task}: save_total_limit: {limit} removes checkpoints that are scored after training: "
            f"keep {len(steps)}, or leave it out"
        )
    try:
        refuse_unknown_task(task)
    except UserError as error:
        raise UserError(f"accuracy_task: {error}") from error


def score_epochs(folder: Path, counts: Json, task: str, collection: str, merger: Merger | None) -> list[Json]:
    """The scores of all epochs; each is written down when it is known, so that an interruption loses one at most.

    Args:
        folder: of the training, with the checkpoint of each epoch's end.
        counts: the plan's.
        task: of lm-eval.
        collection: whose dev questions are asked.
        merger: of the adapter that was trained; None: the weights themselves were.

    Raises:
        UserError: lm_eval failed; ends with its last line.
    """
    for epoch, step in enumerate(epoch_ends(counts), 1):
        entries = read_accuracy(folder)
        if any(entry["step"] == step for entry in entries):
            continue
        log.info("epoch %d (step %d): scoring %s", epoch, step, task)
        entry = {"step": step, "epoch": epoch, **_score(folder_of(folder, step), task, collection, merger)}
        write_whole(folder / NAME, json.dumps([*entries, entry], indent=1) + "\n")
        scores = ", ".join(f"{name} {value:.4f}" for name, value in entry["scores"].items())
        log.info("epoch %d (step %d): %s, n %d: %s", epoch, step, task, entry["n"], scores)
    return read_accuracy(folder)


def read_accuracy(folder: Path) -> list[Json]:
    """The scores so far, an entry an epoch."""
    path = folder / NAME
    entries: list[Json] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return entries


def _score(checkpoint: Path, task: str, collection: str, merger: Merger | None) -> Json:
    """Task, metrics and number of questions; an adapter's checkpoint is merged for it and thrown away again."""
    # Not below the training's own folder: a comma in that path would end the model's name for lm_eval.
    with tempfile.TemporaryDirectory(prefix="kinj.") as results:
        link = Path(results, "checkpoint")
        if merger is None:
            link.symlink_to(checkpoint.resolve())
            return _ask(link, task, collection, Path(results, "results"))
        with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix="accuracy.") as scratch:
            merged = Path(scratch, "merged")
            merger.merge(checkpoint, merged)
            for file in checkpoint.glob("*token*"):
                shutil.copy(file, merged)
            link.symlink_to(merged.resolve())
            return _ask(link, task, collection, Path(results, "results"))


def _ask(model: Path, task: str, collection: str, output: Path) -> Json:
    """Task, metrics and number of questions of one `lm_eval` run, closed book, on the dev questions.

    Raises:
        UserError: lm_eval failed; ends with its last line.
    """
    about = {"benchmark": str(find_collection(collection))} if has_questions(collection) else {}
    metadata = json.dumps({"split": "dev", **about})
    arguments = ["--model", "kinj_rag", "--model_args", f"pretrained={model},retriever=none"]
    try:
        file = run_lm_eval([*arguments, "--tasks", task, "--metadata", metadata], output)
    except UserError as error:
        raise UserError(
            f"accuracy_task: {task}: {error}; the checkpoint is whole: "
            "type the same command with another accuracy_task, or without, to go on"
        ) from error
    results = json.loads(file.read_text(encoding="utf-8"))
    if task not in results["results"]:
        raise UserError(f"accuracy_task: {task}: lm_eval gives no score of that name: name a task, not a group of them")
    metrics = {name.split(",")[0]: value for name, value in results["results"][task].items() if "stderr" not in name}
    numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
    return {"task": task, "scores": numbers, "n": results["n-samples"].get(task, {}).get("effective", 0)}
