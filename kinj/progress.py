"""How far a long step is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

#: A step that ends sooner shows nothing.
_QUIET_SECONDS = 2.0
_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(step: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how many more of `total` are done."""
    if sys.stderr.isatty():
        with _bar(step, total) as advance:
            yield advance
    else:
        yield _lines(step, total)


@contextmanager
def _bar(step: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(step, total=total)
    started = time.monotonic()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if not bar.live.is_started and time.monotonic() - started > _QUIET_SECONDS:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()


def _lines(step: str, total: int) -> Callable[[int], None]:
    started = said = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES and done < total:
            said = now
            log.info("%s: %d of %d, about %.0f s left", step, done, total, (now - started) / done * (total - done))

    return advance
