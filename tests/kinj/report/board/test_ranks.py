"""Ranks over paired differences, held against other libraries and by simulation."""

import numpy as np
import pytest

from kinj.report.board.ranks import (
    differing,
    mean_interval,
    paired_differences,
    rank_ranges,
    share_variance,
    unpaired_p,
)
from kinj.report.reading import Answers
from kinj.statistics import clustered_interval, wilson_interval


def answers(values, clusters=None):
    count = len(values)
    keys = np.arange(count, dtype=np.uint64)
    own = keys if clusters is None else np.asarray(clusters, dtype=np.uint64)
    return Answers(keys, np.asarray(values, dtype=np.float64), own)


def plus_two(difference, clusters):
    """The same by the book: OLS on a constant, standard errors by cluster, with +1 and -1 as further questions."""
    sm = pytest.importorskip("statsmodels.api")

    d = np.append(difference, [1.0, -1.0])
    groups = np.append(clusters, [clusters.max() + 1, clusters.max() + 2])
    fit = sm.OLS(d, np.ones(len(d))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    return float(fit.params[0]), float(fit.bse[0])


@pytest.fixture(scope="module")
def three():
    draw = np.random.default_rng(0)
    clusters = np.repeat(np.arange(50), 3)
    return [(draw.random(150) < share).astype(float) for share in (0.5, 0.6, 0.9)], clusters


def test_every_pair_is_that_of_clustered_least_squares_with_two_pseudo_questions(three):
    values, clusters = three
    found = paired_differences([[answers(one, clusters)] for one in values])
    for i in range(3):
        for j in range(i):
            centre, error = plus_two(values[i] - values[j], clusters)
            assert found.centre[i, j] == pytest.approx(centre, abs=1e-12)
            assert found.variance[i, j] == pytest.approx(error**2, abs=1e-12)
            assert found.estimate[i, j] == pytest.approx(values[i].mean() - values[j].mean())
    assert (found.degrees_of_freedom, found.effective_clusters) == (49, 50)


def test_where_one_cluster_is_large_the_variance_is_the_jackknifes():
    """Against leaving out each cluster by hand, +1 and -1 being clusters too."""
    draw = np.random.default_rng(4)
    clusters = np.concatenate([np.zeros(40), np.arange(1, 61)]).astype(int)
    rows = [(draw.random(100) < share).astype(float) for share in (0.3, 0.6)]
    d = np.append(rows[0] - rows[1], [1, -1])
    groups = np.append(clusters, [61, 62])
    without = np.array([d[groups != cluster].mean() for cluster in range(63)])
    found = paired_differences([[answers(row, clusters)] for row in rows])
    assert found.variance[0, 1] == pytest.approx(62 / 63 * ((without - d.mean()) ** 2).sum())


def test_one_tasks_interval_is_that_of_one_cell(three):
    values, clusters = three
    assert mean_interval([answers(values[0], clusters)]) == pytest.approx(clustered_interval(values[0], clusters))


def test_of_a_mean_over_tasks_equal_clusters_count_once():
    """Two tasks that ask the same questions say no more than one of them."""
    draw = np.random.default_rng(1)
    one, other = [(draw.random(90) < share).astype(float) for share in (0.5, 0.6)]
    single = paired_differences([[answers(one)], [answers(other)]])
    twice = paired_differences([[answers(one)] * 2, [answers(other)] * 2], (0.5, 0.5))
    assert twice.estimate[0, 1] == pytest.approx(single.estimate[0, 1])
    assert twice.variance[0, 1] == pytest.approx(single.variance[0, 1], rel=0.05)
    assert mean_interval([answers(one)] * 2, (0.5, 0.5)) == pytest.approx(mean_interval([answers(one)]), abs=0.01)


def test_below_twenty_clusters_nothing_is_told_apart():
    clusters = np.repeat(np.arange(19), 20)
    found = paired_differences([[answers(np.zeros(380), clusters)], [answers(np.ones(380), clusters)]])
    assert (found.p == 1).all()
    clusters = np.repeat(np.arange(20), 19)
    found = paired_differences([[answers(np.zeros(380), clusters)], [answers(np.ones(380), clusters)]])
    assert found.p[0, 1] < 0.001


@pytest.mark.parametrize("size", [1, 3])
def test_fewer_than_ten_clusters_with_a_difference_tell_nothing(size):
    """However many questions there are: six flips of 300, all one way, have p = .03 by the t alone."""
    clusters = np.repeat(np.arange(300), size)
    rows = [np.zeros(300 * size), *(np.isin(clusters, np.arange(flips)).astype(float) for flips in (9, 10))]
    found = paired_differences([[answers(row, clusters)] for row in rows])
    assert found.p[0, 1] == found.p[1, 0] == 1
    assert found.p[0, 2] < 0.05
    twice = paired_differences([[answers(row, clusters)] * 2 for row in rows], (0.5, 0.5))
    assert twice.p[0, 1] == 1
    assert twice.p[0, 2] < 0.05


def test_holm_is_statsmodels():
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests

    draw = np.random.default_rng(2)
    for _ in range(20):
        p = np.ones((7, 7))
        above = np.triu_indices(7, 1)
        p[above] = draw.random(21) ** 6
        p = np.minimum(p, p.T)
        assert (differing(p)[above] == multipletests(p[above], method="holm")[0]).all()


def test_ranks_that_are_not_told_apart_are_shared():
    differ = np.zeros((4, 4), dtype=bool)
    for i, j in ((0, 2), (0, 3), (1, 3)):
        differ[i, j] = differ[j, i] = True
    assert rank_ranges(differ, [0.9, 0.8, 0.7, 0.6]) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert rank_ranges(differ, [0.1, 0.2, 0.3, 0.4], higher_is_better=False) == [(1, 2), (1, 3), (2, 4), (3, 4)]


def test_in_worlds_of_equal_models_a_false_rank_is_rare():
    """Ten equally good models on 150 questions in clusters of three: any pair told apart in at most 5 % of worlds."""
    draw, worlds, clusters = np.random.default_rng(3), 200, np.repeat(np.arange(50), 3)
    false = 0
    for _ in range(worlds):
        hard = np.repeat(draw.normal(size=50), 3)
        rows = [[answers((hard + draw.normal(size=150) > 0).astype(float), clusters)] for _ in range(10)]
        false += bool(differing(paired_differences(rows).p).any())
    assert false / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


def test_without_samples_a_share_of_all_is_not_certain():
    assert share_variance(1.0, 50, 0.0) == pytest.approx(51 / 52 * (1 / 52) / 52)
    assert share_variance(0.5, None, 0.1) == pytest.approx(0.01)
    assert share_variance(0.5, None, None) is None
    p = unpaired_p([0.2, 0.8, 0.8], [0.001, 0.001, None])
    assert p[0, 1] < 1e-10
    assert p[0, 2] == p[1, 2] == 1
    low, high = wilson_interval(1.0, 50)
    assert high - low > 0.05
