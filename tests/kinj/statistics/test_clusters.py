import numpy as np
import pytest

from kinj.statistics import clustered_interval, clusters_of, wilson_interval


def test_questions_that_share_a_chunk_are_one_cluster_also_through_a_question_of_two_chunks():
    chunks = [["a"], ["b"], ["a", "c"], ["c"], ["d"], [], []]
    assert clusters_of(chunks).tolist() == [0, 1, 0, 0, 2, 3, 4]


def test_the_variance_is_that_of_an_ordinary_regression_with_clustered_errors():
    # V by the definition, written out: sum over clusters of squared residual sums, times C / (C - 1) / N^2.
    values, clusters = [1, 1, 0, 1, 0, 0, 1, 0, 1, 1], [0, 0, 0, 1, 1, 2, 2, 3, 4, 4]
    mean = np.mean(values)
    sums = [sum(v - mean for v, c in zip(values, clusters, strict=True) if c == one) for one in range(5)]
    variance = sum(s * s for s in sums) * 5 / 4 / 10**2
    t = 2.7764451051977987  # 97.5 % of Student's t with 4 degrees of freedom
    effective = min(mean * (1 - mean) / variance, 10) * (1.959963984540054 / t) ** 2
    assert clustered_interval(values, clusters) == pytest.approx(wilson_interval(mean, effective))


def test_copies_of_a_question_narrow_nothing():
    values = [1, 0, 1, 1, 0, 1, 0, 1, 1, 1]
    alone = clustered_interval(values, range(10))
    copied = clustered_interval(np.repeat(values, 4), np.repeat(np.arange(10), 4))
    assert copied == pytest.approx(alone, abs=0.02)
    assert copied[1] - copied[0] > wilson_interval(0.7, 40)[1] - wilson_interval(0.7, 40)[0]


def test_where_all_are_right_as_many_count_as_there_are_clusters():
    low, high = clustered_interval([1.0] * 60, np.repeat(np.arange(20), 3))
    assert high == 1
    assert low == pytest.approx(wilson_interval(1.0, 20 * (1.959963984540054 / 2.093024054408263) ** 2)[0])


def test_one_cluster_tells_nothing():
    assert clustered_interval([1, 0, 1], [0, 0, 0]) == (0, 1)


@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.95])
def test_nineteen_of_twenty_intervals_hold_the_truth_where_questions_come_in_threes(accuracy):
    # Latent normal abilities of chunks and questions; the plain interval on N holds far fewer.
    rng = np.random.default_rng(0)
    from scipy import stats

    threshold = stats.norm.ppf(accuracy) * np.sqrt(2)
    held = plain = 0
    for _ in range(400):
        answers = (threshold + np.repeat(rng.standard_normal(67), 3) + rng.standard_normal(201)) > 0
        low, high = clustered_interval(answers, np.repeat(np.arange(67), 3))
        held += low <= accuracy <= high
        low, high = wilson_interval(answers.mean(), 201)
        plain += low <= accuracy <= high
    assert held / 400 > 0.92
    assert held > plain


def test_what_trainings_differ_by_widens_the_interval_of_one_arm():
    # Every question is answered as every other of its training: all variance is between the trainings.
    values = np.tile([0.4, 0.5, 0.6], (200, 1)) + np.tile([[0.1], [-0.1]], (100, 3))
    low, high = clustered_interval(values, np.arange(200))
    alone, above = clustered_interval(values.mean(axis=1), np.arange(200))
    assert high - low > 3 * (above - alone)
    between = 0.1**2 / 3  # mean square of trainings over their number
    t = 4.303  # 97.5 % of Student's t with 2 degrees of freedom
    assert high - low == pytest.approx(2 * t * between**0.5, rel=0.15)


@pytest.mark.parametrize("trainings", [2, 3, 5])
def test_nineteen_of_twenty_intervals_hold_the_truth_where_trainings_differ(trainings):
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        questions = 0.7 * rng.standard_normal((67, 1)) + rng.standard_normal((67, 3))
        ours = 0.12 * rng.standard_normal(trainings) + 0.4 * rng.standard_normal((67, 3, trainings))
        answers = (questions[..., None] + ours > 0).reshape(-1, trainings)
        low, high = clustered_interval(answers, np.repeat(np.arange(67), 3))
        held += low <= 0.5 <= high
    assert held / 400 > 0.92
