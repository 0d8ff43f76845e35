"""A training from recipe to finished folder, begun anew or gone on with."""

from __future__ import annotations

import copy
import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import IntervalStrategy, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig, get_peft_config, get_quantization_config  # type: ignore[attr-defined]  # loaded lazily

from kinj.manifest import read_manifest, sha256_json
from kinj_training.base import Base, find_base, load_tokenizer
from kinj_training.dry_run import plan_lines
from kinj_training.plan import Plan, make_plan
from kinj_training.recipe.recipe import Recipe
from kinj_training.run.accuracy import ScoreEachEpoch
from kinj_training.run.checkpoints import newest_complete
from kinj_training.run.folder import Start, alone, finished, prepare, publish, read_start
from kinj_training.run.manifest import record
from kinj_training.run.probe import refuse_leaking
from kinj_training.run.progress import ShowProgress
from kinj_training.run.requirements import refuse_another_world, refuse_unmet, world_size
from kinj_training.run.saving import save_final
from kinj_training.run.trainer import BlockTrainer, Kept

log = logging.getLogger(__name__)


def train(recipe: Recipe, *, overwrite: bool = False) -> Path:
    """The finished folder of a recipe, of its last stage where it has several.

    Interrupted, the same call goes on at the newest complete checkpoint and ends with the same weights. All stages are
    planned before the first weight is loaded.

    Raises:
        UserError: another number of processes came up than asked for, the folder holds another training, the model
            lets packed texts read each other, or a loss is not finite.
    """
    refuse_another_world(recipe.data.num_processes, recipe.path)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # those of reading and writing weights; ours is shown
    stages = recipe.stages or (recipe,)
    for stage in stages:
        refuse_unmet(stage)
    tokenizer = load_tokenizer(recipe)
    plans = [make_plan(stage, tokenizer, world_size()) for stage in stages]
    for stage, plan in zip(stages, plans, strict=True):
        _say(stage, plan)
    done: list[dict[str, Any]] = []  # Any: JSON values
    for stage, plan in zip(stages, plans, strict=True):
        done.append(_train_one(stage, plan, tokenizer, done, overwrite=overwrite))
    folder = Path(str(stages[-1].training.output_dir))
    if recipe.training.process_index == 0:
        log.info("try it: lm_eval --model kinj_rag --model_args pretrained=%s,retriever=none", folder)
    return folder


def _train_one(
    recipe: Recipe,
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    before: list[dict[str, Any]],  # Any: JSON values
    *,
    overwrite: bool,
) -> dict[str, Any]:  # Any: JSON values
    """The manifest of one training, which is done unless it is there already."""
    folder = Path(str(recipe.training.output_dir))
    base = find_base(
        str(recipe.model.model_name_or_path),
        recipe.model.model_revision,
        trust_remote_code=recipe.training.trust_remote_code,
    )
    start = Start(sha256_json([plan.sha256, base.sha256]), world_size(), torch.get_num_threads())
    first = recipe.training.process_index == 0
    with alone(folder) if first else nullcontext():
        with recipe.training.main_process_first(local=False):
            if first:
                prepare(folder, start, overwrite=overwrite)
        if (manifest := finished(folder)) is not None:
            log.info("%s: this training is finished", folder)
            return manifest
        _keep_threads(folder, start)
        trainer = make_trainer(recipe, plan, tokenizer, base, start.plan)
        if recipe.data.accuracy_task is not None and first:
            trainer.add_callback(ScoreEachEpoch(trainer, recipe, base))
        _run(trainer, folder, start.plan)
        _refuse_miscount(trainer, plan)
        manifest = record(trainer, recipe, plan, base, start.plan, before)
        part = save_final(trainer, recipe, base)
        if first:
            publish(part, folder, manifest)
            log.info("%s: finished, %d steps, %d tokens, as planned", folder, plan.steps, manifest["tokens"])
        trainer.accelerator.wait_for_everyone()
    return read_manifest(folder, "add --overwrite to train anew")


