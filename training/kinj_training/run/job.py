"""One training: ready to start, begun anew or gone on with, ended in a finished folder."""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import IntervalStrategy, PreTrainedTokenizerBase, PrinterCallback
from trl import (  # type: ignore[attr-defined]  # trl loads its names lazily
    ModelConfig,
    SFTConfig,
    get_peft_config,
    get_quantization_config,
)

from kinj import claims
from kinj.manifest import read_manifest, sha256_json
from kinj_training.base import Base, find_base, load_config
from kinj_training.memory import estimate_memory
from kinj_training.plan import Plan
from kinj_training.recipe.adapters import bare_model
from kinj_training.recipe.libraries import refused_by_libraries
from kinj_training.recipe.recipe import ModelSource
from kinj_training.recipe.settings import Json
from kinj_training.run.accuracy import score_epochs
from kinj_training.run.checkpoints import newest_complete
from kinj_training.run.folder import Start, alone, finished, keep_threads, prepare, publish, wait_until_published
from kinj_training.run.limits import memory
from kinj_training.run.manifest import describe_outcome
from kinj_training.run.probe import refuse_leaking
from kinj_training.run.progress import ShowProgress
from kinj_training.run.requirements import device_name, world_size
from kinj_training.run.saving import Merger, save_final
from kinj_training.run.stopping import StopWhenAsked
from kinj_training.run.trainer import BlockTrainer, CheckpointPolicy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One training: what its recipe says, taken apart, so that the recipe itself goes no further."""

    plan: Plan
    tokenizer: PreTrainedTokenizerBase
    training: SFTConfig
    model: ModelConfig
    #: the settings that a person wrote
    given: Collection[str]
    #: an lm-eval task to score after each epoch, on the dev questions of the collection; None: none
    accuracy_task: str | None
    collection: str
    #: what goes on with it once interrupted
    command: str
    #: what the manifest says of the recipe
    description: Json

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return bool(self.training.process_index == 0)

    @property
    def folder(self) -> Path:
        """What it writes; an earlier run may have begun there."""
        return Path(str(self.training.output_dir))

    def run(self, earlier: Sequence[Json], *, overwrite: bool) -> Json:
        """The manifest of the training, which is done unless it is there already.

        Args:
            earlier: the manifests of the stages before it.
            overwrite: begin anew where another training was begun in its folder.

        Raises:
            UserError: as `train`.
        """
        folder = self.folder
        base = self._find_base()
        key = sha256_json([self.plan.sha256, base.fingerprint])
        start = Start(key, world_size(), torch.get_num_threads(), self.plan.counts["chat_date"], self.command)
        with alone(folder) if self.is_first else nullcontext():
            with self.training.main_process_first(local=False):
                if self.is_first:
                    prepare(folder, start, overwrite=overwrite)
            if (manifest := finished(folder)) is not None:
                log.info("%s: this training is finished", folder)
                return manifest
            keep_threads(folder)
            merger = self._merger(base) if self.model.use_peft else None
            with memory(device_name(self.training.device), lambda: self._estimate(base)):
                trainer = self.make_trainer(base, key)
                _train(trainer, folder, key)
                _refuse_miscount(trainer, self.plan)
                manifest = self._manifest(base, key, describe_outcome(trainer), earlier)
                final = save_final(trainer, merger)
            trainer.free()
            if self.is_first:
                claims.refuse_lost()  # before the scoring, which may take long; `publish` looks again
                if self.accuracy_task is not None:
                    task, counts = self.accuracy_task, self.plan.counts
                    manifest["accuracy"] = score_epochs(folder, counts, task, self.collection, merger)
                publish(final, folder, manifest)
                log.info("%s: finished, %d steps, %d tokens, as planned", folder, self.plan.steps, manifest["tokens"])
            else:
                wait_until_published(folder)
        return read_manifest(folder, "add --overwrite to train anew")

    def make_trainer(self, base: Base, key: str) -> BlockTrainer:
        """The trainer, with the base model loaded; `key` says in its checkpoints whose they are.

        Raises:
            UserError: packed texts would read each other in this model, or the adapter does not fit it.
        """
        adapter = get_peft_config(self.model)
        if adapter is not None:
            config = load_config(self._source(str(base.folder)))
            bare_model(config, adapter, trust_remote_code=self.training.trust_remote_code)
        # As in transformers, 0 or less means that all are kept.
        kept = self.training.save_total_limit if (self.training.save_total_limit or 0) > 0 else None
        plan, flat = self.plan, "flash" in (self.model.attn_implementation or "")
        with refused_by_libraries("the trainer refuses these settings"):
            trainer = BlockTrainer(
                str(base.folder),
                self._settings(),
                plan.blocks,
                plan.held_out,
                self.tokenizer,
                checkpoints=CheckpointPolicy(key, kept),
                flat=flat,
                adapter=adapter,
                quantization=get_quantization_config(self.model),
            )
        is_packed = any(len(block.lengths) > 1 for block in [*plan.blocks, *plan.held_out])
        # The first process has the whole model also where FSDP will share it out, but on a CPU, where flash fails.
        if is_packed and trainer.is_world_process_zero() and not (flat and trainer.is_fsdp_enabled):
            model: Any = trainer.model
            refuse_leaking(model, flat=flat)
        trainer.remove_callback(PrinterCallback)
        return trainer

    def _estimate(self, base: Base) -> int:
        """Bytes of memory that the training takes on each device, without sharding."""
        source, length = self._source(str(base.folder)), self.plan.counts["block_length"]
        return estimate_memory(source, self.training, self.model, length, world_size()).alone

    def _merger(self, base: Base) -> Merger:
        return Merger(base, self.model.dtype, self.training.trust_remote_code, self.plan.blocks[0].input_ids)

    def _find_base(self) -> Base:
        """What the weights start from: for a later stage the folder of the one before, which has ended by now."""
        return find_base(self._source(str(self.model.model_name_or_path)))

    def _source(self, name: str) -> ModelSource:
        return ModelSource(name, self.model.model_revision, self.training.trust_remote_code)

    def _settings(self) -> SFTConfig:
        """TRL's settings, but for what comes ready (rows) and what is done here (checkpoints)."""
        settings = copy.copy(self.training)
        settings.dataset_kwargs = {"skip_prepare_dataset": True}
        settings.max_length = None
        settings.warmup_steps = self.plan.counts["warmup_steps"]
        loading: Any = settings.model_init_kwargs or {}
        settings.model_init_kwargs = {
            "attn_implementation": self.model.attn_implementation,
            "dtype": self.model.dtype,
            "use_safetensors": True,
            **loading,
        }
        settings.logging_nan_inf_filter = False
        settings.disable_tqdm = True
        settings.save_total_limit = None  # the oldest checkpoint goes only once the newest is known to be complete
        if not self.plan.held_out:
            settings.eval_strategy = IntervalStrategy.NO
        elif "eval_strategy" not in self.given:
            settings.eval_strategy = IntervalStrategy.EPOCH
        if "logging_steps" not in self.given:
            # Ten losses or more, of a training of a few steps that of each: TRL's rhythm would keep none of it.
            settings.logging_steps = max(1, min(int(settings.logging_steps), self.plan.steps // 10))
        return settings

    def _manifest(self, base: Base, key: str, outcome: Json, earlier: Sequence[Json]) -> Json:
        return {
            "made_by": "kinj train",
            "training": key,
            "base": {"name": base.name, "fingerprint": base.fingerprint, "commit": base.commit},
            **self.description,
            "data": self.plan.as_data(),
            **outcome,
            "stages": list(earlier),
        }


def _train(trainer: BlockTrainer, folder: Path, key: str) -> None:
    """Trains to the end, from the newest complete checkpoint if there is one."""
    display = ShowProgress(trainer)
    if trainer.is_world_process_zero():
        trainer.add_callback(display)
    trainer.add_callback(StopWhenAsked(trainer))
    try:
        if (newest := newest_complete(folder, key)) is not None:
            checkpoint, completion = newest
            log.info("going on at step %d (%s)", completion.step, checkpoint)
            trainer.resume(checkpoint, completion)
        else:
            with refused_by_libraries("the trainer refuses these settings", ImportError):  # an optimizer's own library
                trainer.train()
        if trainer.eval_dataset is not None and not _evaluated(trainer):
            trainer.evaluate()
    finally:
        display.stop()


def _evaluated(trainer: BlockTrainer) -> bool:
    """Whether the held-out loss of the last step is known."""
    return any("eval_loss" in line and line["step"] == trainer.state.global_step for line in trainer.state.log_history)


def _refuse_miscount(trainer: BlockTrainer, plan: Plan) -> None:
    """Raises `RuntimeError` if the model did not see exactly what the plan says: that would be a mistake of ours."""
    planned, seen = trainer.schedule.token_count(plan.blocks, plan.steps), trainer.token_count()
    if seen != planned or trainer.state.global_step != plan.steps:
        raise RuntimeError(
            f"{seen} in {trainer.state.global_step} steps went through the model, "
            f"planned were {planned} in {plan.steps}"
        )
