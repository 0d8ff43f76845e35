"""How fast this machine trains and asks a model: kept of whole runs of one unit at a time, for the next dry run."""

from __future__ import annotations

import json
import platform
from collections.abc import Set
from pathlib import Path

from kinj.cache import cache_folder
from kinj.compare.folder import OutputFolder
from kinj.compare.identity import id_of
from kinj.compare.units import Comparison, PlannedCell, Unit
from kinj.manifest import write_whole
from kinj.records import Json

#: What is measured of a training: seconds a token.
TRAINING = "training"
#: By what is measured: for a cell's kind (seconds, tokens) a question, for `TRAINING` (seconds, 1) a token.
Rates = dict[str, tuple[float, float]]


def kind_of(planned: PlannedCell) -> str:
    """What cells share that take as long a question."""
    cell = planned.cell
    return f"{cell.task}, {cell.num_fewshot} shots, {cell.retriever}, k {cell.k}"


def read_rates(weights: Json) -> Rates:
    """Those known of a model's weights on this machine; empty where nothing was measured."""
    file = _file(weights)
    if not file.is_file():
        return {}
    return {kind: (seconds, tokens) for kind, (seconds, tokens) in json.loads(file.read_text(encoding="utf-8")).items()}


def measured(comparison: Comparison, out: OutputFolder) -> set[str]:
    """The ids of the complete cells, and of the units whose training has ended, whoever did them."""
    trained = {unit.id for unit in comparison.units if unit.results is None and _of_training(out, unit) is not None}
    return trained | set(out.complete())


def keep_rates(comparison: Comparison, out: OutputFolder, before: Set[str]) -> None:
    """Keeps what this run's cells and trainings took, over what was known.

    Args:
        comparison: that was run on this machine, each unit with all of it.
        out: its folder.
        before: what `measured` gave when the run began, which other machines may have done.
    """
    by_model: dict[Path, Rates] = {}
    for unit in comparison.units:
        if unit.results is not None:
            continue
        rates = by_model.setdefault(_file(unit.weights), read_rates(unit.weights))
        for planned in unit.cells:
            if planned.cell.id not in before and out.is_complete(planned.cell.id):
                rates[kind_of(planned)] = _of_cell(out, planned)
        if unit.id not in before and (rate := _of_training(out, unit)) is not None:
            rates[TRAINING] = (rate, 1.0)
    for file, rates in by_model.items():
        _write(file, rates)


def add_rates(weights: Json, rates: Rates) -> None:
    """Keeps rates of a model over what was known."""
    _write(_file(weights), read_rates(weights) | rates)


def _write(file: Path, rates: Rates) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(rates, indent=1) + "\n")


def _of_cell(out: OutputFolder, planned: PlannedCell) -> tuple[float, float]:
    manifest = out.read_cell(planned.cell.id)
    questions = int(manifest["rows"]["questions"])
    return float(manifest["seconds"]) / questions, float(manifest["tokens"] or 0) / questions


def _of_training(out: OutputFolder, unit: Unit) -> float | None:
    """Seconds a token, of a search those of the chosen training; None where none has ended."""
    file = out.unit(unit.id) / "training.json"
    if not file.is_file():
        return None
    manifest = json.loads(file.read_text(encoding="utf-8"))
    return float(manifest["seconds"]) / max(1, int(manifest["tokens"]))


def _file(weights: Json) -> Path:
    return cache_folder("rates", f"{platform.node() or 'unknown'}-{id_of(weights)}.json")
