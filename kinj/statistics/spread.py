"""The spread between trainings of one recipe: what is taken for known of it, and what the trainings at hand add."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Below it a mean square says no more than 0 does.
_FLOOR = 1e-12
#: Of the grid of spreads, in scales of the prior: ends and, below four scales, the widest spacing.
_LEAST, _MOST, _FINE, _SPACING = 0.02, 25.0, 4.0, 1 / 30


@dataclass(frozen=True, slots=True)
class Prior:
    """What is taken for known of the spread between trainings of one recipe: a half-t."""

    #: as a share of 1
    scale: float = 0.03
    degrees_of_freedom: int = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """What is known of the spread between trainings, on a grid."""

    #: spreads as shares of 1, (G,)
    grid: Array
    #: of each, sum 1 in the last axis: (G,), or (worlds, G)
    weights: Array

    def thinned(self, step: int) -> Spread:
        """The same on every `step`-th spread, with the weight of those that follow it."""
        starts = np.arange(0, len(self.grid), step)
        return Spread(self.grid[::step], np.add.reduceat(self.weights, starts, axis=-1))


def spread_between(prior: Prior, trainings: int, between: npt.ArrayLike = 0.0, within: npt.ArrayLike = 0.0) -> Spread:
    """The prior, updated by the mean squares of the trainings at hand; the prior alone where there is one training.

    The weight of a spread s is prior(s) x grid spacing x f(x)/v, with v = s^2/S + within, x = (S-1) between / v and f
    the chi-square density of S-1 degrees of freedom.

    Args:
        prior: of the spread.
        trainings: S, at least 1.
        between: the mean square between trainings over clusters x trainings; one number or one a world.
        within: that of the interaction of trainings and clusters, in the same unit.
    """
    grid, logs = _prior_on_grid(prior)
    if trainings > 1:
        ms, mcs = (np.maximum(np.asarray(one, dtype=np.float64), _FLOOR)[..., None] for one in (between, within))
        expected = grid**2 / trainings + mcs
        x = (trainings - 1) * ms / expected
        logs = logs + ((trainings - 3) / 2 * np.log(x) - x / 2) - np.log(expected)  # constants go with the sum
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return Spread(grid, weights / weights.sum(axis=-1, keepdims=True))


@cache
def _prior_on_grid(prior: Prior) -> tuple[Array, Array]:
    """Spreads, and the log of each one's weight: of the half-t's density times the grid's spacing, but a constant."""
    fine = np.arange(_LEAST, _FINE, _SPACING)
    scales = np.concatenate([fine, np.geomspace(_FINE, _MOST, 60)])
    nu = prior.degrees_of_freedom
    return prior.scale * scales, -(nu + 1) / 2 * np.log1p(scales**2 / nu) + np.log(np.gradient(scales))


def two_sided_p(distance: npt.ArrayLike, variance: float, df: float, spread: Spread | None, trainings: int) -> Array:
    """Two-sided p of a mean that lies so far from what is supposed, Student's t averaged over the spread.

    Args:
        distance: any shape; with weights of several worlds, one a world.
        variance: over questions, cluster-robust.
        df: degrees of freedom.
        spread: None: no training is in it.
        trainings: S.
    """
    from scipy import special

    far = np.abs(np.asarray(distance, dtype=np.float64))
    if spread is None:
        p: Array = 2 * special.stdtr(df, -far / np.sqrt(variance))
        return p
    deviations = np.sqrt(variance + spread.grid**2 / trainings)
    p = 2 * (spread.weights * special.stdtr(df, -far[..., None] / deviations)).sum(axis=-1)
    return p
