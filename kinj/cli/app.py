"""Puts the commands together, and shows what a person can mend as one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

import typer

from kinj.cli import (
    benchmark,
    chunk,
    compare,
    corpus,
    decide,
    index,
    leaderboard,
    model,
    ready_made,
    report,
    results,
    search,
    train,
    wiki,
    write,
)
from kinj.errors import UserError

#: Each adds its commands to the app. A new command group is a module with such a function, named here.
COMMANDS: tuple[Callable[[typer.Typer], None], ...] = (
    results.add_to,
    model.add_to,
    chunk.add_to,
    corpus.add_to,
    wiki.add_to,
    ready_made.add_to,
    write.add_to,
    benchmark.add_to,
    index.add_to,
    search.add_to,
    train.add_to,
    compare.add_to,
    leaderboard.add_to,
    report.add_to,
    decide.add_to,
)


def build_app() -> typer.Typer:
    """The app with all commands."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Knowledge injection: fine-tune on your texts, retrieve from them, or both? "
        "Makes the folders that `lm_eval --model kinj_rag` reads.",
    )
    for add_to in COMMANDS:
        add_to(app)
    return app


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command line, or `words` in its place. Exit code 2 for what the user can mend, 130 when interrupted."""
    logging.basicConfig(level=logging.WARNING, format="kinj: %(message)s", stream=sys.stderr)
    for package in ("kinj", "kinj_training"):
        logging.getLogger(package).setLevel(logging.INFO)
    app = build_app()
    try:
        app(words)
    except UserError as error:
        _end(str(error))
    except OSError as error:
        _end(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))


def _end(message: str) -> None:
    print(f"kinj: {message}", file=sys.stderr)  # noqa: T201  # a command line speaks by printing
    raise SystemExit(2)
