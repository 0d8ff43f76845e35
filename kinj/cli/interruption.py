"""Ctrl-C ends a command with one line that says what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Turns an interruption into a line and exit code 130."""
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo(f"\nkinj: interrupted: {advice}", err=True)
        raise typer.Exit(130) from error
