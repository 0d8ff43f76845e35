"""The smallest difference that a comparison could show, against the figures of the simulations behind it."""

import pytest
from scipy import stats

from kinj.statistics import Prior, smallest_difference


def variance_for(points, clusters):
    """The variance with which a difference of so many points is the smallest, without a training in the contrast."""
    df = clusters - 1
    return (points / 100 / (stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df))) ** 2


#: 67 clusters of three questions and 392 of two, as in the simulations
SMALL = (variance_for(9.7, 67), 67)
LARGE = (variance_for(9.7, 67) * 67 * 3 / (392 * 2), 392)


def test_without_a_training_it_is_two_quantiles_of_t():
    assert smallest_difference(*SMALL, 0.05) == pytest.approx(0.097)


@pytest.mark.parametrize(
    ("setting", "trainings", "alpha", "points"),
    [
        (SMALL, 1, 0.05, 14.4), (SMALL, 2, 0.05, 11.9), (SMALL, 3, 0.05, 11.2),
        (SMALL, 1, 0.01, 24.0), (SMALL, 2, 0.01, 16.6), (SMALL, 3, 0.01, 14.5),
        (LARGE, 1, 0.05, 12.0), (LARGE, 2, 0.05, 8.8), (LARGE, 3, 0.05, 7.3),
        (LARGE, 1, 0.01, 22.0), (LARGE, 2, 0.01, 13.8), (LARGE, 3, 0.01, 11.0),
    ],
)  # fmt: skip
def test_with_trainings_it_is_what_simulation_found(setting, trainings, alpha, points):
    assert smallest_difference(*setting, alpha, trainings=trainings) * 100 == pytest.approx(points, abs=0.8)


def test_a_wider_prior_and_a_stricter_level_ask_for_more():
    plain = smallest_difference(*LARGE, 0.05, trainings=2)
    assert smallest_difference(*LARGE, 0.05, trainings=2, prior=Prior(0.06)) > plain
    assert smallest_difference(*LARGE, 0.005, trainings=2) > plain


def test_the_same_seed_draws_the_same():
    one, other = (smallest_difference(*LARGE, 0.05, trainings=2, seed=7) for _ in range(2))
    assert one == other
