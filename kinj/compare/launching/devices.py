"""How many devices a model's weights are spread over: as the plan says, or as many as hold them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kinj.compare.identity import LOADERS
from kinj.compare.plan import ModelSettings, Plan
from kinj.compare.units import Comparison, Unit
from kinj.errors import UserError
from kinj.hub.find import commit_in_cache, find_model
from kinj.records import Json

#: Of its weights' bytes: what a model takes on its devices beside them, for a prompt's activations and logits.
ROOM = 1.2
#: lm-eval's argument for the number of devices, of engines that split each layer; they divide heads evenly.
_SPLITTING = {"vllm": "tensor_parallel_size", "sglang": "tp_size"}
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def count_devices(plan: Plan, memory: Sequence[int]) -> dict[str, int]:
    """By model, over how many devices its weights are spread; 0: its process takes none, as where a server answers.

    Args:
        plan: whose models.
        memory: bytes of each device that a unit could have; empty: none, or nobody knows.

    Raises:
        UserError: a model names a device although each unit gets its own.
    """
    return {name: _count(name, model, memory) for name, model in plan.models.items()}


def _count(name: str, model: ModelSettings, memory: Sequence[int]) -> int:
    if model.base not in LOADERS or model.device == "cpu":
        return 0
    if memory and model.device is not None and ":" in model.device:
        raise UserError(f"models.{name}.device: {model.device}: units get devices of their own here: leave it out")
    given = model.arguments.get(_SPLITTING.get(model.base, ""), model.devices)
    if given is not None:
        return int(given)
    size = weight_bytes(model)
    return 1 if size is None or not memory else holding(size, min(memory), is_split=model.base in _SPLITTING)


def holding(size: int, memory: int, *, is_split: bool) -> int:
    """How many devices hold weights of that size.

    Args:
        size: bytes of the weights.
        memory: bytes of a device.
        is_split: whether each layer is split over all: then it is a power of two, by which heads can be divided.
    """
    count = max(1, math.ceil(size * ROOM / memory))
    return 2 ** math.ceil(math.log2(count)) if is_split else count


def weight_bytes(model: ModelSettings) -> int | None:
    """Bytes of a model's weights as they are loaded; None where it is not on this machine."""
    if model.pretrained is None:
        return None
    revision = model.revision or "main"
    if not Path(model.pretrained).is_dir() and commit_in_cache(model.pretrained, revision) is None:
        return None
    folder = find_model(model.pretrained, ("config.json",), revision=revision).folder
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kept = _BYTES.get(str(config.get("dtype") or config.get("torch_dtype")))
    loaded = _BYTES.get(str(model.dtype), kept)
    return stored if kept is None or loaded is None else stored * loaded // kept


def spread(plan: Plan, comparison: Comparison, counts: Mapping[str, int]) -> Comparison:
    """The comparison with each model's weights over so many devices; where that is one, or none, as it was."""
    return replace(comparison, units=tuple(_spread(unit, plan, counts[unit.model]) for unit in comparison.units))


def _spread(unit: Unit, plan: Plan, count: int) -> Unit:
    if unit.results is not None:
        return replace(unit, devices=0)
    if count < 2:
        return replace(unit, devices=count)
    base = plan.models[unit.model].base
    added: Json = {_SPLITTING[base]: count} if base in _SPLITTING else {"parallelize": True}
    cells = tuple(replace(planned, model_args=added | planned.model_args) for planned in unit.cells)
    return replace(unit, devices=count, cells=cells, untrained_args=added | unit.untrained_args)


def devices_of(unit: Unit) -> int:
    """How many devices a unit takes while it runs: its model's, or one for each process of its training."""
    return max(unit.devices, unit.training.processes if unit.training is not None and unit.devices else 0)


def main_memory(plan: Plan, comparison: Comparison, trainings: Mapping[str, int]) -> dict[str, int]:
    """By unit's id, bytes of main memory that it takes where all is computed in it; units of unknown size are left out.

    Args:
        plan: whose models.
        comparison: its units.
        trainings: bytes that one process of a unit's training takes, by its id.
    """
    sizes = {name: weight_bytes(model) for name, model in plan.models.items() if model.base in LOADERS}
    taken = {unit.id: round((sizes.get(unit.model) or 0) * ROOM) for unit in comparison.units if unit.results is None}
    for unit in comparison.units:
        if unit.training is not None:
            # Each process holds all of it.
            taken[unit.id] = max(taken[unit.id], trainings.get(unit.id, 0) * unit.training.processes)
    return {unit: size for unit, size in taken.items() if size}


def device_lines(plan: Plan, counts: Mapping[str, int], memory: Sequence[int]) -> Iterator[str]:
    """For a person: which models take several devices, and why."""
    for name, count in counts.items():
        if count < 2:
            continue
        size = weight_bytes(plan.models[name])
        why = "as the plan says"
        if plan.models[name].devices is None and size is not None and memory:
            why = f"its weights take {size / 1e9:.1f} GB, and {ROOM} of that; a device has {min(memory) / 1e9:.1f} GB"
        yield f"{name}: {count} devices a unit: {why}"
