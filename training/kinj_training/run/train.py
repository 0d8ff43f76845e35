"""The trainings of a recipe, from recipe to finished folder."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from transformers.utils.logging import disable_progress_bar

from kinj.manifest import NAME as MANIFEST
from kinj_training.base import find_base, load_tokenizer
from kinj_training.plan import make_plan, plan_lines
from kinj_training.recipe.recipe import Recipe
from kinj_training.recipe.settings import Json
from kinj_training.run.folder import clear
from kinj_training.run.job import Job
from kinj_training.run.manifest import describe_recipe
from kinj_training.run.requirements import refuse_another_world, refuse_overlap, refuse_unmet, world_size

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
    stages = recipe.stages or (recipe,)
    refuse_another_world(recipe.data.num_processes, recipe.path)
    refuse_overlap(recipe)
    for stage in stages:
        refuse_unmet(stage.training, stage.model)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # those of reading and writing weights; ours is shown
    tokenizer = load_tokenizer(recipe.base)
    plans = [make_plan(stage, tokenizer, world_size()) for stage in stages]
    if recipe.training.process_index == 0:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for stage, plan in zip(stages, plans, strict=True):
            for line in plan_lines(plan.counts, {"given": stage.given, "decided": stage.decided}):
                console.print(line)
    folder = Path(str(recipe.training.output_dir))
    if (overwrite if anew is None else anew) and (folder / MANIFEST).is_file():
        find_base(recipe.base)  # refuses what cannot be read before anything is deleted
        with recipe.training.main_process_first(local=False):
            if recipe.training.process_index == 0:
                # The last stage first: without its manifest the whole is unfinished, and the same command goes on.
                for stage in reversed(stages):
                    clear(Path(str(stage.training.output_dir)))
    manifests: list[Json] = []
    for stage, plan in zip(stages, plans, strict=True):
        job = Job(
            plan,
            tokenizer,
            stage.training,
            stage.model,
            evaluates_epochs="eval_strategy" not in stage.given,
            accuracy_task=stage.data.accuracy_task,
            collection=stage.data.collection,
            description=describe_recipe(stage),
        )
        manifests.append(job.run(manifests, overwrite=overwrite))
    if recipe.training.process_index == 0:
        log.info("try it: lm_eval --model kinj_rag --model_args pretrained=%s,retriever=none", job.folder)
    return job.folder
