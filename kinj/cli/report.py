"""`kinj report`: what a comparison says, in words, tables, plots and pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinj.cli.options import Json
from kinj.errors import UserError

if TYPE_CHECKING:
    from kinj.report.comparison import Comparison
    from kinj.report.writing import Report

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
    Path | None,
    typer.Option(
        "--output_dir",
        metavar="OUT",
        help="Where the report goes: report.html and what it leads to.",
        show_default=False,
    ),
]
Pack = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.jsonl.gz", show_default=False,
        help="The numbers by question and cell, without a text: `kinj report FILE` gives the same report of them, "
        "`kinj leaderboard FILE` the same board.",
    ),
]  # fmt: skip
Against = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="OLD", show_default=False,
        help="What became better or worse since OLD (folders, results or packs), cell by cell. Exit code 1 if anything "
        "became worse, 3 if a cell of OLD is not there any more or none could be compared.",
    ),
]  # fmt: skip
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
        min=0.1,
        show_default=False,
        help="Points within which two arms are the same, where no plan says it, and two cells with --against; else 3.",
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
    output_dir: Out = None,
    questions_asked: QuestionsAsked = 10_000,
    prices: PriceFile = None,
    note: Notes = [],  # noqa: B006  # typer reads it and changes nothing
    without_texts: WithoutTexts = False,
    margin: Margin = None,
    pack: Pack = None,
    against: Against = None,
    as_json: Json = False,
) -> None:
    """Say which arm is better on which task, by how much, how surely, and at what cost.

    Writes one HTML page that opens anywhere without a network, pages of questions beside it, and the same numbers as
    Markdown, JSON, CSV and LaTeX. Several folders are one report, and one family of comparisons. Where there is no
    plan, the page begins with what was assumed.

    Example: `kinj report out --output_dir report --questions-asked 50000` · `kinj report results/ --output_dir report`
    · `kinj report out --pack out.jsonl.gz` · `kinj report new --against old`
    """
    from kinj.report.comparison import declares_margin, read_comparison
    from kinj.report.exchange.pack import refuse_name

    if output_dir is None and pack is None and against is None:
        raise UserError("--output_dir: name the folder of the report; or --pack FILE, or --against OLD")
    if output_dir is None and (prices is not None or note or without_texts):
        raise UserError("--prices, --note and --without-texts shape a report: name its folder by --output_dir too")
    if pack is not None:
        refuse_name(pack)
    of_changes_alone = against is not None and declares_margin(folders)
    within = None if margin is None or of_changes_alone else margin / 100
    comparison = None
    if output_dir is not None:
        from kinj.report.costs import read_prices
        from kinj.report.writing import make_report, report_json, without_commands, write_report

        found_prices = None if prices is None else read_prices(prices)
        made, found = make_report(folders, found_prices, questions_asked, note, within)
        made = without_commands(made) if without_texts else made
        comparison = found.comparison
        write_report(made, found, folders, output_dir, with_texts=not without_texts)
        if as_json and against is None:
            typer.echo(report_json(made))
        elif not as_json:
            _say(made)
            typer.echo(f"{output_dir / 'report.html'}")
    if pack is not None:
        _pack(folders, comparison or _said(read_comparison(folders, within)), pack)
    if against is not None:
        from kinj.cli.leaderboard import say_changes

        say_changes(folders, against, 3.0 if margin is None else margin, {}, as_json=as_json)


def _say(made: Report) -> None:
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


def _said(comparison: Comparison) -> Comparison:
    """The comparison, after what a report's page would say of what it lacks."""
    if comparison.missing:
        typer.echo(f"unfinished: {len(comparison.missing)} of {comparison.planned} planned cells are missing", err=True)
    for note in comparison.notes:
        typer.echo(note, err=True)
    return comparison


def _pack(folders: list[Path], comparison: Comparison, file: Path) -> None:
    from kinj.report.comparison.packing import pack
    from kinj.report.exchange import READERS, write_pack
    from kinj.report.reading import read_runs

    file.parent.mkdir(parents=True, exist_ok=True)
    runs, _ = read_runs(folders, READERS)
    rows = write_pack(file, runs, pack(comparison))
    typer.echo(f"{len(comparison.cells)} cells, {rows} rows, {file.stat().st_size / 1e6:.1f} MB: {file}", err=True)
