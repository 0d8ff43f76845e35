"""The trainings of a recipe, from recipe to finished folder."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from transformers.utils.logging import disable_progress_bar

from kinj.manifest import NAME as MANIFEST
from kinj_training.base import find_base, load_tokenizer
from kinj_training.plan import Plan, make_plan, plan_lines, with_chat_date
from kinj_training.recipe.recipe import Recipe
from kinj_training.recipe.settings import DataSettings, Json
from kinj_training.run.accuracy import refuse_unscorable
from kinj_training.run.folder import clear, read_start
from kinj_training.run.job import Job
from kinj_training.run.manifest import describe_recipe
from kinj_training.run.requirements import refuse_another_world, refuse_overlap, refuse_unmet, world_size
from kinj_training.texts.own import find_collection, has_questions

log = logging.getLogger(__name__)


def train(recipe: Recipe, *, overwrite: bool = False, anew: bool | None = None) -> Path:
    """The finished folder of a recipe, of its last stage where it has several.

    Interrupted, the same call goes on at the newest complete checkpoint and ends with the same weights. All stages are
    planned before the first weight is loaded.

    Args:
        recipe: of one training, or of several stages.
        overwrite: replace another training in the folder. An unfinished one of this recipe goes on all the same, or
            else an interruption and the same command would lose it.
        anew: begin a finished training anew; None: as `overwrite` says.

    Raises:
        UserError: another number of processes came up than asked for, the folder holds another training, what the
            training reads lies in it, the model lets packed texts read each other, or a loss is not finite.
    """
    stages: Sequence[Recipe] = recipe.stages or (recipe,)
    _refuse_faults(recipe, stages)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # those of reading and writing weights; ours is shown
    tokenizer = load_tokenizer(recipe.base)
    stages = [with_chat_date(stage, tokenizer, _first_day(stage)) for stage in stages]
    plans = [make_plan(stage, tokenizer, world_size()) for stage in stages]
    if recipe.training.process_index == 0:
        _show(stages, plans)
        for stage, plan in zip(stages, plans, strict=True):
            if stage.data.accuracy_task is not None:
                refuse_unscorable(stage.data.accuracy_task, stage.training, plan.counts)
    if overwrite if anew is None else anew:
        _forget(recipe, stages)
    manifests: list[Json] = []
    for stage, plan in zip(stages, plans, strict=True):
        job = Job(
            plan,
            tokenizer,
            stage.training,
            stage.model,
            given=frozenset(stage.given),
            accuracy_task=stage.data.accuracy_task,
            collection=stage.data.collection,
            command=_command(recipe),
            description=describe_recipe(stage),
        )
        manifests.append(job.run(manifests, overwrite=overwrite))
    if recipe.training.process_index == 0:
        # Instructions are not about the collection; an earlier stage may have been.
        about = [stage.data for stage in stages if stage.data.arm != "instruct"] or [recipe.data]
        log.info("try it: %s", next_step(job.folder, about[-1]))
    return job.folder


def next_step(folder: Path, data: DataSettings) -> str:
    """The command that asks the finished folder about the very documents that it was trained on, closed book.

    No task asks the questions of the split `fewshot`, which serve as examples in prompts: the test questions then.
    Plain texts have no questions: a task is to be chosen.
    """
    words = ["lm_eval", "--model", "kinj_rag", "--model_args", f"pretrained={folder},retriever=none"]
    if not has_questions(data.collection):
        return f"{shlex.join(words)} --tasks TASK"
    is_ours = data.collection == "current_events"
    task = f"kinj_{'current_events' if is_ours else 'benchmark'}_option"
    where = {} if is_ours else {"benchmark": str(find_collection(data.collection))}
    metadata = json.dumps({**where, "split": "dev" if data.split == "dev" else "test"}, ensure_ascii=False)
    return shlex.join([*words, "--tasks", task, "--metadata", metadata])


def _refuse_faults(recipe: Recipe, stages: Sequence[Recipe]) -> None:
    """Refuses what can be known to fail before anything is planned."""
    refuse_another_world(recipe.data.num_processes, recipe.path)
    refuse_overlap(recipe)
    for stage in stages:
        refuse_unmet(stage.training, stage.model)


def _command(recipe: Recipe) -> str:
    """What goes on with the training, by as many processes."""
    if (count := world_size()) == 1:
        return recipe.command
    return recipe.command.replace("kinj train", f"torchrun --nproc_per_node {count} -m kinj_training", 1)


def _first_day(recipe: Recipe) -> str:
    """The day of the training's first start: today's, where none began in its folder."""
    first = read_start(Path(str(recipe.training.output_dir)))
    return (first and first.chat_date) or date.today().isoformat()


def _show(stages: Sequence[Recipe], plans: Sequence[Plan]) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for stage, plan in zip(stages, plans, strict=True):
        for line in plan_lines(plan.counts, {"given": stage.given, "decided": stage.decided}):
            console.print(line)


def _forget(recipe: Recipe, stages: Sequence[Recipe]) -> None:
    """Empties the folders of a training that is finished as a whole, so that it can be done anew."""
    # Only the first process looks: to the others, being later, the manifest may be gone already.
    with recipe.training.main_process_first(local=False):
        if recipe.training.process_index or not Path(str(recipe.training.output_dir), MANIFEST).is_file():
            return
        find_base(recipe.base)  # refuses what cannot be read before anything is deleted
        # The last stage first: without its manifest the whole is unfinished, and the same command goes on.
        for stage in reversed(stages):
            clear(Path(str(stage.training.output_dir)))
