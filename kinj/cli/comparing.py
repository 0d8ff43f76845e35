"""What `kinj compare` does once its plan is read: all of it, or the part that its options name."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinj.claims import STOPPED
from kinj.errors import UserError

if TYPE_CHECKING:
    from kinj.compare.folder import OutputFolder
    from kinj.compare.plan import Plan
    from kinj.compare.running import Failure
    from kinj.compare.units import Comparison


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line asks for."""

    plan: Plan
    #: as it was typed
    name: str
    comparison: Comparison
    out: OutputFolder

    @property
    def full_name(self) -> str:
        """The plan's name, as it reads from every folder."""
        from kinj.compare.identity import full_path

        return full_path(self.name)

    @property
    def command(self) -> str:
        """What has been typed, without the options that say which part of it is to be done."""
        return shlex.join(["kinj", "compare", self.name, "--output_dir", str(self.out.path)])

    def prepared(self) -> Comparison:
        """The comparison, prepared.

        Raises:
            UserError: it is not.
        """
        from kinj.compare.apart.prepared import find_prepared

        return find_prepared(self.comparison, self.out, f"{self.command} --prepare")


def do(
    asked: Asked,
    *,
    prepare: bool,
    units: bool,
    slurm: bool,
    unit: int | None,
    finish: bool,
    as_json: bool,
    jobs: str | None,
    launcher: str | None,
) -> None:
    """Does what the options of these names say; all of it where none is given.

    Raises:
        UserError: no such launcher, unit or number of jobs, or no cluster, or OUT is not prepared.
        typer.Exit: a cell or a loss of what was to be done is missing, or a unit was stopped.
    """
    if units or slurm:
        _list_units(asked, as_script=slurm, as_json=as_json)
    elif unit is not None:
        _do_unit(asked, unit)
    elif finish:
        _finish(asked)
    elif launcher is not None:
        _do_on_cluster(asked, launcher, jobs)
    else:
        _do_all(asked, prepare_only=prepare, jobs=jobs)


def _do_all(asked: Asked, *, prepare_only: bool, jobs: str | None = None) -> None:
    from kinj.compare.ahead.settling import retrieve
    from kinj.compare.apart.prepared import mark_prepared, prepared_before
    from kinj.compare.batches import find_batch_sizes
    from kinj.compare.fitting import with_contrasts
    from kinj.compare.launching.machine import share_out, this_machine
    from kinj.compare.rates import keep_rates, measured
    from kinj.compare.running import run

    side_by_side = None if jobs is None else share_out(jobs)
    memory: Sequence[int] = ()  # one unit has all there is
    if side_by_side is not None:
        memory = side_by_side.machine.memory
    elif prepare_only:  # batch sizes are found here, with the model over devices as its units will have it
        memory = this_machine().memory
    comparison, out = _spread(asked, memory), asked.out
    if prepare_only and (settled := prepared_before(comparison, out)) is not None:  # units may be at work there
        out.write_plan(with_contrasts(asked.plan, settled), settled)  # what changes no cell may have changed
        typer.echo(f"{asked.name}: prepared before; {_so_far(comparison, out)}")
        return
    with out.alone():
        left = out.left_over(comparison)
        out.claim(asked.plan, comparison)
        comparison = retrieve(comparison, out)
        out.begin(with_contrasts(asked.plan, comparison), comparison)
        typer.echo(f"{asked.name}: {_so_far(comparison, out)}; every setting is in {out.path / 'plan.yaml'}", err=True)
        if left:
            typer.echo(f"left from an earlier plan: {len(left)} cells: {' '.join(left)}", err=True)
        find_batch_sizes(comparison, out)
        mark_prepared(comparison, out)
        if prepare_only:
            typer.echo(f"{asked.name}: prepared: --units lists its {len(comparison.units)} units, --unit N does one")
            return
        if side_by_side is not None:
            typer.echo(str(side_by_side), err=True)
        before = measured(comparison, out)
        try:
            failures = run(comparison, out, keep=asked.plan.keep, side_by_side=side_by_side)
        finally:
            if side_by_side is None:  # the others had a part of this machine
                keep_rates(comparison, out, before)
        _report(asked, comparison, out, failures)


def _spread(asked: Asked, memory: Sequence[int]) -> Comparison:
    """The comparison with each model over as many devices as it takes; says where that is more than one.

    Args:
        asked: by the command line.
        memory: bytes of each device that units could have.
    """
    from kinj.compare.launching.devices import count_devices, device_lines, spread

    counts = count_devices(asked.plan, memory)
    for line in device_lines(asked.plan, counts, memory):
        typer.echo(line, err=True)
    return spread(asked.plan, asked.comparison, counts)


def _do_on_cluster(asked: Asked, launcher: str, jobs: str | None) -> None:
    """Prepares here, does the units on a cluster, and reports.

    Raises:
        UserError: no such launcher, no cluster, or a node of it that cannot work in the folder.
        typer.Exit: a cell or a loss is missing: exit code 1.
    """
    if launcher != "ray":
        raise UserError(f"--launcher {launcher}: `ray` is the one there is; for Slurm see --slurm")
    from kinj.compare.ahead.estimates import estimate_trainings
    from kinj.compare.launching.devices import main_memory
    from kinj.compare.launching.machine import share_out
    from kinj.compare.launching.on_cluster import run_on
    from kinj.compare.launching.ray_cluster import joined

    side_by_side = share_out("1" if jobs is None else jobs)
    with joined(side_by_side.machine) as cluster:
        typer.echo(str(cluster), err=True)
        _do_all(asked, prepare_only=True)
        nodes = cluster.check(asked.out.path)
        memory = [size for node in nodes for size in node.memory]
        asked = replace(asked, comparison=_spread(asked, memory))
        words = ["compare", asked.full_name, "--output_dir", str(asked.out.path)]
        comparison, taken = asked.prepared(), {}
        if not cluster.has_devices:
            missing = [one for one in comparison.units if not asked.out.is_done(one, comparison.general_text)]
            trainings = estimate_trainings(replace(comparison, units=tuple(missing)), asked.out, asked.plan.keep)
            taken = main_memory(asked.plan, comparison, {one.unit.id: one.memory for one in trainings})
        run_on(cluster, comparison, asked.out, words, jobs=side_by_side.jobs, memory=taken)
    _finish(asked)


