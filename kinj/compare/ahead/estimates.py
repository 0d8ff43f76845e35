"""What a comparison takes, before it runs: tokens, seconds, memory, disk, and the smallest difference it could show."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kinj.compare.ahead.settling import is_counted, write_request
from kinj.compare.folder import OutputFolder
from kinj.compare.plan import Keep, Plan
from kinj.compare.processes import PYTHON
from kinj.compare.rates import TRAINING, kind_of, read_rates
from kinj.compare.trainings import Training
from kinj.compare.units import Comparison, Unit
from kinj.errors import UserError
from kinj.records import Json
from kinj.statistics import Prior, smallest_difference

#: Before anything is known of two arms: they answer half of the questions differently.
DISCORDANCE = 0.5


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """A unit's training."""

    unit: Unit
    #: how many, where a grid is searched
    trainings: int
    #: through the model, over all epochs and trainings
    tokens: int
    #: None: not measured
    seconds: float | None
    #: bytes on one device
    memory: int
    #: bytes while it runs, and of what stays
    disk_peak: int
    disk_kept: int
    is_there: bool


@dataclass(frozen=True, slots=True)
class CellsEstimate:
    """Cells that differ in nothing but the seed of their training."""

    model: str
    injection: str
    reading: str
    task: str
    split: str
    num_fewshot: int
    cells: int
    complete: int
    #: of one cell
    questions: int
    #: of those that are missing; None: not measured
    tokens: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Detectable:
    """What the questions of one task could show."""

    key: str
    questions: int
    clusters: int
    #: points, without and with a training in the contrast; at .05 and at Holm's strictest step; 100 or more: none
    without: tuple[float, float]
    trained: tuple[float, float]


def count_questions(comparison: Comparison, out: OutputFolder) -> dict[str, Json]:
    """Questions and clusters by key, read anew where the output folder does not say; that folder is not written.

    Raises:
        UserError: no such task, or one without questions.
    """
    known = out.read_counts()
    if is_counted(comparison, known):
        return known
    with tempfile.TemporaryDirectory(prefix="kinj-compare-") as scratch:
        counts = Path(scratch, "questions.json")
        request = write_request(comparison, [], out, counts, Path(scratch))
        _output([*PYTHON, "kinj_models.questions", str(request)])
        read: dict[str, Json] = json.loads(counts.read_text(encoding="utf-8"))
        return read


def estimate_trainings(comparison: Comparison, out: OutputFolder, keep: Keep) -> list[TrainingEstimate]:
    """Those of all units that train; each recipe is planned once for a model, by `kinj train --dry-run`.

    Raises:
        UserError: what `kinj train` refuses, in its words.
    """
    planned: dict[tuple[str, str], list[Json]] = {}
    estimates = []
    for unit in comparison.units:
        if unit.training is None:
            continue
        place = (unit.model, unit.injection)
        if place not in planned:
            planned[place] = plan_stages(unit.training, unit)
        searched = next((one.training for one in comparison.units if one.id == unit.searcher), None)
        points = _points(unit.training) if searched is None else [_longest(_points(searched))]
        estimates.append(_estimate(unit, points, planned[place], out, keep))
    return estimates


def plan_stages(training: Training, unit: Unit) -> list[Json]:
    """What `kinj train --dry-run` says of each stage of a unit's training.

    Raises:
        UserError: what it refuses, in its words.
    """
    command = [*PYTHON, "kinj.cli", "train", *training.words, "--output_dir", "unused", "--dry-run", "--json"]
    try:
        stages: list[Json] = json.loads(_output(command))["stages"]
    except UserError as error:
        raise UserError(f"{unit}: {error}") from error
    return stages


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise UserError(said[-1].removeprefix("kinj: "))
    return done.stdout


def _points(training: Training) -> list[Json]:
    return [dict(zip(training.grid, values, strict=True)) for values in itertools.product(*training.grid.values())]


def _longest(points: list[Json]) -> Json:
    """Of those of which another unit chooses one, the one that takes most."""
    return max(points, key=lambda point: int(point.get("num_train_epochs", 0)))


