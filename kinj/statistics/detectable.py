"""The smallest difference between two arms that so many questions, clusters and trainings could show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: of the draws in which a difference must be called
POWER = 0.8
_DRAWS = 4000
_KNOTS = 60
#: Of the grid of spreads, in scales of the prior: ends and, below four scales, the widest spacing.
_LEAST, _MOST, _FINE, _SPACING = 0.02, 25.0, 4.0, 1 / 30


@dataclass(frozen=True, slots=True)
class Prior:
    """What is taken for known of the spread between trainings of one recipe: a half-t."""

    #: as a share of 1
    scale: float = 0.03
    degrees_of_freedom: int = 3


def smallest_difference(
    variance: float, clusters: int, alpha: float, *, trainings: int = 0, prior: Prior | None = None, seed: int = 0
) -> float:
    """The difference of two arms' accuracies, as a share of 1, that is called at `alpha` in 80 of 100 comparisons.

    Without a training in the contrast (t_{df, 1-alpha/2} + t_{df, .8}) sqrt(variance), df = clusters - 1. With one, the
    p-value that takes the spread between trainings from its prior and from the trainings at hand is drawn: sigma from
    the prior, theta = difference + N(0, variance + sigma^2/S), ms = (sigma^2/S + mcs) chi2_{S-1}/(S-1), mcs =
    variance / 4.

    Args:
        variance: of the difference over questions (cluster-robust), as a share of 1, squared.
        clusters: of questions; at least 2.
        alpha: two-sided; under Holm's correction the level of the strictest step.
        trainings: of the recipe in the contrast, S; 0: the contrast has none.
        prior: of the spread between them.
        seed: of the draws.
    """
    from scipy import stats

    df = clusters - 1
    if not trainings:
        return float((stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(POWER, df)) * variance**0.5)
    prior = prior or Prior()
    draw = np.random.default_rng(seed)
    sigma = prior.scale * np.abs(draw.standard_t(prior.degrees_of_freedom, _DRAWS))
    theta = draw.standard_normal(_DRAWS) * np.sqrt(variance + sigma**2 / trainings)
    if trainings == 1:
        needed = _critical(np.array([np.nan]), variance, df, alpha, 1, prior)
    else:
        ms = (sigma**2 / trainings + variance / 4) * draw.chisquare(trainings - 1, _DRAWS) / (trainings - 1)
        # What is needed rises smoothly with what is measured, so a few values stand for all.
        knots = np.geomspace(ms.min(), ms.max(), _KNOTS)
        needed = np.interp(ms, knots, _critical(knots, variance, df, alpha, trainings, prior))

    def is_shown(difference: Array) -> npt.NDArray[np.bool_]:
        return np.atleast_1d((np.abs(difference + theta) >= needed).mean() >= POWER)

    return float(_bisect(is_shown, 1)[0])


def _critical(ms: Array, variance: float, df: int, alpha: float, trainings: int, prior: Prior) -> Array:
    """The mean difference from which on p is at most alpha, for each measured mean square between trainings."""
    from scipy import stats

    grid, spacing = _grid(prior.scale)
    weights = np.tile(stats.t.logpdf(grid / prior.scale, prior.degrees_of_freedom) + np.log(spacing), (len(ms), 1))
    if trainings > 1:
        total = grid**2 / trainings + max(variance / 4, 1e-12)
        weights += stats.chi2.logpdf((trainings - 1) * ms[:, None] / total, trainings - 1) - np.log(total)
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    spread = np.sqrt(variance + grid**2 / trainings)

    def is_called(theta: Array) -> npt.NDArray[np.bool_]:
        p: Array = 2 * (weights * stats.t.sf(theta[:, None] / spread, df)).sum(axis=1)
        return p <= alpha

    return _bisect(is_called, len(ms))


def _grid(scale: float) -> tuple[Array, Array]:
    """Spreads from near 0 to far beyond what a prior of that scale expects, and the spacing at each."""
    fine = np.arange(_LEAST, _FINE, _SPACING)
    grid = scale * np.concatenate([fine, np.geomspace(_FINE, _MOST, 60)])
    return grid, np.gradient(grid)


def _bisect(is_enough: Callable[[Array], npt.NDArray[np.bool_]], count: int) -> Array:
    """For each of so many differences the least that is enough, to a fortieth of a point; 1 where none is."""
    low, high = np.zeros(count), np.ones(count)
    for _ in range(12):
        middle = (low + high) / 2
        enough = is_enough(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