def _list_units(asked: Asked, *, as_script: bool, as_json: bool) -> None:
    """Prints the units, or the script that does them."""
    from kinj.compare.ahead.settling import is_counted, settle
    from kinj.compare.apart.listing import show_states, states
    from kinj.compare.apart.slurm import Command, array_script, job_states
    from kinj.compare.identity import full_path

    comparison, out = asked.comparison, asked.out
    counts = out.read_counts()
    settled = settle(comparison, counts) if is_counted(comparison, counts) else comparison
    found = states(settled, out, job_states(out))
    if not as_script:
        show_states(found, as_json=as_json)
        return
    own = sum(unit.results is None for unit in settled.units)  # others' results are taken at the end
    command = Command(full_path(asked.name), out, Path.cwd())
    typer.echo(array_script(command, asked.plan.slurm, found[:own]), nl=False)


def _do_unit(asked: Asked, number: int) -> None:
    """Does one unit.

    Raises:
        typer.Exit: it stopped, or a cell of it is missing.
    """
    from kinj.compare.apart.one import do_one, find_unit
    from kinj.compare.launching.machine import refuse_too_few, this_machine

    here = this_machine()
    asked = replace(asked, comparison=_spread(asked, here.memory))
    comparison, out = asked.prepared(), asked.out
    unit = find_unit(comparison, number)
    refuse_too_few(unit, here)
    code, failure = do_one(unit, comparison, out, keep=asked.plan.keep, seconds_to_stop=_seconds_to_stop(asked.plan))
    if failure is not None:
        typer.echo(f"failed: {failure.unit}: {failure.reason}\n  log: {failure.log}")
    done = sum(out.is_complete(planned.cell.id) for planned in unit.cells)
    stopped = ", stopped as it was asked to: the same command goes on" if code == STOPPED else ""
    typer.echo(f"unit {number}, {unit}: {done} of {len(unit.cells)} cells are complete{stopped}: {out.path}")
    if code:
        raise typer.Exit(code)


def _seconds_to_stop(plan: Plan) -> int | None:
    """From Slurm's signal on, some time before its limit; None: nobody says."""
    return None if plan.slurm is None else plan.slurm.stop_before - 45


def _finish(asked: Asked) -> None:
    """Takes what is taken last, and reports.

    Raises:
        typer.Exit: a cell or a loss is missing: exit code 1.
    """
    from kinj.compare.apart.listing import states
    from kinj.compare.apart.slurm import job_states
    from kinj.compare.fitting import with_contrasts
    from kinj.compare.running import Failure, in_order, take_results

    comparison, out = asked.prepared(), asked.out
    with out.alone():
        out.remove_scratch()
        out.write_plan(with_contrasts(asked.plan, comparison), comparison)
        failures = take_results(comparison, out)
    for one, unit in zip(states(comparison, out, job_states(out)), in_order(comparison), strict=True):
        if one.state != "done" and unit.results is None:
            reason = one.why if one.state == "failed" else f"{one.state}: {one.why}".removesuffix(": ")
            failures.append(Failure(unit, reason, out.unit(unit.id) / "log.txt"))
    _report(asked, comparison, out, failures)


def _so_far(comparison: Comparison, out: OutputFolder) -> str:
    done = sum(out.is_complete(planned.cell.id) for planned in comparison.cells)
    return f"{done} of {len(comparison.cells)} cells are complete"


def _report(asked: Asked, comparison: Comparison, out: OutputFolder, failures: list[Failure]) -> None:
    """Says what is there, what changed nothing and what failed.

    Raises:
        typer.Exit: a cell or a loss is missing: exit code 1.
    """
    from kinj.compare.batches import batch_lines
    from kinj.compare.prompts import first_prompts
    from kinj.compare.running import in_order
    from kinj.compare.unchanged import find_unchanged

    for line in (*first_prompts(comparison, out), *batch_lines(comparison, out)):
        typer.echo(line)
    complete = [planned.cell for planned in comparison.cells if out.is_complete(planned.cell.id)]
    for one in find_unchanged(complete, out):
        cell = one.cell
        arms = f"{cell.model}, {cell.injection}, {cell.reading}, {cell.task}"
        typer.echo(f"changed nothing: {cell.id} ({arms}): every score is that of {one.same_as}: {one.causes}")
    for one_unmeasured in comparison.unmeasured:
        typer.echo(str(one_unmeasured))
    for failure in failures:
        number = in_order(comparison).index(failure.unit) + 1
        alone = f"{asked.command} --unit {number}" if failure.unit.results is None else "the same `kinj compare`"
        typer.echo(f"failed: {failure.unit}: {failure.reason}\n  log: {failure.log}\n  alone: {alone}")
    typer.echo(f"{_so_far(comparison, out)}: {out.path}")
    if failures or len(complete) < len(comparison.cells):
        raise typer.Exit(1)
