"""What a recipe asks of this machine, checked before anything is loaded: processes, libraries, devices."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path

import torch
from transformers.integrations.integration_utils import get_available_reporting_integrations
from trl import ModelConfig, SFTConfig  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj_training.base import resolve_name
from kinj_training.recipe.recipe import Recipe


def world_size() -> int:
    """How many processes train together; the launcher says it to each."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def refuse_another_world(num_processes: int | None, recipe: Path) -> None:
    """Returns if as many processes came up as the recipe asks for.

    Raises:
        UserError: another number came up (`accelerate launch --cpu --num_processes 2` silently starts one); or one
            process sees several GPUs, which would train on another batch than planned.
    """
    came_up = world_size()
    if num_processes is not None and came_up != num_processes:
        raise UserError(
            f"num_processes: {num_processes} was asked for, but {came_up} came up: start it with "
            f"`torchrun --nproc_per_node {num_processes} -m kinj_training {recipe}`, or change num_processes"
        )
    if came_up == 1 and torch.cuda.device_count() > 1:
        raise UserError(
            f"one process sees {torch.cuda.device_count()} GPUs: start it with `torchrun --nproc_per_node "
            f"{torch.cuda.device_count()} -m kinj_training {recipe}`, or show it one by CUDA_VISIBLE_DEVICES=0"
        )


def refuse_overlap(recipe: Recipe) -> None:
    """Returns if nothing that the training reads lies in the folder that it writes, where --overwrite deletes.

    Raises:
        UserError: something does, or the folder lies inside the base model's own.
    """
    data, out = recipe.data, Path(str(recipe.training.output_dir)).resolve()
    base = Path(resolve_name(recipe.base)[0]).resolve()
    read = [("model_name_or_path", base), ("the recipe", recipe.path.resolve())]
    named = [("collection", data.collection), ("data", data.data), ("template", data.template)]
    named += [("held_out", name) for name in data.held_out or ()]
    read += [(key, Path(name).expanduser().resolve()) for key, name in named if name is not None]
    for key, path in read:
        if path.exists() and path.is_relative_to(out):
            raise UserError(f"{key}: {path} lies in output_dir, which a training writes: choose another --output_dir")
    if base.is_dir() and out.is_relative_to(base):
        raise UserError(f"output_dir: {out} lies in the base model's folder {base}: choose another --output_dir")


def device_name(device: torch.device) -> str:
    """What the training ran on, for the manifest: the GPU's name, or the processor's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{device.type}: {models[0] if models else platform.processor() or platform.machine()}"


def refuse_unmet(training: SFTConfig, model: ModelConfig) -> None:
    """Returns if the device can do what is asked, and what a training reports to and loads weights with is installed.

    Raises:
        UserError: it is not, or quantised weights are to be trained without an adapter.
    """
    if training.fp16 and training.device.type == "cpu":
        raise UserError("fp16: true: on a CPU this would be float32 arithmetic: take bf16: true, or neither")
    report_to = list(training.report_to or ())
    available: list[str] = get_available_reporting_integrations()  # type: ignore[no-untyped-call]  # transformers' own
    for name in report_to:
        if name not in (*available, "none", "all"):
            raise UserError(
                f"report_to: {name} is not installed: pip install it, or choose among {', '.join(['none', *available])}"
            )
    for key in ("load_in_4bit", "load_in_8bit"):
        if not getattr(model, key):
            continue
        if not model.use_peft:
            raise UserError(f"{key}: quantised weights are not trained themselves: add use_peft: true")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise UserError(f"{key} needs bitsandbytes, which is not installed: pip install bitsandbytes")
