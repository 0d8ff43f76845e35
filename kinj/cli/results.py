"""`kinj table` and `kinj demo`: scores side by side."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.options import Json
from kinj.lm_eval_command import run_lm_eval

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="RESULTS…", help="Files or folders of `lm_eval --output_path`.", show_default=False),
]
Metric = Annotated[list[str] | None, typer.Option("--metric", help="Only this metric; may be given several times.")]
Questions = Annotated[int, typer.Option("--questions", "-n", min=1, help="How many questions, drawn by seed 0.")]

_TASK = "kinj_current_events_option"


def add_to(app: typer.Typer) -> None:
    """Adds `kinj table` and `kinj demo`."""
    app.command("table")(table)
    app.command("demo")(demo)


def table(paths: Paths, *, metric: Metric = None, as_json: Json = False) -> None:
    """Show the scores of several runs in one table, with intervals and what retrieval found.

    Example: `kinj table results/closed results/bm25 --metric acc`
    """
    _show(paths, tuple(metric or ()), as_json=as_json)


def demo(*, questions: Questions = 48) -> None:
    """Ask the demo model about events of 2023, closed book and with one retrieved passage, and compare.

    Runs two ordinary `lm_eval` commands, which it prints. Example: `kinj demo`
    """
    with tempfile.TemporaryDirectory(prefix="kinj-demo-") as scratch:
        folders = [Path(scratch, name) for name in ("closed", "bm25")]
        for folder, arguments in zip(folders, ("retriever=none", "retriever=bm25,k=1"), strict=True):
            words = ["--tasks", _TASK, "--model", "kinj_rag", "--model_args", arguments, "--log_samples"]
            _lm_eval([*words, "--metadata", json.dumps({"sample": questions, "seed": 0})], folder)
        typer.echo(
            "\nSmolLM2-135M answers questions on the USA, August to November 2023 (chance: 25 %).\n"
            "`none` answers from memory; `bm25` reads the passage that retrieval found."
        )
        _show(folders, ("acc",), as_json=False)
    typer.echo(
        "Next: your own texts (`kinj index build --help`), a larger model (--model_args pretrained=NAME), README.md."
    )


def _show(paths: Sequence[Path], metrics: tuple[str, ...], *, as_json: bool) -> None:
    from rich.console import Console

    from kinj.report import found_table, read_scores, score_table

    scores = read_scores(paths, metrics)
    if as_json:
        typer.echo(json.dumps([{"interval_95": score.interval, **asdict(score)} for score in scores], indent=2))
        return
    console = Console()
    console.print(score_table(scores))
    if (found := found_table(scores)) is not None:
        console.print(found)


def _lm_eval(arguments: list[str], output: Path) -> None:
    typer.echo(f"$ lm_eval {shlex.join(arguments)}")
    level = {"LMEVAL_LOG_LEVEL": os.environ.get("LMEVAL_LOG_LEVEL", "ERROR")}
    run_lm_eval(arguments, output, level, is_shown=True)
