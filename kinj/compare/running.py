"""Runs a comparison: unit after unit, or side by side, each in processes of its own; nothing is done twice."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from kinj.checkpoint import SEARCH, finished_model
from kinj.claims import STOPPED, Claim, ClaimLostError, Holder, take
from kinj.compare.batches import batch_size_of
from kinj.compare.folder import OutputFolder
from kinj.compare.foreign import take_foreign
from kinj.compare.launching.machine import ALL, Share, SideBySide, run_side_by_side
from kinj.compare.plan import Keep
from kinj.compare.processes import PYTHON, last_line, run_guarded
from kinj.compare.trainings import with_found
from kinj.compare.units import Comparison, Unit
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import write_whole
from kinj.progress import Advance, progress
from kinj.records import Json

log = logging.getLogger(__name__)

_DEATHS = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that was given up."""

    unit: Unit
    #: the last line that its processes said
    reason: str
    log: Path


def run(
    comparison: Comparison, out: OutputFolder, *, keep: Keep = "all", side_by_side: SideBySide | None = None
) -> list[Failure]:
    """The units that failed, after all others were done. The folder is this run's alone, and begun.

    Args:
        comparison: what is to be done, as `retrieve` gave it, and for which `find_batch_sizes` was done.
        out: where.
        keep: what stays of a unit's trained weights once its cells are complete.
        side_by_side: what is shared out to units that run at once; None: one after another, with all there is.

    Raises:
        UserError: a unit takes more devices than there are.
    """
    total, done = len(comparison.cells), sum(out.is_complete(cell.cell.id) for cell in comparison.cells)
    units = in_order(comparison)
    with progress("cells", total, done=done) as advance:

        def do(unit: Unit, share: Share) -> Failure | None:
            if not _takes_processes(unit, comparison, out):
                return _without_processes(unit, comparison, out, advance, keep=keep)
            number = units.index(unit) + 1
            log.info("unit %d of %d: %s: %d cells to do", number, len(units), unit, len(_waiting(unit, out)))
            claim = take(out.unit_to_write(unit.id))
            if isinstance(claim, Holder):
                return _failure(unit, out, f"somebody else is at work on it: {claim}")
            with claim:
                return run_unit(unit, comparison, out, claim, advance, keep=keep, share=share)

        if side_by_side is None:
            ended = [do(unit, ALL) for unit in units]
        else:
            ended = run_side_by_side([unit for unit in units if unit.results is None], side_by_side, do)
            ended += [do(unit, ALL) for unit in units if unit.results is not None]
    return [failure for failure in ended if failure is not None]


def take_results(comparison: Comparison, out: OutputFolder) -> list[Failure]:
    """Takes the cells of somebody else's results that are not there yet; those that cannot be taken."""
    reasons = [(unit, take_foreign(unit, comparison, out)) for unit in comparison.units if unit.results is not None]
    return [_not_taken(unit, reason) for unit, reason in reasons if reason is not None]


def in_order(comparison: Comparison) -> list[Unit]:
    """All units as they are numbered, from 1: those last that are held against cells of the plan's own."""
    return sorted(comparison.units, key=lambda unit: unit.results is not None)


def waits_for(unit: Unit, comparison: Comparison, out: OutputFolder) -> int | None:
    """The number of the unit that has still to choose its training's settings; None: nothing is in its way."""
    if unit.searcher is None or out.is_trained(unit) or out.search_of(unit) is not None:
        return None
    return next(number for number, one in enumerate(in_order(comparison), 1) if one.id == unit.searcher)


def _why_not_yet(number: int, comparison: Comparison, out: OutputFolder) -> str:
    searcher = in_order(comparison)[number - 1]
    if out.is_done(searcher, comparison.general_text):
        return (
            f"the settings that unit {number} chose are lost: bring {out.unit(searcher.id) / SEARCH} back, or remove "
            f"{out.cell(searcher.cells[0].cell.id)}, so that it searches again"
        )
    return f"unit {number} searches the settings of its training, and has to end first"


def run_unit(
    unit: Unit,
    comparison: Comparison,
    out: OutputFolder,
    claim: Claim,
    advance: Advance,
    *,
    keep: Keep,
    share: Share = ALL,
) -> Failure | None:
    """Does one unit; why it was given up, or None.

    Args:
        unit: of the comparison.
        comparison: for which `retrieve` and `find_batch_sizes` were done.
        out: where.
        claim: on the unit's folder, kept alive.
        advance: is told of its cells.
        keep: what stays of its trained weights once its cells are complete.
        share: what it has of this machine.
    """
    if not _takes_processes(unit, comparison, out):
        return _without_processes(unit, comparison, out, advance, keep=keep)
    out.keep_failure(unit, None)  # an earlier one's: killed without a word, this one leaves none
    try:
        failure = _run_processes(unit, comparison, out, claim, advance, share)
    except ClaimLostError as error:
        return _failure(unit, out, str(error))
    out.keep_failure(unit, None if failure is None else failure.reason)
    if failure is None:
        _tidy(unit, out, keep=keep)
    return failure


