"""`kinj leaderboard`: anybody's results in one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinj.cli.options import Json
from kinj.errors import UserError

if TYPE_CHECKING:
    from kinj.report.board import Board

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR…",
        help="Folders, searched at any depth, or files: of `lm_eval --output_path`, `kinj compare`, lighteval, inspect "
        "(JSON), Every Eval Ever.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--output_dir", metavar="OUT", help="Where leaderboard.html, .md, .csv and .json go.", show_default=False
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="DIR=LABEL", help="Call what lies below DIR so; may be given several times."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="OLD=NEW", help="Take task OLD for task NEW; may be given several times."),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="[TASK=]METRIC", help="The metric of one task's column, or of all that have it."),
]

_FORMS = ("html", "md", "csv", "json")
#: Files that were not taken, said one by one; the rest is counted.
_MOST_SAID = 20


def add_to(app: typer.Typer) -> None:
    """Adds `kinj leaderboard`."""
    app.command("leaderboard")(leaderboard)


def leaderboard(
    paths: Paths,
    *,
    output_dir: Out = None,
    name: Names = None,
    task: Tasks = None,
    metric: Metrics = None,
    as_json: Json = False,
) -> None:
    """Put anybody's results side by side: models x tasks, with intervals, and ranks only where they are sure.

    Files that cannot be taken are named with the reason; they fail nothing. docs/leaderboard.md says how rows, columns
    and ranks are made.

    Example: `kinj leaderboard results/ --output_dir board --name results/run7=ours`
    """
    from kinj.report.board import as_json as board_as_json
    from kinj.report.board import make_board
    from kinj.report.reading import read_runs

    if output_dir is None and not as_json:
        raise UserError("--output_dir: name the folder of the leaderboard, or ask for --json")
    names = {Path(folder): label for folder, label in _pairs("--name", "DIR=LABEL", name)}
    runs, problems = read_runs(paths)
    if not runs:
        raise UserError("\n".join(["no results that can be read there", *_said(problems)]))
    board = make_board(
        runs, problems, names=names, tasks=dict(_pairs("--task", "OLD=NEW", task)), metrics=_metrics(metric)
    )
    for line in _said(board.problems):
        typer.echo(line, err=True)
    if output_dir is not None:
        _write(board, output_dir)
    if as_json:
        typer.echo(board_as_json(board), nl=False)


def _pairs(option: str, form: str, values: list[str] | None) -> list[tuple[str, str]]:
    pairs = [tuple(part.strip() for part in value.rpartition("=")[::2]) for value in values or ()]
    for value, (left, right) in zip(values or (), pairs, strict=True):
        if not left or not right:
            raise UserError(f"{option} {value}: expected {form}")
    return [(left, right) for left, right in pairs]


def _metrics(values: list[str] | None) -> dict[str, str]:
    """By task, or by "" for all."""
    return {task.strip(): metric.strip() for task, _, metric in (value.rpartition("=") for value in values or ())}


def _said(problems: Iterable[object]) -> list[str]:
    lines = [f"not taken: {problem}" for problem in problems]
    more = len(lines) - _MOST_SAID
    return [*lines[:_MOST_SAID], *([f"not taken: {more} more; all stand in the leaderboard"] if more > 0 else [])]


def _write(board: Board, folder: Path) -> None:
    from kinj.manifest import write_whole
    from kinj.report.board import as_csv, as_html, as_json, as_markdown

    folder.mkdir(parents=True, exist_ok=True)
    for form, text in zip(_FORMS, (as_html(board), as_markdown(board), as_csv(board), as_json(board)), strict=True):
        write_whole(folder / f"leaderboard.{form}", text)
    typer.echo(f"{len(board.lines)} models, {len(board.columns)} tasks: {folder / 'leaderboard.html'}")
