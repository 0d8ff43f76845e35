"""Questions that are not independent: those about one chunk rise and fall together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinj.statistics.paired import mean_squares, residuals_of, sums_of
from kinj.statistics.shares import Z_95, wilson_interval


def clusters_of(chunk_ids: Sequence[Sequence[str]]) -> npt.NDArray[np.int64]:
    """For each question the number of its cluster, from 0, given the chunks that hold its answer.

    Questions that share a chunk are one cluster, also where a question with several chunks joins two (connected
    parts). A question without a chunk is a cluster of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers = {chunk: i for i, chunk in enumerate(dict.fromkeys(chunk for ids in chunk_ids for chunk in ids))}
    edges = [(i, len(chunk_ids) + numbers[chunk]) for i, ids in enumerate(chunk_ids) for chunk in ids]
    size = len(chunk_ids) + len(numbers)
    rows, columns = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(size, size))
    labels: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1][: len(chunk_ids)]
    return np.unique(labels, return_inverse=True)[1]


def clustered_interval(values: npt.ArrayLike, clusters: npt.ArrayLike) -> tuple[float, float]:
    """95 % interval of the mean of one score a question, each from 0 to 1, where questions come in clusters.

    The cluster-robust variance V of the mean, with that between trainings where there are several, gives an effective
    number of questions, min(p(1-p)/V, N S), or the number of clusters where V is 0. It is shrunk by (1.96/t)^2, t of
    C-1 degrees of freedom or, where trainings differ by more than chance, Satterthwaite's, and Wilson's interval taken
    with it; a simulation among the tests holds its coverage. (0, 1) where there is one cluster.

    Args:
        values: (questions,), or (questions, trainings).
        clusters: each question's number, from 0.
    """
    from scipy import stats

    labels = np.asarray(clusters)
    sums, sizes = sums_of(values, labels), np.bincount(labels).astype(np.float64)
    count, answers = len(sizes), sizes.sum() * sums.shape[1]
    if count < 2:
        return 0.0, 1.0
    mean = float(sums.sum() / answers)
    questions, between, within = mean_squares(residuals_of(sums, sizes))
    variance, df = questions + max(0.0, between - within), count - 1.0
    if between > within:
        df = variance**2 / (questions**2 / (count - 1) + between**2 / (sums.shape[1] - 1))
    effective = count if variance <= 1e-12 else min(mean * (1 - mean) / variance, answers)
    return wilson_interval(mean, effective * (Z_95 / float(stats.t.ppf(0.975, df))) ** 2)
