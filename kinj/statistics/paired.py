"""Two arms on the same questions: the difference, its interval and its p, over clusters and trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kinj.statistics.spread import Array, Prior, Spread, spread_between, two_sided_p

#: A cluster that holds more of the questions than this breaks the ordinary variance: the jackknife is taken.
GIANT = 0.1
#: Of clusters in a group of questions, below which only counts are told.
FEWEST_IN_A_GROUP = 20
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean paired difference of two arms, in shares of 1."""

    #: the plain mean, to be shown
    mean: float
    #: the mean with two pseudo-questions more, +1 and -1, which interval and p are about
    centre: float
    #: of `centre`, cluster-robust, for these trainings
    variance: float
    questions: int
    clusters: int
    #: questions^2 / sum of squared cluster sizes
    effective_clusters: float
    #: clusters in which the arms differ at all
    differing: int
    #: share of the questions that the largest cluster holds
    largest: float
    #: S; 0 where no training is in it; of two arms with trainings of their own, the fewer
    trainings: int
    #: two-sided, about the way of training where there is a training in it
    p: float
    #: 95 %, of the same
    interval: tuple[float, float]
    #: 95 %, of these very trainings
    interval_of_these: tuple[float, float]
    #: mean squares between trainings, and of trainings with clusters, over clusters x trainings; 0 with one training
    between: float = 0.0
    within: float = 0.0
    #: what is known of the spread between trainings; None where no training, or two sets of them, are in it
    spread: Spread | None = field(default=None, repr=False)

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return self.clusters - 1

    @property
    def tipping_point(self) -> float | None:
        """The spread between trainings at which one training's difference would be no more than its own noise.

        None where there is not one training, or its interval holds 0 already.
        """
        from scipy import special

        if self.trainings != 1:
            return None
        squared = (self.centre / special.stdtrit(self.df, 1 - _LEVEL / 2)) ** 2 - self.variance
        return float(squared**0.5) if squared > 0 else None


def paired_difference(
    arm: npt.ArrayLike,
    other: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    prior: Prior | None = None,
    own_trainings: bool = False,
) -> Difference:
    """The mean of arm - other over questions, with the cluster-robust variance and, where trained, a prior's spread.

    Interval and p take two pseudo-questions more, +1 and -1, each a cluster of its own (Agresti & Caffo 2000), without
    which they fail near 0 and 1. The variance equals that of statsmodels' `OLS(d, 1).fit(cov_type="cluster")`. With
    trainings in it, p is averaged over what the spread between them may be; the interval holds the differences of
    p > .05. Where one cluster has more than a tenth of the questions, the delete-one jackknife gives the variance.

    Args:
        arm: scores from 0 to 1, (questions,) or (questions, trainings).
        other: the same of the other arm, questions in the same order; without trainings it has one column, whatever
            the first has.
        clusters: each question's number, from 0 without gaps; at least two clusters.
        prior: of the spread between trainings; None: no training is in the contrast.
        own_trainings: both arms are trained, and their checkpoints differ, also where seeds have equal numbers.

    Raises:
        ValueError: one cluster alone, or numbers of trainings that do not fit.
    """
    labels = np.asarray(clusters)
    one, two = (scores[:, None] if scores.ndim == 1 else scores for scores in map(np.asarray, (arm, other)))
    if own_trainings and prior is not None:
        own = [(scores.shape[1], spread_of(scores, labels, prior).thinned(3)) for scores in (one, two)]
        fewest = min(trainings for trainings, _ in own)
        return _difference(
            one.mean(axis=1) - two.mean(axis=1), labels, fewest, lambda d, v, df: _p_of_two(d, v, df, own)
        )
    if one.shape[1] != two.shape[1] and 1 not in (one.shape[1], two.shape[1]):
        raise ValueError(f"{one.shape[1]} and {two.shape[1]} trainings: the same checkpoints stand on both sides")
    values = one - two
    trainings = values.shape[1]
    if prior is None:
        if trainings > 1:
            raise ValueError("several trainings, and no prior of the spread between them")
        return _difference(values, labels, 0, lambda d, v, df: float(two_sided_p(d, v, df, None, 0)))
    sums, sizes = _two_more(sums_of(values, labels), np.bincount(labels).astype(np.float64))
    _, between, within = mean_squares(residuals_of(sums, sizes))
    spread = spread_between(prior, trainings, between, within)
    return _difference(
        values, labels, trainings, lambda d, v, df: float(two_sided_p(d, v, df, spread, trainings)), spread
    )


def spread_of(scores: npt.ArrayLike, clusters: npt.ArrayLike, prior: Prior) -> Spread:
    """What one arm's trainings say of the spread between them, scores being (questions, trainings)."""
    labels = np.asarray(clusters)
    sums = sums_of(scores, labels)
    _, between, within = mean_squares(residuals_of(sums, np.bincount(labels).astype(np.float64)))
    return spread_between(prior, sums.shape[1], between, within)


