"""What a run took: seconds and tokens, of several processes added up."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run took; of several processes, added up."""

    #: wall seconds of searching, without opening or building an index
    retrieving_seconds: float = 0.0
    #: wall seconds in which the base answered, without loading it
    scoring_seconds: float = 0.0
    #: see `TokenCount`
    tokens_asked: int = 0
    tokens_computed: int = 0

    def __add__(self, other: Effort) -> Effort:
        ours, theirs = asdict(self), asdict(other)
        return Effort(**{name: ours[name] + theirs[name] for name in ours})


class Stopwatch:
    """Adds up the wall seconds of what runs inside `with stopwatch:`."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._start = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds += time.perf_counter() - self._start

    def take(self) -> float:
        """The seconds since they were last taken."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds
