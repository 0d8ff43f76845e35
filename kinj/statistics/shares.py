"""Shares of questions, and counts that should be even."""

from __future__ import annotations

from collections.abc import Sequence


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share of n independent questions, both ends from 0 to 1 (Wilson 1927).

    `share` times n must be a whole number of questions, up to rounding.
    """
    from scipy import stats  # late: its import takes longer than most commands that only might need it

    interval = stats.binomtest(round(share * n), n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def evenness_p(counts: Sequence[int]) -> float:
    """Chance of counts at least this uneven where all are equally likely (Pearson's chi-square test), 0 to 1."""
    from scipy import stats

    return float(stats.chisquare(counts).pvalue)
