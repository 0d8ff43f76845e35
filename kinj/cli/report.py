"""`kinj report`: what a comparison says, in words, tables, plots and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.options import Json

Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR...",
        help="Folders that `kinj compare` wrote (docs/cells.md), or anybody's results of `lm_eval --log_samples "
        "--output_path`: files, or folders at any depth.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--output_dir",
        metavar="OUT",
        help="Where the report goes: report.html and what it leads to.",
        show_default=False,
    ),
]
QuestionsAsked = Annotated[
    int,
    typer.Option("--questions-asked", min=1, help="Questions that will be asked, for the cost of an arm."),
]
PriceFile = Annotated[
    Path | None,
    typer.Option(
        "--prices", metavar="FILE", show_default=False,
        help="YAML: currency; training and answering (of a million tokens), hour (of the machine), index; models, by "
        "name. Without it costs are in tokens.",
    ),
]  # fmt: skip
Margin = Annotated[
    float | None,
    typer.Option(
        min=0.1, show_default=False, help="Points within which two arms are the same, where no plan says it; else 3."
    ),
]
Notes = Annotated[
    list[str],
    typer.Option(
        "--note", metavar="TEXT", help="Stands with each verdict: what was left out, say.", show_default=False
    ),
]
WithoutTexts = Annotated[
    bool,
    typer.Option("--without-texts", help="No questions, passages, prompts, commands of cells: can be shown around."),
]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj report`."""
    app.command("report")(report)


def report(
    folders: Folders,
    *,
    output_dir: Out,
    questions_asked: QuestionsAsked = 10_000,
    prices: PriceFile = None,
    note: Notes = [],  # noqa: B006  # typer reads it and changes nothing
    without_texts: WithoutTexts = False,
    margin: Margin = None,
    as_json: Json = False,
) -> None:
    """Say which arm is better on which task, by how much, how surely, and at what cost.

    Writes one HTML page that opens anywhere without a network, pages of questions beside it, and the same numbers as
    Markdown, JSON, CSV and LaTeX. Several folders are one report, and one family of comparisons.

    Example: `kinj report out --output_dir report --questions-asked 50000`
    """
    from kinj.report.costs import read_prices
    from kinj.report.writing import make_report, report_json, write_report

    found_prices = None if prices is None else read_prices(prices)
    made, found = make_report(folders, found_prices, questions_asked, note, None if margin is None else margin / 100)
    write_report(made, found, folders, output_dir, with_texts=not without_texts)
    if as_json:
        typer.echo(report_json(made))
        return
    if made.missing is not None:
        typer.echo(f"unfinished: {len(made.missing.rows)} of {made.planned} planned cells are missing")
        for line in made.missing_units:
            typer.echo(f"  {line}")
    for line in made.assumed:
        typer.echo(f"assumed: {line}")
    for block in made.blocks:
        typer.echo(f"{block.model}, {block.task}")
        for line in (*block.recommendation, *block.verdicts, *block.warnings):
            typer.echo(f"  {line}")
    typer.echo(f"{output_dir / 'report.html'}")
