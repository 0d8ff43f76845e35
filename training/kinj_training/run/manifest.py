"""What the manifest of a training says (docs/training.md has each key)."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from kinj_training.recipe.recipe import Recipe
from kinj_training.recipe.settings import Json
from kinj_training.run.accuracy import read_accuracy
from kinj_training.run.requirements import device_name
from kinj_training.run.trainer import BlockTrainer

_LIBRARIES = ("kinj", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors")


def describe_recipe(recipe: Recipe) -> Json:
    """What a training's recipe says, without its stages."""
    data, training = recipe.data, recipe.training
    return {
        "recipe": recipe.name,
        "arm": data.arm,
        "collection": data.collection,
        "split": data.split,
        "given": json.loads(json.dumps(recipe.given, default=str)),
        "settings": {
            "data": asdict(data),
            "training": json.loads(training.to_json_string()),  # type: ignore[no-untyped-call]  # transformers' own
            "model": asdict(recipe.model),
        },
        "seeds": {"seed": training.seed, "data_seed": training.data_seed},
        "precision": "bf16" if training.bf16 else "fp16" if training.fp16 else "float32",
    }


def describe_outcome(trainer: BlockTrainer) -> Json:
    """How a training went, and on what, once it has ended. Every process must ask."""
    count = trainer.token_count()
    return {
        "steps": trainer.state.global_step,
        "tokens": count.tokens,
        "targets": count.targets,
        "losses": _logged(trainer, "loss"),
        "held_out_losses": _logged(trainer, "eval_loss"),
        "accuracy": read_accuracy(Path(str(trainer.args.output_dir))),
        "lora": _lora(trainer.model),
        "processes": trainer.args.world_size,
        "threads": torch.get_num_threads(),
        "device": device_name(trainer.args.device),
        "seconds": round(trainer.seconds, 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }


def _lora(model: Any) -> Json | None:  # Any: a model, with PEFT's attributes where an adapter is trained
    """The adapter's size, its modules as PEFT resolved them; None where the weights themselves are trained."""
    configs = getattr(model, "peft_config", None)
    if not configs:
        return None
    [config] = configs.values()
    modules = config.target_modules
    return {
        "r": config.r,
        "alpha": config.lora_alpha,
        "dropout": config.lora_dropout,
        "target_modules": modules if isinstance(modules, str) else sorted(modules),
    }


def _logged(trainer: BlockTrainer, name: str) -> list[Json]:
    return [
        {"step": line["step"], "epoch": line["epoch"], "loss": line[name]}
        for line in trainer.state.log_history
        if name in line
    ]
