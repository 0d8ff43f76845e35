"""`kinj leaderboard`: anybody's results in one table. `kinj export`: the same results in others' forms."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kinj.cli.options import Json
from kinj.errors import UserError

if TYPE_CHECKING:
    from kinj.report.board import Board, Change
    from kinj.report.reading import Problem, Run

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR…",
        help="Folders, searched at any depth, or files: of `lm_eval --output_path`, `kinj compare`, lighteval, inspect "
        "(JSON), Every Eval Ever, or packs of `kinj export`.",
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
Against = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="OLD",
        help="In place of a leaderboard: what became better or worse since these results, cell by cell. Exit code 1 if "
        "anything became worse, 3 if a cell of OLD is not there any more or none could be compared.",
    ),
]
Margin = Annotated[float, typer.Option(min=0.1, help="With --against: points within which a cell is the same.")]
Pack = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl.gz", help="Numbers by question, without a text; give it to `kinj leaderboard`."),
]
EveryEvalEver = Annotated[
    Path | None, typer.Option("--every-eval-ever", metavar="FOLDER", help="Every Eval Ever's JSON, schema 0.3.0.")
]
WithoutTexts = Annotated[
    bool, typer.Option("--without-texts", help="Of Every Eval Ever the scores alone: no question, prompt or answer.")
]
Organization = Annotated[str, typer.Option(help="Of Every Eval Ever: who evaluated.")]
ModelCards = Annotated[
    bool, typer.Option("--model-cards", help="A README.md with `model-index` beside each checkpoint of `kinj compare`.")
]

_FORMS = ("html", "md", "csv", "json")
#: Files that were not taken, said one by one; the rest is counted.
_MOST_SAID = 20
_WIDTH_OF_LOGS = 200
#: Exit code where cells were lost; 2 is that of what the user can mend.
_LOST = 3


def add_to(app: typer.Typer) -> None:
    """Adds `kinj leaderboard` and `kinj export`."""
    app.command("leaderboard")(leaderboard)
    app.command("export")(export)


def leaderboard(
    paths: Paths,
    *,
    output_dir: Out = None,
    name: Names = None,
    task: Tasks = None,
    metric: Metrics = None,
    against: Against = None,
    margin: Margin = 3.0,
    as_json: Json = False,
) -> None:
    """Put anybody's results side by side: models x tasks, with intervals, and ranks only where they are sure.

    Files that cannot be taken are named with the reason; they fail nothing. docs/leaderboard.md says how rows, columns
    and ranks are made.

    Example: `kinj leaderboard results/ --output_dir board --name results/run7=ours` ·
    `kinj leaderboard new/ --against old/`
    """
    if against is not None and output_dir is not None:
        raise UserError("--output_dir: --against writes no leaderboard; it prints, and with --json prints JSON")
    if output_dir is None and not as_json and against is None:
        raise UserError("--output_dir: name the folder of the leaderboard, or ask for --json")
    from kinj.report.board import as_json as board_as_json
    from kinj.report.board import make_board

    names = {Path(folder): label for folder, label in _pairs("--name", "DIR=LABEL", name)}
    options: dict[str, Any] = {
        "names": names,
        "metrics": _metrics(metric),
    }  # Any: mappings, as `make_columns` takes them
    options["tasks"] = dict(_pairs("--task", "OLD=NEW", task))
    if against is not None:
        say_changes(paths, against, margin, options, as_json=as_json)
        return
    runs, problems = _read(paths)
    board = make_board(runs, problems, **options)
    _say(board.problems)
    if output_dir is not None:
        typer.echo(_write(board, output_dir), err=as_json)
    if as_json:
        typer.echo(board_as_json(board), nl=False)


def export(
    paths: Paths,
    *,
    pack: Pack = None,
    every_eval_ever: EveryEvalEver = None,
    without_texts: WithoutTexts = False,
    organization: Organization = "unknown",
    model_cards: ModelCards = False,
) -> None:
    """Write results in a form that others read, or that can be sent around without its texts.

    Example: `kinj export out --pack out.jsonl.gz` · `kinj export out --every-eval-ever shared`
    """
    from kinj.report.exchange import write_every_eval_ever, write_model_cards, write_pack
    from kinj.report.exchange.pack import refuse_name

    if pack is None and every_eval_ever is None and not model_cards:
        raise UserError("name what to write: --pack FILE, --every-eval-ever FOLDER or --model-cards")
    if pack is not None:
        refuse_name(pack)
    runs, problems = _read(paths)
    _say(problems)
    if pack is not None:
        pack.parent.mkdir(parents=True, exist_ok=True)
        rows = write_pack(pack, runs)
        typer.echo(f"{len(runs)} runs, {rows} answers, {pack.stat().st_size / 1e6:.1f} MB: {pack}")
    if every_eval_ever is not None:
        files = write_every_eval_ever(runs, every_eval_ever, with_texts=not without_texts, organization=organization)
        typer.echo(f"{len(files)} runs: {every_eval_ever / 'data'}")
        others = sorted((every_eval_ever / "data").rglob("*_samples.jsonl")) if without_texts else []
        if others:
            typer.echo(f"texts of earlier exports still lie there: {len(others)} files, {others[0]} first", err=True)
    if model_cards:
        for card in (card for path in paths for card in write_model_cards(path)):
            typer.echo(card)


def _read(paths: Iterable[Path]) -> tuple[list[Run], list[Problem]]:
    """All runs there.

    Raises:
        UserError: none can be read.
    """
    from kinj.report.exchange import READERS
    from kinj.report.reading import read_runs

    runs, problems = read_runs(paths, READERS)
    if not runs:
        raise UserError("\n".join(["no results that can be read there", *_said(problems)]))
    return runs, problems


def say_changes(
    new: list[Path],
    old: list[Path],
    margin: float,
    options: dict[str, Any],  # Any: as `leaderboard` has them
    *,
    as_json: bool,
) -> None:
    """Says what changed.

    Raises:
        typer.Exit: something became worse: exit code 1; else, a cell of the old ones has no number any more, or none
            could be compared: 3.
    """
    from kinj.report.board import WORSE, compare_runs

    (new_runs, problems), (old_runs, more) = _read(new), _read(old)
    _say([*problems, *more])
    changes, alone, claimed = compare_runs(new_runs, old_runs, margin=margin / 100, **options)
    _say(claimed)
    if as_json:
        not_taken = [{"file": one.place, "why": one.why} for one in (*problems, *more, *claimed)]
        values = {"changes": [asdict(change) for change in changes], "alone": [str(one) for one in alone]}
        typer.echo(json.dumps({**values, "not_taken": not_taken}, indent=1))
    else:
        if changes:
            _show(changes, margin)
        for line in alone:
            typer.echo(line)
    if any(change.word == WORSE for change in changes):
        raise typer.Exit(1)
    if not changes or any(one.is_lost for one in alone):
        raise typer.Exit(_LOST)


def _show(changes: Iterable[Change], margin: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, caption_justify="left")
    for head in ("model", "task", "metric", "old", "new", "difference", "95 % interval", "questions", "word"):
        is_name = head in ("model", "task", "metric")
        justify: Literal["left", "right"] = "left" if is_name or head in ("questions", "word") else "right"
        table.add_column(head, justify=justify, overflow="fold", no_wrap=not is_name)
    for one in changes:
        low, high = one.interval
        table.add_row(
            *(part.replace("[", "\\[") for part in (one.model, one.task, one.metric)),
            *(
                f"{one.old:.1%}",
                f"{one.new:.1%}",
                f"{100 * one.difference:+.1f}",
                f"{100 * low:+.1f} to {100 * high:+.1f}",
            ),
            *(f"unpaired, {one.checked}" if one.paired is None else str(one.paired), one.word),
        )
    table.caption = (
        f"points, new - old; the same: within {margin:g} points; better and worse by Holm's correction at 5 %"
    )
    console = Console()
    if not console.is_terminal:  # a log keeps whole names; a terminal folds them
        console.width = max(console.width, _WIDTH_OF_LOGS)
    console.print(table)


def _pairs(option: str, form: str, values: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for value in values or ():
        left, _, right = value.rpartition("=")
        if not left.strip() or not right.strip():
            raise UserError(f"{option} {value}: expected {form}")
        pairs.append((left.strip(), right.strip()))
    return pairs


def _metrics(values: list[str] | None) -> dict[str, str]:
    """By task, or by "" for all."""
    return {task.strip(): metric.strip() for task, _, metric in (value.rpartition("=") for value in values or ())}


def _say(problems: Iterable[Problem]) -> None:
    for line in _said(problems):
        typer.echo(line, err=True)


def _said(problems: Iterable[Problem]) -> list[str]:
    lines = [f"not taken: {problem}" for problem in problems]
    more = len(lines) - _MOST_SAID
    return [*lines[:_MOST_SAID], *([f"not taken: {more} more files or parts of files"] if more > 0 else [])]


def _write(board: Board, folder: Path) -> str:
    """Writes the four files, and says so."""
    from kinj.manifest import write_whole
    from kinj.report.board import as_csv, as_html, as_json, as_markdown

    folder.mkdir(parents=True, exist_ok=True)
    for form, text in zip(_FORMS, (as_html(board), as_markdown(board), as_csv(board), as_json(board)), strict=True):
        write_whole(folder / f"leaderboard.{form}", text)
    page = folder / "leaderboard.html"
    return f"{_count(len(board.lines), 'row')}, {_count(len(board.columns), 'column')}: {page}, also .md, .csv, .json"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
