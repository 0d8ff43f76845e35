"""What is common to all units is done once, before them: a unit started by itself finds it, or says what to run."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version

from kinj.compare.ahead.settling import is_counted, settle
from kinj.compare.batches import has_batch_sizes
from kinj.compare.folder import OutputFolder
from kinj.compare.units import Comparison
from kinj.errors import UserError
from kinj.manifest import sha256_json, write_whole
from kinj.records import Json

_NAME = "prepared.json"


def mark_prepared(comparison: Comparison, out: OutputFolder) -> None:
    """Says that the units of a settled comparison can be done, by this kinj and this Python."""
    write_whole(out.path / _NAME, json.dumps(_mark(comparison), indent=1) + "\n")


def find_prepared(comparison: Comparison, out: OutputFolder, command: str) -> Comparison:
    """The settled comparison, all that its units need being there.

    Args:
        comparison: of the plan.
        out: the folder that was prepared.
        command: what prepares it, for the message.

    Raises:
        UserError: it was not prepared, or for another plan, or by another kinj or Python.
    """
    file = out.path / _NAME
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if told is None:
        raise UserError(f"{out.path} is not prepared (or not seen from {platform.node()}): run first: {command}")
    counts = out.read_counts()
    settled = settle(comparison, counts) if is_counted(comparison, counts) else None
    if settled is None or (mark := _mark(settled))["units"] != told["units"] or not _is_there(settled, out):
        raise UserError(f"{out.path} was prepared for another plan than this is now: run first: {command}")
    for name in ("kinj", "python"):
        if mark[name] != told[name]:
            raise UserError(
                f"{out.path} was prepared by {name} {told[name]}, and {platform.node()} has {mark[name]}: take the "
                f"same environment everywhere, or prepare it again: {command}"
            )
    return settled


def prepared_before(comparison: Comparison, out: OutputFolder) -> Comparison | None:
    """What `find_prepared` gives; None where it is not prepared."""
    try:
        return find_prepared(comparison, out, "")
    except UserError:
        return None


def _is_there(settled: Comparison, out: OutputFolder) -> bool:
    return not out.missing_passes(settled) and has_batch_sizes(settled, out)


def _mark(settled: Comparison) -> Json:
    units = [[unit.id, [planned.cell.id for planned in unit.cells]] for unit in settled.units]
    python = ".".join(platform.python_version_tuple()[:2])
    return {"units": sha256_json(units), "kinj": version("kinj"), "python": python}
