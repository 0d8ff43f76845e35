"""One unit of a plan, done by a command of its own: re-entrant, never by two at once, stopped with its work saved."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from kinj.claims import STOPPED, Claim, take
from kinj.compare.folder import OutputFolder
from kinj.compare.plan import Keep
from kinj.compare.running import Failure, in_order, run_unit
from kinj.compare.units import Comparison, Unit
from kinj.errors import UserError
from kinj.progress import progress

_SECONDS_BETWEEN_LOOKS, _SECONDS_BETWEEN_LINES = 2.0, 60.0


class _OutOfTimeError(Exception):
    """The unit was asked to stop, and has not in time."""


class _Asked:
    """What a scheduler's signal has asked for."""

    def __init__(self, seconds_to_stop: int | None) -> None:
        self.to_stop = False
        #: that of the unit, once it is held
        self.claim: Claim | None = None
        self._seconds = seconds_to_stop

    def stop(self, *_: int | FrameType | None) -> None:
        """Asks the unit to stop at its next save."""
        self.to_stop = True
        if self.claim is not None:
            self.claim.ask_to_stop()
        if self._seconds is not None:
            signal.alarm(self._seconds)


def find_unit(comparison: Comparison, number: int) -> Unit:
    """The unit of that number.

    Raises:
        UserError: the plan has no such unit.
    """
    units = in_order(comparison)
    if not 1 <= number <= len(units):
        raise UserError(f"--unit {number}: the plan has units 1 to {len(units)}: --units lists them")
    return units[number - 1]


def do_one(
    unit: Unit, comparison: Comparison, out: OutputFolder, *, keep: Keep, seconds_to_stop: int | None = None
) -> tuple[int, Failure | None]:
    """The exit code for it, and why it was given up, or None.

    0: the unit is done, now or before. `STOPPED`: SIGUSR1 asked it to stop, and what it saved is worth going on from.
    1: a cell of it is missing, or its loss. Where somebody else is at work on it, this waits: that one may die.

    Args:
        unit: of the comparison.
        comparison: prepared.
        out: its folder.
        keep: what stays of its trained weights.
        seconds_to_stop: how long a cell or a step may still take once SIGUSR1 has come; None: as long as it takes.

    Raises:
        UserError: this machine cannot write in its folder.
    """
    folder = out.unit_to_write(unit.id)
    with _signals(seconds_to_stop) as asked:
        claim = _wait_for(unit, out, asked)
        if claim is None:
            return STOPPED, None
        with claim, progress("cells", len(unit.cells), done=_complete(unit, out)) as advance:
            asked.claim = claim
            before = _saved(unit, out)
            if asked.to_stop:
                asked.stop()
            failure = None
            try:
                failure = run_unit(unit, comparison, out, claim, advance, keep=keep)
            except _OutOfTimeError:
                pass  # what was saved decides
            except SystemExit:
                out.keep_failure(unit, "ended by SIGTERM")
                raise
            finally:
                signal.alarm(0)
            if out.is_done(unit, comparison.general_text):
                return 0, None
            if asked.to_stop and _saved(unit, out) != before:
                out.keep_failure(unit, None)
                return STOPPED, None
            if asked.to_stop:
                reason = "it was stopped before one cell or checkpoint was saved: give it more time"
                out.keep_failure(unit, reason)
                failure = Failure(unit, reason, folder / "log.txt")
            return 1, failure


def _wait_for(unit: Unit, out: OutputFolder, asked: _Asked) -> Claim | None:
    """The claim on the unit; None: this was asked to stop before it came."""
    said = -_SECONDS_BETWEEN_LINES
    while True:
        claim = take(out.unit(unit.id))
        if isinstance(claim, Claim):
            return claim
        if time.monotonic() - said > _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            typer.echo(f"{unit}: waiting for {claim}, who is at work on it", err=True)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        if asked.to_stop:
            return None


def _complete(unit: Unit, out: OutputFolder) -> int:
    return sum(out.is_complete(planned.cell.id) for planned in unit.cells)


def _saved(unit: Unit, out: OutputFolder) -> object:
    """What of the unit would not be done again."""
    checkpoints = out.unit(unit.id).glob("checkpoint/**/kinj_complete.json")
    return _complete(unit, out), out.is_trained(unit), sorted(map(str, checkpoints))


@contextmanager
def _signals(seconds_to_stop: int | None) -> Iterator[_Asked]:
    """Hears SIGUSR1 as a wish to stop, and ends in order at SIGTERM."""
    asked = _Asked(seconds_to_stop)

    def give_up(*_: int | FrameType | None) -> None:
        raise _OutOfTimeError

    handlers = {
        signal.SIGUSR1: asked.stop,
        signal.SIGALRM: give_up,
        signal.SIGTERM: lambda *_: sys.exit(128 + signal.SIGTERM),
    }
    kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield asked
    finally:
        signal.alarm(0)
        for number, handler in kept.items():
            signal.signal(number, handler)
