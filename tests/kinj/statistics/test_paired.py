"""Paired differences against other people's code and against the simulations behind the procedure."""

import numpy as np
import pytest
from scipy import integrate, stats

from kinj.statistics import Prior, paired_difference
from kinj.statistics.spread import spread_between, two_sided_p


def answers(seed=0, clusters=67, size=3, trainings=1, gain=0.0, spread=0.0):
    """Right or wrong of a plain arm, (n, 1), of a trained one, (n, trainings), and each question's cluster."""
    draw = np.random.default_rng(seed)
    latent = 0.7 * draw.standard_normal((clusters, 1)) + draw.standard_normal((clusters, size))
    plain = latent + 0.4 * draw.standard_normal(latent.shape) > 0
    seeds = spread / 30.5 * draw.standard_normal(trainings)
    noise = 0.4 * draw.standard_normal((clusters, size, trainings))
    trained = (latent + gain)[..., None] + seeds + noise > 0
    labels = np.repeat(np.arange(clusters), size)
    return plain.reshape(-1, 1).astype(float), trained.reshape(-1, trainings).astype(float), labels


def test_without_a_training_it_is_statsmodels_clustered_regression_with_two_questions_more():
    sm = pytest.importorskip("statsmodels.api")
    plain, other, labels = answers(gain=0.3)
    d = np.append(other[:, 0] - plain[:, 0], [1, -1])
    groups = np.append(labels, [67, 68])
    fit = sm.OLS(d, np.ones(len(d))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    ours = paired_difference(other, plain, labels)
    # statsmodels scales by (n-1)/(n-1) C/(C-1): the same.
    assert ours.centre == pytest.approx(fit.params[0], abs=1e-12)
    assert ours.variance == pytest.approx(fit.bse[0] ** 2, rel=1e-12)
    assert ours.mean == pytest.approx((other - plain).mean())
    half = stats.t.ppf(0.975, 66) * fit.bse[0]
    assert ours.interval == pytest.approx((ours.centre - half, ours.centre + half), abs=1e-5)


def test_with_one_question_a_cluster_p_is_near_the_permutation_tests():
    draw = np.random.default_rng(3)
    one, other = (draw.random(120) < 0.62).astype(float), (draw.random(120) < 0.5).astype(float)
    exact = stats.permutation_test(
        (one, other), lambda x, y: (x - y).mean(), permutation_type="samples", n_resamples=4000, rng=draw
    )
    assert paired_difference(one, other, np.arange(120)).p == pytest.approx(exact.pvalue, abs=0.02)


def test_one_trainings_p_is_the_priors_integral():
    plain, trained, labels = answers(gain=0.5)
    ours = paired_difference(trained, plain, labels, prior=Prior(0.03, 3))

    def tail(s):
        return 2 * stats.t.pdf(s / 0.03, 3) / 0.03 * 2 * stats.t.sf(ours.centre / np.sqrt(ours.variance + s * s), 66)

    expected = sum(integrate.quad(tail, a, b, limit=200)[0] for a, b in ((0.0006, 0.05), (0.05, 0.2), (0.2, 0.75)))
    assert ours.p == pytest.approx(expected, rel=0.03)
    assert ours.interval[0] < ours.interval_of_these[0] < ours.interval_of_these[1] < ours.interval[1]


def test_p_at_the_intervals_end_is_five_percent():
    plain, trained, labels = answers(gain=0.5, trainings=3, spread=3.7)
    ours = paired_difference(trained, plain, labels, prior=Prior())
    p = two_sided_p(ours.interval[1] - ours.centre, ours.variance, 66, ours.spread, 3)
    assert p == pytest.approx(0.05, abs=1e-4)


def test_mean_squares_between_trainings_are_their_definition():
    plain, trained, labels = answers(trainings=3, spread=7.6)
    ours = paired_difference(trained, plain, labels, prior=Prior())
    sums = np.stack([np.bincount(labels, weights=column) for column in (trained - plain).T], axis=1)
    sums = np.concatenate([sums, np.ones((1, 3)), -np.ones((1, 3))])
    sizes = np.append(np.bincount(labels), [1, 1])
    t = (sums - sums.mean(axis=1).sum() / sizes.sum() * sizes[:, None]) * 69 / sizes.sum()
    assert ours.between == pytest.approx(69 * (t.mean(axis=0) ** 2).sum() / 2 / (69 * 3))


def test_trainings_that_agree_narrow_what_is_thought_of_their_spread():
    prior = Prior()
    alone = spread_between(prior, 1)
    agreeing, apart = spread_between(prior, 5, 1e-6, 1e-5), spread_between(prior, 5, 4e-3, 1e-5)
    mean = [float((one.grid * one.weights).sum()) for one in (agreeing, alone, apart)]
    assert mean[0] < mean[1] < mean[2]


def test_the_tipping_point_is_the_spread_that_brings_the_interval_to_zero():
    plain, trained, labels = answers(gain=0.9)
    ours = paired_difference(trained, plain, labels, prior=Prior())
    whole = np.sqrt(ours.variance + ours.tipping_point**2)
    assert ours.centre - stats.t.ppf(0.975, 66) * whole == pytest.approx(0, abs=1e-9)


def test_arms_with_trainings_of_their_own_have_a_spread_each():
    _, one, labels = answers(seed=1, trainings=2, spread=5.5)
    _, other, _ = answers(seed=1, trainings=2, spread=5.5)
    shared = paired_difference(one, other[:, ::-1], labels, prior=Prior())
    own = paired_difference(one, other[:, ::-1], labels, prior=Prior(), own_trainings=True)
    assert own.p > shared.p
    assert own.interval[1] - own.interval[0] > shared.interval[1] - shared.interval[0]


def test_arms_that_never_differ_have_an_interval_all_the_same():
    right = np.ones(200)
    ours = paired_difference(right, right, np.repeat(np.arange(100), 2))
    assert (ours.mean, ours.p, ours.differing) == (0, 1, 0)
    assert 0.005 < ours.interval[1] < 0.03


def test_a_cluster_with_a_tenth_of_the_questions_brings_in_the_jackknife():
    draw = np.random.default_rng(0)
    labels = np.append(np.zeros(30, int), np.repeat(np.arange(1, 31), 2))
    d = draw.integers(-1, 2, 90).astype(float)
    ours = paired_difference(d, np.zeros(90), labels)
    sums, sizes = np.append(np.bincount(labels, weights=d), [1, -1]), np.append(np.bincount(labels), [1, 1])
    left = (sums.sum() - sums) / (92 - sizes)
    assert ours.variance == pytest.approx(32 / 33 * ((left - sums.sum() / 92) ** 2).sum())
    assert ours.largest == pytest.approx(1 / 3)


def test_two_numbers_of_trainings_do_not_pair():
    with pytest.raises(ValueError, match="2 and 3 trainings"):
        paired_difference(np.ones((9, 2)), np.ones((9, 3)), np.arange(9), prior=Prior())
    with pytest.raises(ValueError, match="one cluster"):
        paired_difference(np.ones(9), np.ones(9), np.zeros(9, int))
    with pytest.raises(ValueError, match="no prior"):
        paired_difference(np.ones((9, 2)), np.ones(9), np.arange(9))


@pytest.mark.parametrize(("trainings", "spread"), [(1, 3.7), (3, 3.7)])
def test_nineteen_of_twenty_intervals_hold_a_difference_of_zero(trainings, spread):
    held = 0
    for seed in range(150):
        plain, trained, labels = answers(seed, trainings=trainings, spread=spread)
        low, high = paired_difference(trained, plain, labels, prior=Prior()).interval
        held += low <= 0 <= high
    assert held / 150 > 0.92
