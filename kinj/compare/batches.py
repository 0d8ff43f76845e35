"""How many requests each model computes together: as the plan says, or found once for all of its arms and seeds."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

from kinj.compare.folder import OutputFolder
from kinj.compare.processes import PYTHON, last_line, run_guarded
from kinj.compare.units import Comparison, PlannedCell, Unit
from kinj.errors import UserError
from kinj.manifest import write_whole
from kinj.records import Json

log = logging.getLogger(__name__)

AUTO = "auto"


def find_batch_sizes(comparison: Comparison, out: OutputFolder) -> None:
    """Finds out, where the plan says `auto`, what each model takes of its longest prompt, unless that is known.

    Raises:
        UserError: it failed, with the last line that was said.
    """
    if comparison.batch_size != AUTO:
        return
    known = _read(out)
    models = [model for model in _models(comparison, out) if model["id"] not in known]
    if not models:
        return
    folder = out.path / "batch_sizes"
    folder.mkdir(exist_ok=True)
    request = {"sizes": str(out.batch_sizes), "models": models}
    write_whole(folder / "request.json", json.dumps(request, indent=1, ensure_ascii=False) + "\n")
    command = {"words": [*PYTHON, "kinj_models.asking.batch_size", str(folder / "request.json")], "done": None}
    write_whole(folder / "unit.json", json.dumps({"commands": [command]}, indent=1) + "\n")
    log.info("finding the batch size of %d models on their longest prompts", len(models))
    if code := run_guarded(folder, lambda: None, hub_off=comparison.hub_off):
        raise UserError(f"{last_line(folder / 'log.txt', code)} ({folder / 'log.txt'} has all of it)")


def has_batch_sizes(comparison: Comparison, out: OutputFolder) -> bool:
    """Whether `find_batch_sizes` has nothing to do."""
    return comparison.batch_size != AUTO or {model["id"] for model in _models(comparison, out)} <= set(_read(out))


def batch_size_of(unit: Unit, comparison: Comparison, out: OutputFolder) -> int | str:
    """What a unit begins with."""
    if comparison.batch_size != AUTO:
        return comparison.batch_size
    size: int | str = _read(out)[unit.model_id]["batch_size"]
    return size


def batch_lines(comparison: Comparison, out: OutputFolder) -> Iterator[str]:
    """For a person: what was found, and which units ran out of memory."""
    sizes = _read(out) if comparison.batch_size == AUTO else {}
    for model_id, name in {unit.model_id: unit.model for unit in comparison.units}.items():
        if model_id in sizes:
            found = sizes[model_id]
            why = found.get("because") or f"its longest prompt has {found['longest_prompt']:,} tokens"
            yield f"{name}: asked in batches of {found['batch_size']}: {why}"
    for unit in comparison.units:
        file = out.unit(unit.id) / "batch_size.json"
        if file.is_file():
            told = json.loads(file.read_text(encoding="utf-8"))
            yield f"{unit}: ran out of memory: asked in batches of {told['batch_size']}, not {told['planned']}"


def _read(out: OutputFolder) -> dict[str, Json]:
    sizes: dict[str, Json] = {}
    if out.batch_sizes.is_file():
        sizes = json.loads(out.batch_sizes.read_text(encoding="utf-8"))
    return sizes


def _models(comparison: Comparison, out: OutputFolder) -> list[Json]:
    """Each model with every cell of it whose prompts are its own, asked of the weights before any training."""
    cells: dict[str, dict[tuple[object, ...], Json]] = {}
    for unit in comparison.units:
        for planned in unit.cells if unit.results is None else ():
            told = {**out.cell_object(planned), "model_args": planned.model_args | unit.untrained_args}
            told["model_args"].pop("peft", None)
            cells.setdefault(unit.model_id, {}).setdefault(_prompts_of(planned), told)
    names = {unit.model_id: unit.model for unit in comparison.units}
    return [{"id": model, "name": names[model], "cells": list(of_model.values())} for model, of_model in cells.items()]


def _prompts_of(planned: PlannedCell) -> tuple[object, ...]:
    cell = planned.cell
    return cell.task, cell.split, cell.num_fewshot, cell.limit, cell.reading.removesuffix(", reversed")
