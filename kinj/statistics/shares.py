"""Shares of questions, and counts that should be even."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: of the normal distribution, two-sided 95 %
Z_95 = 1.959963984540054


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """95 % Wilson score interval of a share of n independent questions, both ends from 0 to 1 (Wilson 1927).

    `n` may be an effective number with a fraction, which `scipy.stats.binomtest` does not take.
    """
    middle = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def evenness_p(counts: Sequence[int]) -> float:
    """Chance of counts at least this uneven where all are equally likely (Pearson's chi-square test), 0 to 1."""
    from scipy import stats  # late: its import takes longer than most commands that only might need it

    return float(stats.chisquare(counts).pvalue)
