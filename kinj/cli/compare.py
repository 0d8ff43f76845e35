"""`kinj compare`: one plan, every cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.comparing import Asked, do
from kinj.cli.interruption import interruptible
from kinj.cli.train import recipe_files
from kinj.errors import UserError

PlanName = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="A YAML file, or the name of a plan that ships.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option("--output_dir", metavar="OUT", help="The comparison's folder (docs/cells.md).", show_default=False),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan, its trainings and cells, and what they take; stop.")
]
Fetch = Annotated[
    bool,
    typer.Option(
        "--fetch",
        help="Bring models and data sets from the hub, which no run asks then, or say what cannot be had; stop.",
    ),
]
Measure = Annotated[
    bool,
    typer.Option(
        "--measure", help="Take the speed of this machine with the plan's models, minutes each, for --dry-run; stop."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Of --dry-run and --units: print JSON instead of tables.")]
Prepare = Annotated[
    bool,
    typer.Option(
        "--prepare", help="Do what is common to all units: read the questions, retrieve, find the batch sizes; stop."
    ),
]
Units = Annotated[bool, typer.Option("--units", help="List the plan's units with their numbers, done or not; stop.")]
UnitNumber = Annotated[
    int | None,
    typer.Option("--unit", metavar="N", help="Do one unit of a prepared plan, as a scheduler starts it.", min=1),
]
Slurm = Annotated[
    bool,
    typer.Option("--slurm", help="Print a script that does all of it as jobs of Slurm: `bash` submits it; stop."),
]
Finish = Annotated[
    bool,
    typer.Option("--finish", help="After the units: take others' results, say what is missing and what failed; stop."),
]
Jobs = Annotated[
    str | None,
    typer.Option(
        "--jobs",
        metavar="N|auto",
        help="Do N units at once, each with its part of the threads and GPUs of its own; auto: one a GPU. With "
        "--launcher ray on each node. By default one after another, with all there is.",
        show_default=False,
    ),
]
Launcher = Annotated[
    str | None,
    typer.Option(
        "--launcher",
        metavar="ray",
        help="Do the units on the Ray cluster that RAY_ADDRESS names, or on one started here (docs/scale.md).",
        show_default=False,
    ),
]
ListPlans = Annotated[bool, typer.Option("--list", help="Name the plans that ship, with the files they are in.")]
Show = Annotated[str | None, typer.Option("--show", metavar="NAME", help="Print a plan that ships, to start from.")]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj compare`."""
    app.command("compare")(compare)


def compare(
    plan: PlanName = None,
    *,
    output_dir: Out = None,
    dry_run: DryRun = False,
    fetch: Fetch = False,
    measure: Measure = False,
    prepare: Prepare = False,
    units: Units = False,
    unit: UnitNumber = None,
    finish: Finish = False,
    slurm: Slurm = False,
    jobs: Jobs = None,
    launcher: Launcher = None,
    as_json: AsJson = False,
    list_plans: ListPlans = False,
    show: Show = None,
) -> None:
    """Train what has to be trained, and ask every question in every arm, as a plan says.

    A plan (docs/compare.md) names models, what they are trained on, what they read, and questions. Start with --list,
    --show and --dry-run. Interrupted, the same command goes on where it was. A plan that has grown goes on in its own
    folder. The exit code is 1 while a cell is missing. Then: `kinj report out --output_dir report`.

    Example: `kinj compare smoke --output_dir out --dry-run` · `kinj compare --show smoke > mine.yaml`
    """
    if list_plans or show is not None:
        _print_shipped(show)
        return
    if plan is None:
        raise UserError("name a plan: kinj compare PLAN --output_dir OUT; `kinj compare --list` names those that ship")
    parts = {"--dry-run": dry_run, "--fetch": fetch, "--measure": measure, "--prepare": prepare, "--units": units}
    parts |= {"--unit": unit is not None, "--slurm": slurm, "--finish": finish}
    _refuse_several(
        [name for name, is_asked in parts.items() if is_asked], is_shared=not (jobs is None and launcher is None)
    )
    from kinj.compare.files import find_plan, load_plan

    loaded = load_plan(plan)
    if as_json and not (dry_run or units):
        raise UserError("--json: it is for --dry-run and --units; of a run, OUT holds it all as files (docs/cells.md)")
    if fetch:
        from kinj.compare.ahead.fetching import fetch as fetch_models

        fetch_models(loaded, find_plan(plan).parent, recipe_files())
        typer.echo(f"{plan}: all of it is here; its processes ask no hub from now on")
        return
    if measure:
        from kinj.compare.ahead.measuring import measure as measure_rates

        with interruptible("rates that were measured are kept; type the same command to measure the others"):
            for line in measure_rates(loaded, find_plan(plan).parent, recipe_files()):
                typer.echo(line)
        typer.echo(f"kept for `kinj compare {plan} --output_dir OUT --dry-run`")
        return
    if output_dir is None:
        raise UserError(f"--output_dir: name the folder of the comparison: kinj compare {plan} --output_dir OUT")
    from kinj.compare.ahead.fetching import is_fetched
    from kinj.compare.cells import expand
    from kinj.compare.folder import OutputFolder
    from kinj.compare.foreign import check_foreign

    comparison = expand(loaded, find_plan(plan).parent, recipe_files())
    check_foreign(comparison)
    comparison = replace(comparison, hub_off=is_fetched(loaded))
    out = OutputFolder(output_dir)
    if dry_run:
        from kinj.compare.ahead.dry_run import dry_run as show_what_is_planned

        show_what_is_planned(loaded, comparison, out, as_json=as_json)
        return
    asked = Asked(loaded, plan, comparison, out)
    with interruptible(f"type the same command to go on; what is complete stays in {out.path}"):
        do(
            asked,
            prepare=prepare,
            units=units,
            slurm=slurm,
            unit=unit,
            finish=finish,
            as_json=as_json,
            jobs=jobs,
            launcher=launcher,
        )


def _refuse_several(parts: list[str], *, is_shared: bool) -> None:
    """Returns where one part is asked for at most, and units are shared out in a whole run alone.

    Args:
        parts: the options of those that are asked for.
        is_shared: whether --jobs or --launcher is given.

    Raises:
        UserError: otherwise.
    """
    if len(parts) > 1:
        raise UserError(f"{' and '.join(parts)}: each is one part of a comparison: give one of them at a time")
    if parts and is_shared:
        raise UserError(f"{parts[0]}: --jobs and --launcher are for a whole run: leave them out, or {parts[0]}")


def _print_shipped(name: str | None) -> None:
    """The plan of that name, or all names with their files."""
    from kinj.compare.files import find_plan, shipped_plans

    if name is not None:
        typer.echo(find_plan(name).read_text(encoding="utf-8"), nl=False)
        return
    for plan, file in shipped_plans().items():
        typer.echo(f"{plan:<16}{file}")