def _keep_threads(folder: Path, start: Start) -> None:
    begun = read_start(folder)
    if begun is not None and begun.threads != start.threads:
        log.info("begun with %d threads, not %d: going on with %d", begun.threads, start.threads, begun.threads)
        torch.set_num_threads(begun.threads)


def make_trainer(recipe: Recipe, plan: Plan, tokenizer: PreTrainedTokenizerBase, base: Base, key: str) -> BlockTrainer:
    """The trainer of one plan, with the base model loaded; `key` says in its checkpoints whose they are.

    Raises:
        UserError: packed texts would read each other in this model.
    """
    flat = "flash" in (recipe.model.attn_implementation or "")
    trainer = BlockTrainer(
        str(base.folder),
        _settings(recipe, plan),
        plan.blocks,
        plan.held_out,
        tokenizer,
        kept=Kept(key, recipe.training.save_total_limit),
        flat=flat,
        adapter=get_peft_config(recipe.model),
        quantization=get_quantization_config(recipe.model),
    )
    # The first process has the whole model also where FSDP will share it out, but on the CPU, where flash cannot run.
    if _is_packed(plan) and trainer.is_world_process_zero() and not (flat and trainer.is_fsdp_enabled):
        model: Any = trainer.model
        refuse_leaking(model, flat=flat)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _is_packed(plan: Plan) -> bool:
    return any(len(block.lengths) > 1 for block in [*plan.blocks, *plan.held_out])


def _settings(recipe: Recipe, plan: Plan) -> SFTConfig:
    """TRL's settings as the recipe gives them, but for what comes ready (rows) and what is done here (checkpoints)."""
    settings = copy.copy(recipe.training)
    settings.dataset_kwargs = {"skip_prepare_dataset": True}
    settings.max_length = None
    given: Any = settings.model_init_kwargs or {}
    settings.model_init_kwargs = {
        "attn_implementation": recipe.model.attn_implementation,
        "dtype": recipe.model.dtype,
        "use_safetensors": True,
        **given,
    }
    settings.logging_nan_inf_filter = False
    settings.disable_tqdm = True
    settings.save_total_limit = None  # the oldest checkpoint goes only once the newest is marked complete
    if not plan.held_out:
        settings.eval_strategy = IntervalStrategy.NO
    elif "eval_strategy" not in recipe.given:
        settings.eval_strategy = IntervalStrategy.EPOCH
    return settings


def _run(trainer: BlockTrainer, folder: Path, key: str) -> None:
    """Trains to the end, from the newest complete checkpoint if there is one."""
    shown = ShowProgress(trainer)
    if trainer.is_world_process_zero():
        trainer.add_callback(shown)
    try:
        if (found := newest_complete(folder, key)) is not None:
            checkpoint, mark = found
            log.info("going on at step %d (%s)", mark.step, checkpoint)
            trainer.resume(checkpoint, mark)
        else:
            trainer.train()
        if trainer.eval_dataset is not None and not _evaluated(trainer):
            trainer.evaluate()
    finally:
        shown.stop()


def _evaluated(trainer: BlockTrainer) -> bool:
    """Whether the held-out loss of the last step is known."""
    return any("eval_loss" in line and line["step"] == trainer.state.global_step for line in trainer.state.log_history)


def _refuse_miscount(trainer: BlockTrainer, plan: Plan) -> None:
    """Raises `RuntimeError` if the model did not see exactly what the plan says: that would be a mistake of ours."""
    planned, fed = trainer.schedule.fed(plan.blocks, plan.steps), trainer.fed()
    if fed != planned or trainer.state.global_step != plan.steps:
        raise RuntimeError(
            f"{fed} in {trainer.state.global_step} steps went through the model, planned were {planned} in {plan.steps}"
        )


def _say(recipe: Recipe, plan: Plan) -> None:
    """Prints what will be trained, before a weight is loaded."""
    if recipe.training.process_index == 0:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for line in plan_lines(plan.counts, {"given": recipe.given, "decided": recipe.decided}):
            console.print(line)
