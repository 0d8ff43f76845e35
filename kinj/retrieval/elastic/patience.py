"""How a request to Elasticsearch may fail, for good or for a while, and waiting for what passes."""

from __future__ import annotations

import logging
import threading
import time

from kinj.errors import UserError

log = logging.getLogger(__name__)

#: Pauses between two tries: the first, doubled each time up to the last.
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 5.0


class PermanentError(UserError):
    """A permanent error: trying again does not change it."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        #: Elasticsearch's own name for it, such as `index_not_found_exception`
        self.kind = kind
        #: of many searches the one that was refused, counted from 0; None: all
        self.search: int | None = None


class TransientError(Exception):  # no `UserError`: it is waited for, and becomes one only when the time is over
    """A transient error: the same request may succeed a moment later."""

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        #: the server has too much to do: asking for less at a time may help
        self.busy = busy


class Patience:
    """Waits between the tries of one piece of work, and ends them when the stated time is over."""

    def __init__(self, address: str, what: str, seconds: float, stopped: threading.Event) -> None:
        self._address = address
        self._what = what
        self._seconds = seconds
        self._stopped = stopped
        self._began: float | None = None
        #: several nodes may fail for several reasons: that of the last try may not be the one that matters
        self._reasons: list[str] = []
        self._failing_since = 0.0
        self._pause = _FIRST_PAUSE

    def wait(self, why: str, *, longer: bool = True) -> None:
        """Sleeps a little, and longer the next time.

        Args:
            why: the reason of the failure, for messages.
            longer: whether the pauses grow; not where the next request asks for less than the last.

        Raises:
            UserError: requests have failed for the stated time, or the work was given up.
        """
        now = time.monotonic()
        if self._began is None:
            self._began = now
        if why not in self._reasons:
            self._reasons = [*self._reasons[-2:], why]
        if not self._failing_since:
            self._failing_since = now
            log.warning(
                "Elasticsearch at %s: %s (%s); trying again for %g s", self._address, why, self._what, self._seconds
            )
        left = self._began + self._seconds - now
        if left <= 0:
            raise UserError(
                f"Elasticsearch at {self._address} did not {self._what} for {now - self._began:.0f} s: "
                f"{'; '.join(self._reasons)}; no part of an answer was used. When it is well again type the same "
                "command: a build goes on where it stopped, an evaluation keeps its answers with --use_cache. "
                "ELASTICSEARCH_WAIT=SECONDS waits longer"
            )
        if self._stopped.wait(min(self._pause, left)):
            raise UserError(f"gave up: {self._what}")
        if longer:
            self._pause = min(2 * self._pause, _LAST_PAUSE)

    def progress(self) -> None:
        """Starts the stated time anew, since some of the work was done."""
        self._began = None
        self._reasons = []
        self._pause = _FIRST_PAUSE

    def over(self) -> None:
        """Says that requests succeed again, where one had failed."""
        if self._failing_since:
            waited = time.monotonic() - self._failing_since
            log.warning("Elasticsearch at %s: went on after %.1f s (%s)", self._address, waited, self._what)