def _takes_processes(unit: Unit, comparison: Comparison, out: OutputFolder) -> bool:
    return unit.results is None and not out.is_done(unit, comparison.general_text)


def _without_processes(
    unit: Unit, comparison: Comparison, out: OutputFolder, advance: Advance, *, keep: Keep
) -> Failure | None:
    """Takes somebody else's results; of a unit that is done, tidies up where an earlier run was stopped before it."""
    waiting = _waiting(unit, out)
    reason = take_foreign(unit, comparison, out) if waiting else None
    advance(sum(out.is_complete(cell) for cell in waiting), str(unit))
    _tidy(unit, out, keep=keep)
    return None if reason is None else _not_taken(unit, reason)


def _waiting(unit: Unit, out: OutputFolder) -> list[str]:
    return [planned.cell.id for planned in unit.cells if not out.is_complete(planned.cell.id)]


def _not_taken(unit: Unit, reason: str) -> Failure:
    return Failure(unit, reason, Path(str(unit.results)))


def _failure(unit: Unit, out: OutputFolder, reason: str) -> Failure:
    return Failure(unit, reason, out.unit(unit.id) / "log.txt")


def _run_processes(
    unit: Unit, comparison: Comparison, out: OutputFolder, claim: Claim, advance: Advance, share: Share
) -> Failure | None:
    """Raises `ClaimLostError` where the unit was taken over; its processes are gone then."""
    folder = out.unit(unit.id)
    waiting = _waiting(unit, out)
    if (number := waits_for(unit, comparison, out)) is not None:
        return _failure(unit, out, _why_not_yet(number, comparison, out))
    size = batch_size_of(unit, comparison, out)
    out.write_unit(unit, size, comparison.general_text, _commands(unit, out))
    environment = {**claim.environment, **share.environment}
    counted: set[str] = set()

    def count() -> None:
        claim.refuse_lost()
        done = {cell for cell in waiting if cell not in counted and out.is_complete(cell)}
        counted.update(done)
        if done:
            advance(len(done), str(unit))

    for death in range(1, _DEATHS + 1):
        code = run_guarded(
            folder, count, hub_off=comparison.hub_off, environment=environment, watch=share.refuse_stopped
        )
        if not code:
            return None
        reason = last_line(folder / "log.txt", code)
        if code == STOPPED or claim.is_asked_to_stop:
            break
        log.warning("%s: failed, time %d of %d: %s", unit, death, _DEATHS, reason)
    return _failure(unit, out, reason)


def _tidy(unit: Unit, out: OutputFolder, *, keep: Keep) -> None:
    """Keeps a finished training's manifest apart, and removes what is no longer needed of its folder.

    That are the checkpoints from which it could have gone on, each three times as large as its weights.
    """
    if unit.training is None or not out.is_trained(unit):
        return
    folder = out.unit(unit.id)
    write_whole(folder / "training.json", (out.trained_folder(unit) / MANIFEST).read_text(encoding="utf-8"))
    search = out.search_of(unit)
    if search is not None and search != folder / SEARCH:
        write_whole(folder / SEARCH, search.read_text(encoding="utf-8"))
    _leave_chosen(folder / "checkpoint", keep)
    for checkpoint in list(folder.glob("checkpoint/**/checkpoint-*")):
        shutil.rmtree(checkpoint)
    if keep == "adapters":
        for adapter in folder.glob("checkpoint/**/adapter/adapter_config.json"):
            for weights in adapter.parents[1].glob("*.safetensors*"):  # an index too
                weights.unlink()
    if keep == "none":
        # By another name first: half of a folder must not pass for the whole.
        shutil.rmtree((folder / "checkpoint").rename(folder / "checkpoint.part"))


def _leave_chosen(checkpoint: Path, keep: Keep) -> None:
    """Removes what a search has trained but for the chosen one; the losses of all stand in its table."""
    for folder in checkpoint.glob("search/*") if keep != "all" else ():
        if folder != finished_model(checkpoint):
            shutil.rmtree(folder)


def _lacks_weights(folder: Path) -> bool:
    """Whether a finished training's folder has lost one of its weights' files, as where its adapter alone was kept."""
    files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    return any(name.endswith(".safetensors") and not (folder / name).is_file() for name in files)


def _commands(unit: Unit, out: OutputFolder) -> list[Json]:
    folder = out.unit(unit.id)
    evaluate = {"words": [*PYTHON, "kinj_models.evaluate", str(folder / "unit.json")], "done": None}
    if unit.training is None:
        return [evaluate]
    found = None if out.searches(unit) else out.found_settings(unit)
    training = unit.training if found is None else with_found(unit.training, found)
    train = {"words": training.command(folder / "checkpoint"), "done": str(out.end_of_training(unit))}
    if out.is_trained(unit) and _lacks_weights(trained := out.trained_folder(unit)):
        return [train, {"words": [*PYTHON, "kinj.cli", "train", str(trained), "--merge"], "done": None}, evaluate]
    return [train, evaluate]
