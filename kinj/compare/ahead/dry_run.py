"""What a plan will do, shown before it runs; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from kinj.compare.ahead.estimates import (
    CellsEstimate,
    Detectable,
    TrainingEstimate,
    count_questions,
    detectable,
    estimate_cells,
    estimate_trainings,
    free_bytes,
)
from kinj.compare.ahead.settling import settle
from kinj.compare.files import as_yaml
from kinj.compare.fitting import with_contrasts
from kinj.compare.folder import OutputFolder
from kinj.compare.plan import Plan
from kinj.compare.units import Comparison
from kinj.records import Json

_NOT_MEASURED = "not measured"
#: A difference that only this many points or more can show answers few questions that people have.
_COARSE = 10.0
#: Below, the report withholds the words better and worse.
_LEAST_CLUSTERS = 20


def dry_run(plan: Plan, comparison: Comparison, out: OutputFolder, *, as_json: bool = False) -> None:
    """Prints the plan, its trainings and cells, what they take, and the smallest difference that they could show.

    Raises:
        UserError: a recipe or a task that cannot be, or a folder that holds something else.
    """
    left = out.left_over(comparison) if out.path.is_dir() else []
    counts = count_questions(comparison, out)
    comparison = settle(comparison, counts)
    plan = with_contrasts(plan, comparison)
    trainings = estimate_trainings(comparison, out, plan.keep)
    cells = estimate_cells(comparison, out, counts)
    shown = detectable(plan, comparison, counts)
    totals = _totals(trainings, cells, free_bytes(out))
    if as_json:
        _print_json(plan, trainings, cells, shown, totals, left, comparison)
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]the plan, with every default[/]")
    console.print(as_yaml(plan), markup=False)
    if trainings:
        print_whole(_training_table(trainings))
    print_whole(_cell_table(cells))
    for line in _total_lines(totals, left):
        console.print(line, markup=False)
    for line in (*_detectable_lines(plan, shown), *map(str, comparison.unmeasured)):
        console.print(line, markup=False)


def _totals(trainings: Sequence[TrainingEstimate], cells: Sequence[CellsEstimate], free: int) -> Json:
    known = [one.seconds for one in trainings] + [one.seconds for one in cells]
    kept = sum(one.disk_kept for one in trainings)
    return {
        "cells": sum(one.cells for one in cells),
        "complete": sum(one.complete for one in cells),
        "trainings": sum(one.trainings for one in trainings),
        "trainings_there": sum(one.trainings for one in trainings if one.is_there),
        "seconds": sum(seconds for seconds in known if seconds is not None),
        "not_measured": sum(seconds is None for seconds in known),
        "memory": max((one.memory for one in trainings), default=0),
        # The highest moment: all before it finished, and one that still has its checkpoints.
        "disk": kept + max((one.disk_peak - one.disk_kept for one in trainings), default=0),
        "free": free,
    }


def _training_table(trainings: Sequence[TrainingEstimate]) -> Table:
    rows = [
        {
            "model": one.unit.model,
            "injection": one.unit.injection,
            "seed": str(one.unit.seed),
            "trainings": str(one.trainings),
            "tokens": f"{one.tokens:,}",
            "seconds": _seconds(one.seconds),
            "memory": _bytes(one.memory),
            "disk at most": _bytes(one.disk_peak),
            "kept": _bytes(one.disk_kept),
            "there": "yes" if one.is_there else "no",
        }
        for one in trainings
    ]
    return table_of("trainings", rows, named=3)


def _cell_table(cells: Sequence[CellsEstimate]) -> Table:
    rows = [
        {
            "model": one.model,
            "injection": one.injection,
            "reading": one.reading,
            "task": one.task,
            "split": one.split or "-",
            "shots": str(one.num_fewshot),
            "questions": f"{one.questions:,}",
            "tokens": _NOT_MEASURED if one.tokens is None else f"{one.tokens:,}",
            "seconds": _seconds(one.seconds),
            "there": f"{one.complete} of {one.cells}",
        }
        for one in cells
    ]
    return table_of("cells; tokens and seconds of those that are missing", rows, named=5)


def table_of(title: str, rows: Sequence[dict[str, str]], named: int) -> Table:
    """A line a row. What is the same in all of several rows is said once, in the title; the first `named` are words."""
    names = list(rows[0]) if rows else []
    same = [name for name in names if len(rows) > 1 and len({row[name] for row in rows}) == 1]
    title = " · ".join([title, *(f"{name} {rows[0][name]}" for name in same)])
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", collapse_padding=True, pad_edge=False)
    shown = [name for name in names if name not in same]
    for name in shown:
        table.add_column(name, justify="left" if name in names[:named] else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


def print_whole(table: Table) -> None:
    """As wide as it is, also where the terminal is narrower: a number that is cut tells something else."""
    wide = Console(width=1_000)
    Console(highlight=False, width=Measurement.get(wide, wide.options, table).maximum).print(table)


def _total_lines(totals: Json, left: Sequence[str]) -> Iterable[str]:
    rest = f", and {totals['not_measured']} lines that are {_NOT_MEASURED}" if totals["not_measured"] else ""
    yield (
        f"in all: {totals['cells']} cells, {totals['complete']} complete; {totals['trainings']} trainings, "
        f"{totals['trainings_there']} there; {_seconds(totals['seconds'])} s{rest}"
    )
    if totals["memory"]:
        yield f"memory: {_bytes(totals['memory'])} on one device, for the largest training"
    short = "" if totals["disk"] < totals["free"] else ": NOT ENOUGH"
    yield f"disk: {_bytes(totals['disk'])} at its highest moment, {_bytes(totals['free'])} free{short}"
    if left:
        yield f"left from an earlier plan: {len(left)} cells: {' '.join(left)}"


def _detectable_lines(plan: Plan, shown: Sequence[Detectable]) -> Iterable[str]:
    seeds = f"{len(plan.seeds)} seed{'s' if len(plan.seeds) > 1 else ''}"
    if shown:
        yield (
            "the smallest difference that is shown in 80 of 100 comparisons, if two arms answer half of the questions "
            "differently; in brackets at the strictest step of Holm's correction:"
        )
    trains = any(arm.recipe is not None for arm in plan.injection)
    for one in shown:
        yield (
            f"  {one.key}: {one.questions} questions in {one.clusters} clusters: {_points(one.without)} between ways "
            f"of reading, {_points(one.trained)} where trainings with {seeds} are compared"
        )
        if one.clusters < _LEAST_CLUSTERS:
            yield f"  WARNING: with fewer than {_LEAST_CLUSTERS} clusters the report says neither better nor worse"
        elif (one.trained if trains else one.without)[1] > _COARSE:
            yield "  WARNING: smaller differences stay unseen: ask more questions, or train more seeds"


def _points(pair: tuple[float, float]) -> str:
    plain, strict = (f"{points:.1f}" if points < 100 else "none" for points in pair)
    return f"{plain} ({strict}) points"


def _print_json(
    plan: Plan,
    trainings: Sequence[TrainingEstimate],
    cells: Sequence[CellsEstimate],
    shown: Sequence[Detectable],
    totals: Json,
    left: Sequence[str],
    comparison: Comparison,
) -> None:
    values = {
        "plan": plan.model_dump(mode="json"),
        "trainings": [_training_object(one) for one in trainings],
        "cells": [asdict(one) for one in cells],
        "total": totals,
        "left_over": list(left),
        "smallest_difference_points": [asdict(one) for one in shown],
        "not_measured": [asdict(one) for one in comparison.unmeasured],
    }
    print(json.dumps(values, indent=1, ensure_ascii=False))  # noqa: T201


def _training_object(one: TrainingEstimate) -> Json:
    unit = {"unit": one.unit.id, "model": one.unit.model, "injection": one.unit.injection, "seed": one.unit.seed}
    names = ("trainings", "tokens", "seconds", "memory", "disk_peak", "disk_kept", "is_there")
    return {**unit, **{name: getattr(one, name) for name in names}}


def _seconds(seconds: float | None) -> str:
    return _NOT_MEASURED if seconds is None else f"{seconds:,.0f}"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