def mean_squares(residuals: Array) -> tuple[float, float, float]:
    """V_C, and the mean squares between trainings and of trainings with clusters, both over clusters x trainings.

    Args:
        residuals: of clusters and trainings, (C, S), scaled so that their mean over clusters is a training's deviation.
    """
    clusters, trainings = residuals.shape
    rows, columns = residuals.mean(axis=1), residuals.mean(axis=0)
    variance = float((rows**2).sum() / (clusters * (clusters - 1)))
    if trainings == 1:
        return variance, 0.0, 0.0
    between = float((columns**2).sum() / ((trainings - 1) * trainings))
    rest = ((residuals - rows[:, None] - columns[None]) ** 2).sum()
    within = float(rest / ((clusters - 1) * (trainings - 1) * clusters * trainings))
    return variance, between, within


def residuals_of(sums: Array, sizes: Array) -> Array:
    """What cluster sums, (C, S), are above the mean's, in units of the mean: T of docs/procedures.md."""
    mean = sums.mean(axis=1).sum() / sizes.sum()
    scaled: Array = (sums - mean * sizes[:, None]) * (len(sizes) / sizes.sum())
    return scaled


def sums_of(values: npt.ArrayLike, clusters: npt.NDArray[np.int64]) -> Array:
    """Sums over clusters, (C, S), of values that are (questions,) or (questions, S)."""
    columns = np.asarray(values, dtype=np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    count = int(clusters.max()) + 1
    return np.stack([np.bincount(clusters, weights=column, minlength=count) for column in columns.T], axis=1)


def _difference(
    values: npt.ArrayLike,
    labels: npt.NDArray[np.int64],
    trainings: int,
    p_of: Callable[[float, float, int], float],
    spread: Spread | None = None,
) -> Difference:
    from scipy import special

    sizes = np.bincount(labels).astype(np.float64)
    if len(sizes) < 2:
        raise ValueError("one cluster alone tells nothing of the others")
    sums = sums_of(values, labels)
    with_two, two_sizes = _two_more(sums, sizes)
    centre = float(with_two.mean(axis=1).sum() / two_sizes.sum())
    variance, between, within = mean_squares(residuals_of(with_two, two_sizes))
    largest = float(sizes.max() / sizes.sum())
    if largest > GIANT:
        variance = _jackknife(with_two.mean(axis=1), two_sizes)
    df = len(sizes) - 1
    half = _half_width(lambda distance: p_of(distance, variance, df), variance**0.5)
    limit = 1.0 if np.abs(values).max() <= 1 else 2.0  # a difference of two differences goes to 2
    plain = float(special.stdtrit(df, 1 - _LEVEL / 2)) * variance**0.5
    return Difference(
        mean=float(sums.mean(axis=1).sum() / sizes.sum()),
        centre=centre,
        variance=variance,
        questions=int(sizes.sum()),
        clusters=len(sizes),
        effective_clusters=float(sizes.sum() ** 2 / (sizes**2).sum()),
        differing=int(np.count_nonzero(sums_of(np.abs(values), labels).sum(axis=1))),
        largest=largest,
        trainings=trainings,
        p=p_of(centre, variance, df),
        interval=(max(-limit, centre - half), min(limit, centre + half)),
        interval_of_these=(max(-limit, centre - plain), min(limit, centre + plain)),
        between=between,
        within=within,
        spread=spread,
    )


def _two_more(sums: Array, sizes: Array) -> tuple[Array, Array]:
    """With two pseudo-questions, right in one arm alone, each a cluster of its own."""
    one = np.ones((1, sums.shape[1]))
    return np.concatenate([sums, one, -one]), np.concatenate([sizes, [1.0, 1.0]])


def _jackknife(sums: Array, sizes: Array) -> float:
    """Variance of sum(sums) / sum(sizes) by leaving out one cluster at a time."""
    total, questions, count = sums.sum(), sizes.sum(), len(sizes)
    left = (total - sums) / (questions - sizes)
    return float((count - 1) / count * ((left - total / questions) ** 2).sum())


def _half_width(p_of: Callable[[float], float], scale: float) -> float:
    """The distance at which p is .05."""
    from scipy import optimize

    high = 4 * scale
    while p_of(high) > _LEVEL:
        high *= 2
    return float(optimize.brentq(lambda distance: p_of(distance) - _LEVEL, 0.0, high, xtol=1e-5))


def _p_of_two(distance: float, variance: float, df: int, own: list[tuple[int, Spread]]) -> float:
    """P where each arm has trainings of its own: averaged over both spreads."""
    from scipy import special

    (s1, first), (s2, second) = own
    total = variance + first.grid[:, None] ** 2 / s1 + second.grid[None] ** 2 / s2
    tails = 2 * special.stdtr(df, -abs(distance) / np.sqrt(total))
    return float(first.weights @ tails @ second.weights)