def _estimate(unit: Unit, points: list[Json], stages: list[Json], out: OutputFolder, keep: Keep) -> TrainingEstimate:
    tokens = sum(
        int(stage["plan"]["tokens"]) * int(point.get("num_train_epochs", stage["plan"]["epochs"]))
        for stage in stages
        for point in points
    )
    most_epochs = max(int(point.get("num_train_epochs", stages[-1]["plan"]["epochs"])) for point in points)
    disks = [stage["disk"] for stage in stages]
    finished = sum(int(disk["finished"]) for disk in disks) * len(points)
    kept = {
        "all": finished,
        "adapters": sum(int(disk["adapter"] or disk["finished"]) for disk in disks),
        "none": 0,
    }[keep]
    checkpoints = max(int(disk["checkpoint"]) * max(int(disk["checkpoints"]), most_epochs) for disk in disks)
    is_there = out.is_trained(unit) or all(out.is_complete(planned.cell.id) for planned in unit.cells)
    rate = read_rates(unit.weights).get(TRAINING)
    return TrainingEstimate(
        unit=unit,
        trainings=len(points) * len(stages),
        tokens=tokens,
        seconds=0.0 if is_there else None if rate is None else rate[0] * tokens,
        memory=max(int(stage["memory"]["one_device"]) for stage in stages),
        disk_peak=0 if is_there else finished + checkpoints,
        disk_kept=0 if is_there else kept,
        is_there=is_there,
    )


def estimate_cells(comparison: Comparison, out: OutputFolder, counts: dict[str, Json]) -> list[CellsEstimate]:
    """The cells in the plan's order, those of several seeds together."""
    groups: dict[tuple[object, ...], list[tuple[bool, int, tuple[float, float] | None]]] = {}
    for unit in comparison.units:
        rates = read_rates(unit.weights)
        for planned in unit.cells:
            cell = planned.cell
            place = (cell.model, cell.injection, cell.reading, cell.task, cell.split, cell.num_fewshot)
            questions = counts[planned.questions.key]["questions"]
            rate = (0.0, 0.0) if unit.results is not None else rates.get(kind_of(planned))
            groups.setdefault(place, []).append((out.is_complete(cell.id), questions, rate))
    return [_cells_estimate(place, members) for place, members in groups.items()]


def _cells_estimate(
    place: tuple[object, ...], members: list[tuple[bool, int, tuple[float, float] | None]]
) -> CellsEstimate:
    model, injection, reading, task, split, shots = place
    missing = [(questions, rate) for is_there, questions, rate in members if not is_there]
    known = [(questions * rate[0], questions * rate[1]) for questions, rate in missing if rate is not None]
    is_measured = len(known) == len(missing)
    return CellsEstimate(
        model=str(model),
        injection=str(injection),
        reading=str(reading),
        task=str(task),
        split=str(split),
        num_fewshot=int(str(shots)),
        cells=len(members),
        complete=len(members) - len(missing),
        questions=members[0][1],
        tokens=round(sum(tokens for _, tokens in known)) if is_measured else None,
        seconds=sum(seconds for seconds, _ in known) if is_measured else None,
    )


def free_bytes(out: OutputFolder) -> int:
    """Of the disk that the output folder is on, or will be."""
    place = next(path for path in (out.path, *out.path.parents) if path.is_dir())
    return shutil.disk_usage(place).free


def detectable(plan: Plan, comparison: Comparison, counts: dict[str, Json]) -> list[Detectable]:
    """For each task's questions that are judged (the test split's, where there is one)."""
    asked = {planned.questions.key: planned.questions for planned in comparison.cells if planned.cell.role == "main"}
    judged = [key for key, one in asked.items() if one.split in ("", "test") or "test" not in plan.splits]
    strictest = 0.05 / max(1, len(plan.contrasts or ()) * len(plan.models) * len(judged))
    prior = Prior(plan.spread_prior.scale / 100, plan.spread_prior.degrees_of_freedom)
    found = []
    for key in judged:
        questions, clusters = counts[key]["questions"], counts[key]["clusters"]
        if clusters < 2:  # nothing tells how answers vary
            found.append(Detectable(key, questions, clusters, (100.0, 100.0), (100.0, 100.0)))
            continue
        variance = DISCORDANCE / questions
        without = [smallest_difference(variance, clusters, alpha) * 100 for alpha in (0.05, strictest)]
        trained = [
            smallest_difference(variance, clusters, alpha, trainings=len(plan.seeds), prior=prior) * 100
            for alpha in (0.05, strictest)
        ]
        found.append(Detectable(key, questions, clusters, (without[0], without[1]), (trained[0], trained[1])))
    return found
