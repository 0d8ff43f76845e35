"""Values out of a JSON file that may hold anything, and whether a score is what its samples give."""

from __future__ import annotations

import math

from kinj.records import Json
from kinj.report.reading.runs import CHECKED, CONTRADICTED, UNCHECKED, Answers

#: Two numbers that are the same but for rounding.
SAME = 1e-6
#: No score is as large; its square is still a number.
_HUGE = 1e100
#: A score may have been rounded by whoever passed it on, to so many digits behind the point at least.
_LEAST_DIGITS = 3


def mapping(value: object) -> Json:
    """A JSON object as it is, and an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> float | None:
    """A finite number of a size that can be squared; None for all else: lm-eval writes `N/A`, and NaN of nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if math.isfinite(as_float) and abs(as_float) < _HUGE else None


def check(score: float, answers: Answers | None) -> tuple[str, float | None]:
    """How far a score is checked, and what its samples give where that is something else."""
    if answers is None:
        return UNCHECKED, None
    mean = float(answers.values.mean())
    digits = len(repr(score).partition(".")[2])
    is_rounded = digits >= _LEAST_DIGITS and abs(mean - score) <= 0.5 * 10**-digits
    return (CHECKED, None) if is_rounded or abs(mean - score) <= SAME * max(1.0, abs(score)) else (CONTRADICTED, mean)
