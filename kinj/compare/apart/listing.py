"""The units of a plan by their numbers, and how far each is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kinj import claims
from kinj.compare.ahead.dry_run import print_whole, table_of
from kinj.compare.folder import OutputFolder
from kinj.compare.running import in_order, waits_for
from kinj.compare.units import Comparison, Unit


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit, and how far it is."""

    #: what --unit takes
    number: int
    #: its folder
    unit: str
    model: str
    injection: str
    seed: int | None
    cells: int
    complete: int
    #: done, at work, failed, or waiting: not begun, or stopped with its work saved
    state: str
    #: who is at work, why it failed, or what it waits for
    why: str = ""
    #: the number of the unit that has to choose its training's settings; None: none has to
    waits_for: int | None = None


#: Slurm's words for a job that is not over.
_NOT_OVER = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED", "REQUEUE_HOLD")


def states(
    comparison: Comparison, out: OutputFolder, jobs: Mapping[str, tuple[str, str]] | None = None
) -> list[UnitState]:
    """Of all units, in the order of their numbers.

    Args:
        comparison: of the plan.
        out: its folder.
        jobs: by a unit's folder, the job of a scheduler that has last had it, and the job's state in its words.
    """
    made = []
    for number, unit in enumerate(in_order(comparison), 1):
        complete = sum(out.is_complete(planned.cell.id) for planned in unit.cells)
        state, why = _state(unit, comparison, out, (jobs or {}).get(unit.id))
        searching = waits_for(unit, comparison, out)
        if state == "waiting" and searching is not None:
            why = "; ".join([*([why] if why else []), f"for unit {searching} to choose its settings"])
        of_plan = (unit.id, unit.model, unit.injection, unit.seed)
        made.append(UnitState(number, *of_plan, len(unit.cells), complete, state, why, searching))
    return made


def show_states(found: list[UnitState], *, as_json: bool) -> None:
    """Prints them: a line each, or one list of objects."""
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))  # noqa: T201
        return
    rows = [
        {
            "unit": str(one.number),
            "folder": one.unit,
            "model": one.model,
            "injection": one.injection,
            "seed": "-" if one.seed is None else str(one.seed),
            "cells": f"{one.complete} of {one.cells}",
            "state": f"{one.state}: {one.why}" if one.why else one.state,
        }
        for one in found
    ]
    print_whole(table_of("units", rows, named=7))


def _state(unit: Unit, comparison: Comparison, out: OutputFolder, job: tuple[str, str] | None) -> tuple[str, str]:
    if out.is_done(unit, comparison.general_text):
        return "done", ""
    folder = out.unit(unit.id)
    if (holder := claims.look(folder)) is not None:
        return "at work", str(holder)
    reason = out.failure(unit)
    if reason is None and (gone := claims.last(folder)) is not None:
        reason = f"its process is gone without a word: {gone}"
    if job is not None and job[1] in _NOT_OVER:
        return "waiting", f"job {job[0]} is {job[1]}"
    if job is not None and job[1] != "COMPLETED":
        return "failed", f"{job[1]}, job {job[0]}" + (f": {reason}" if reason else "")
    return ("waiting", "") if reason is None else ("failed", reason)
