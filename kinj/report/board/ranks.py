"""Which rows of a column can be told apart: paired differences under Holm's correction, and the ranks they leave.

Theory: STATISTICS of kinj, section 1 (a paired difference with two pseudo-questions, clustered), for all pairs at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinj.report.reading import Answers
from kinj.statistics import ALPHA, FEWEST_CLUSTERS, FEWEST_DIFFERING, holm, wilson_interval
from kinj.statistics.shares import Z_95

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: From this share of the questions in one cluster on, the delete-one jackknife takes the place of linearisation.
LARGEST_CLUSTER = 0.1


@dataclass(frozen=True, slots=True)
class Differences:
    """Of every pair of rows: row minus column of each matrix."""

    #: the plain difference of the means, as shown
    estimate: Matrix
    #: centre and variance of the interval and of p: with two pseudo-questions in each task
    centre: Matrix
    variance: Matrix
    degrees_of_freedom: int
    #: 1 / sum of squared shares of the clusters, which reach over tasks; of one task N^2 / sum of squared sizes
    effective_clusters: float
    #: clusters in which the two differ, or, from `FEWEST_DIFFERING` on, a number that is not above that
    differing: Matrix

    @property
    def p(self) -> Matrix:
        """Two-sided p-values; 1 where there are too few clusters, or too few with a difference, to tell."""
        from scipy import stats

        if self.effective_clusters < FEWEST_CLUSTERS or self.degrees_of_freedom < 1:
            return np.ones_like(self.centre)
        values: Matrix = 2 * stats.t.sf(np.abs(self.centre) / np.sqrt(self.variance), self.degrees_of_freedom)
        return np.where(self.differing >= FEWEST_DIFFERING, values, 1.0)

    def interval(self, row: int, column: int) -> tuple[float, float]:
        """The 95 % interval of one pair's difference of shares, within -1 and 1."""
        from scipy import stats

        half = stats.t.ppf(0.975, max(self.degrees_of_freedom, 1)) * math.sqrt(self.variance[row, column])
        centre = self.centre[row, column]
        return max(-1.0, float(centre - half)), min(1.0, float(centre + half))


def paired_differences(rows: Sequence[Sequence[Answers]], weights: Sequence[float] = (1.0,)) -> Differences:
    """All pairs of rows that answered the same questions of the same tasks.

    A difference is the sum over tasks of weight x mean difference; clusters reach over tasks. V = C/(C-1) sum over
    clusters of (sum over tasks of weight/N x (D - theta n))^2, each task with the pseudo-questions +1 and -1 as
    clusters of their own; degrees of freedom: the original clusters less the tasks. Where a cluster holds over a tenth
    of a task's questions, the delete-one jackknife: V = (C-1)/C sum over clusters of (theta without it - theta)^2.

    Args:
        rows: of each row its answers, a task each, in the order of the weights; keys of a task equal in all rows.
        weights: of the tasks.
    """
    numbers = _joint_clusters(rows[0])
    count, tasks = int(max(one.max() for one in numbers)) + 1, len(weights)
    shape = (len(rows), len(rows))
    residuals = np.zeros((len(rows), count))
    estimate, centre, beside = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    shares = np.zeros(count)
    jackknife = any(largest_share(one) > LARGEST_CLUSTER for one in rows[0])
    by_task: list[Matrix] = []
    for task, weight in enumerate(weights):
        values = np.stack([answers[task].values for answers in rows])
        n, held = values.shape[1], np.bincount(numbers[task], minlength=count).astype(np.float64)
        sums = np.stack([np.bincount(numbers[task], weights=row, minlength=count) for row in values])
        means, with_two = values.mean(axis=1), values.sum(axis=1) / (n + 2)
        residuals += weight * (sums - with_two[:, None] * held) / (n + 2 - (held if jackknife else 0))
        estimate += weight * (means[:, None] - means)
        difference = with_two[:, None] - with_two
        centre += weight * difference
        beside += (weight / (n + 2 - jackknife)) ** 2 * (2 + 2 * difference**2)
        shares += weight * held / n
        by_task.append(sums.astype(np.float64))
    squares = _squares(residuals)
    clusters = count + 2 * tasks
    factor = (clusters - 1) / clusters if jackknife else clusters / (clusters - 1)
    variance = factor * (squares + beside)
    effective = round(float(shares.sum() ** 2 / (shares**2).sum()), 9)  # 20 alike are 20
    return Differences(estimate, centre, variance, count - tasks, effective, _differing(by_task))


def largest_share(answers: Answers) -> float:
    """The share of the questions that the largest cluster holds."""
    return float(np.unique(answers.clusters, return_counts=True)[1].max() / len(answers.clusters))


def _squares(rows: Matrix) -> Matrix:
    """The squared distance of every two rows."""
    gram = rows @ rows.T
    return np.maximum(np.diag(gram)[:, None] + np.diag(gram) - 2 * gram, 0.0)


