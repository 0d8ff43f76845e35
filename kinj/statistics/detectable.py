"""The smallest difference between two arms that so many questions, clusters and trainings could show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kinj.statistics.spread import Array, Prior, Spread, spread_between, two_sided_p

#: of the draws in which a difference must be called
POWER = 0.8
_DRAWS = 4000
_KNOTS = 60


def smallest_difference(
    variance: float,
    clusters: int,
    alpha: float,
    *,
    trainings: int = 0,
    prior: Prior | None = None,
    known: Spread | None = None,
    seed: int = 0,
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
        known: what trainings at hand say of the spread; it is drawn from the prior where there are none.
        seed: of the draws.
    """
    from scipy import stats

    df = clusters - 1
    if not trainings:
        return float((stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(POWER, df)) * variance**0.5)
    prior = prior or Prior()
    draw = np.random.default_rng(seed)
    if known is None:
        sigma = prior.scale * np.abs(draw.standard_t(prior.degrees_of_freedom, _DRAWS))
    else:
        sigma = draw.choice(known.grid, size=_DRAWS, p=known.weights)
    theta = draw.standard_normal(_DRAWS) * np.sqrt(variance + sigma**2 / trainings)
    if trainings == 1:
        needed = _critical(np.array([0.0]), variance, df, alpha, 1, prior)
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
    spread = spread_between(prior, trainings, ms, variance / 4)
    return _bisect(lambda theta: two_sided_p(theta, variance, df, spread, trainings) <= alpha, len(ms))


def _bisect(is_enough: Callable[[Array], npt.NDArray[np.bool_]], count: int) -> Array:
    """For each of so many differences the least that is enough, to a fortieth of a point; 1 where none is."""
    low, high = np.zeros(count), np.ones(count)
    for _ in range(12):
        middle = (low + high) / 2
        enough = is_enough(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
