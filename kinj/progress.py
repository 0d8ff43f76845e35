"""How far a long step is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger(__name__)

#: A step that ends sooner shows nothing.
_QUIET_SECONDS = 2.0
_SECONDS_BETWEEN_LINES = 15.0


class Advance(Protocol):
    """Is told what has been done since the last time."""

    def __call__(self, count: int, note: str = "") -> None:
        """`count` more of the total are done; `note` is shown beside them, a speed say."""
        ...


@contextmanager
def progress(step: str, total: int, *, done: int = 0) -> Iterator[Advance]:
    """Shows how far `step` is, and how long the rest may take at the speed so far.

    Args:
        step: what is being done.
        total: how many there are.
        done: how many of them were done before.
    """
    if sys.stderr.isatty():
        with _bar(step, total, done) as advance:
            yield advance
    else:
        yield _lines(step, total, done)


@contextmanager
def _bar(step: str, total: int, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(step, total=total, completed=done, note="")
    started = time.monotonic()

    def advance(count: int, note: str = "") -> None:
        bar.update(task, advance=count, note=note)
        if not bar.live.is_started and time.monotonic() - started > _QUIET_SECONDS:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()


def _lines(step: str, total: int, done: int) -> Advance:
    started = last_line = time.monotonic()
    done_before = done

    def advance(count: int, note: str = "") -> None:
        nonlocal done, last_line
        done += count
        now = time.monotonic()
        if now - last_line >= _SECONDS_BETWEEN_LINES and done_before < done < total:
            last_line = now
            left = (now - started) / (done - done_before) * (total - done)
            log.info("%s: %d of %d, %sabout %s left", step, done, total, f"{note}, " if note else "", _duration(left))

    return advance


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
