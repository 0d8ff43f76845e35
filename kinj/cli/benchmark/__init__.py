"""`kinj benchmark`: what a benchmark folder holds and lacks, and people's own questions as one."""

from __future__ import annotations

import typer

from kinj.cli.benchmark.check import check
from kinj.cli.benchmark.importing import import_
from kinj.cli.benchmark.review import decide, review
from kinj.cli.benchmark.stats import stats
from kinj.cli.benchmark.task import task


def add_to(app: typer.Typer) -> None:
    """Adds the group `kinj benchmark`."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="Make a benchmark folder of your own questions, check it, look at it (docs/questions.md).",
    )
    group.command("import")(import_)
    group.command("check")(check)
    group.command("stats")(stats)
    group.command("review")(review)
    group.command("decide")(decide)
    group.command("task")(task)
    app.add_typer(group, name="benchmark")
