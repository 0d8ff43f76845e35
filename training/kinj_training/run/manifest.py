"""What the manifest of a training says."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from kinj.manifest import sha256_json
from kinj_training.base import Base
from kinj_training.blocks.block import Block
from kinj_training.plan import Plan
from kinj_training.recipe.recipe import Recipe
from kinj_training.run.accuracy import read_scores
from kinj_training.run.requirements import device_name
from kinj_training.run.trainer import BlockTrainer

_LIBRARIES = ("kinj", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors")

Values = dict[str, Any]  # Any: JSON values


def record(trainer: BlockTrainer, recipe: Recipe, plan: Plan, base: Base, key: str, before: Sequence[Values]) -> Values:
    """Everything that led to the weights, and how it went. Every process must ask.

    Args:
        trainer: after training.
        recipe: of this training.
        plan: of this training.
        base: what it started from.
        key: SHA-256 of all that shapes the training.
        before: the manifests of the stages before it.
    """
    fed = trainer.fed()
    settings: Any = recipe.training  # Any: transformers' methods are not typed throughout
    return {
        "made_by": "kinj train",
        "training": key,
        "base": {"name": base.name, "sha256": base.sha256, "commit": base.commit},
        "data": {"sha256": _sha256(plan.blocks), "held_out_sha256": _sha256(plan.held_out), **plan.counts},
        "arm": recipe.data.arm,
        "steps": trainer.state.global_step,
        "tokens": fed.tokens,
        "targets": fed.targets,
        "losses": _logged(trainer, "loss"),
        "held_out_losses": _logged(trainer, "eval_loss"),
        "accuracy": read_scores(Path(str(settings.output_dir))),
        "given": json.loads(json.dumps(recipe.given, default=str)),
        "settings": {
            "data": asdict(recipe.data),
            "training": json.loads(settings.to_json_string()),
            "model": asdict(recipe.model),
        },
        "seeds": {"seed": settings.seed, "data_seed": settings.data_seed},
        "processes": trainer.args.world_size,
        "threads": torch.get_num_threads(),
        "device": device_name(trainer.args.device),
        "precision": "bf16" if settings.bf16 else "fp16" if settings.fp16 else "float32",
        "seconds": round(trainer.seconds, 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        "stages": list(before),
    }


def _sha256(blocks: Sequence[Block]) -> str:
    return sha256_json([[block.text_ids, block.input_ids, block.labels, block.lengths] for block in blocks])


def _logged(trainer: BlockTrainer, name: str) -> list[Values]:
    return [
        {"step": line["step"], "epoch": line["epoch"], "loss": line[name]}
        for line in trainer.state.log_history
        if name in line
    ]