def _differing(by_task: Sequence[Matrix]) -> Matrix:
    """For every two rows in how many clusters their sums differ; where these are many, a lower bound.

    The bound is the squared distance over the largest square, of each task, over the number of tasks: quick, and equal
    to the count where each question of one task is a cluster and is right or wrong.
    """
    bound: Matrix = sum((_squares(sums) / max(np.ptp(sums, axis=0).max() ** 2, 1e-12) for sums in by_task),
                        start=np.zeros((len(by_task[0]),) * 2)) / len(by_task)  # fmt: skip
    bound += 1e-6  # which rounding may have taken
    for i in np.flatnonzero((bound < FEWEST_DIFFERING).any(axis=1)):
        differs = np.zeros(by_task[0].shape, dtype=np.bool_)
        for sums in by_task:
            differs |= np.abs(sums - sums[i]) > 1e-9
        bound[i] = differs.sum(axis=1)
    return np.minimum(bound, bound.T)


def unpaired_p(
    scores: Sequence[float], variances: Sequence[float | None], differing_at_least: Matrix | float = math.inf
) -> Matrix:
    """p-values of every pair from each one's own variance, as if they had answered different questions.

    1 where a variance is not known, and where two may differ in fewer than `FEWEST_DIFFERING` questions, which with
    samples tell nothing apart either. Several times less sure than the paired ones.
    """
    from scipy import stats

    values = np.asarray(scores, dtype=np.float64)
    known = np.array([math.inf if one is None else max(one, 1e-12) for one in variances])
    p: Matrix = 2 * stats.norm.sf(np.abs(values[:, None] - values) / np.sqrt(known[:, None] + known))
    sure = np.isfinite(known[:, None] + known) & (np.asarray(differing_at_least) >= FEWEST_DIFFERING - 1e-6)
    return np.where(sure, p, 1.0)


def differing_at_least(shares: Sequence[float], counts: Sequence[float | None]) -> Matrix:
    """In how many questions every two rows differ at least: in so many more the one is right. 0 for unknown counts."""
    values, n = np.asarray(shares), np.array([one or 0.0 for one in counts], dtype=np.float64)
    fewest: Matrix = np.abs(values[:, None] - values) * np.minimum(n[:, None], n)
    return fewest


def question_count(share: float, n: int | None, stderr: float | None) -> float | None:
    """Of how many questions a share is: as said, else as many as right and wrong answers with that error would be."""
    if n is None and stderr and 0 < share < 1:
        return share * (1 - share) / stderr**2 + 1
    return n


def share_variance(share: float, n: int | None, stderr: float | None) -> float | None:
    """The variance of a share without samples; with one success and one failure added it is not 0 at 0 and 1.

    None where nothing gives one, and below `FEWEST_CLUSTERS` questions, which with samples tell nothing apart either.
    """
    count = question_count(share, n, stderr)
    if count is None or count < FEWEST_CLUSTERS:
        return None
    middle = (share * count + 1) / (count + 2)
    return max(middle * (1 - middle) / (count + 2), stderr**2 if stderr is not None else 0.0)


def differing(p: Matrix) -> Flags:
    """Which pairs differ, over all pairs of the symmetric matrix as one family under Holm's correction."""
    above = np.triu_indices(len(p), 1)
    differ = np.zeros(p.shape, dtype=np.bool_)
    differ[above] = holm(p[above]) <= ALPHA
    return differ | differ.T


def rank_ranges(differ: Flags, scores: Sequence[float], *, higher_is_better: bool = True) -> list[tuple[int, int]]:
    """Each row's best and worst possible rank: only rows told apart from it stand before or behind it for sure."""
    values = np.asarray(scores, dtype=np.float64) * (1 if higher_is_better else -1)
    better, worse = values[None, :] > values[:, None], values[None, :] < values[:, None]
    first = 1 + (differ & better).sum(axis=1)
    last = len(values) - (differ & worse).sum(axis=1)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def mean_interval(answers: Sequence[Answers], weights: Sequence[float] = (1.0,)) -> tuple[float, float]:
    """95 % interval of one row's weighted mean over tasks, values from 0 to 1; clusters reach over tasks.

    Wilson's interval with the effective number of questions of section 2; of one task it is `clustered_interval`.
    """
    from scipy import stats

    numbers = _joint_clusters(answers)
    count = int(max(one.max() for one in numbers)) + 1
    freedom = count - len(weights)
    if freedom < 1:
        return 0.0, 1.0
    mean, residuals, n = 0.0, np.zeros(count), sum(len(one.values) for one in answers)
    for number, one, weight in zip(numbers, answers, weights, strict=True):
        own = float(one.values.mean())
        mean += weight * own
        residuals += np.bincount(number, weights=one.values - own, minlength=count) * weight / len(one.values)
    variance = float((residuals**2).sum()) * count / (count - 1)
    mean = min(max(mean, 0.0), 1.0)
    if mean * (1 - mean) <= 0 and variance > 1e-12:  # values below 0 or above 1: no share
        return 0.0, 1.0
    effective = count if variance <= 1e-12 else min(mean * (1 - mean) / variance, n)
    return wilson_interval(mean, effective * (Z_95 / float(stats.t.ppf(0.975, freedom))) ** 2)


def _joint_clusters(answers: Sequence[Answers]) -> list[npt.NDArray[np.int64]]:
    """Of each task the number of each question's cluster, from 0 over all tasks."""
    together = np.concatenate([one.clusters for one in answers])
    numbers = np.unique(together, return_inverse=True)[1]
    return np.split(numbers, np.cumsum([len(one.clusters) for one in answers])[:-1])
