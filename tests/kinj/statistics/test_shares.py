import math

import pytest
from scipy import stats

from kinj.statistics import evenness_p, wilson_interval


@pytest.mark.parametrize(("right", "n"), [(0, 10), (1, 3), (41, 48), (9, 48), (48, 48), (500, 910)])
def test_wilsons_interval_is_scipys_where_that_takes_the_counts(right, n):
    theirs = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_an_effective_number_of_questions_may_have_a_fraction():
    assert wilson_interval(0.5, 20)[0] < wilson_interval(0.5, 20.5)[0] < wilson_interval(0.5, 21)[0]


def test_the_chi_square_test_of_four_counts_is_its_closed_form():
    # The survival function for three degrees of freedom (Abramowitz and Stegun 26.4.4).
    x = sum((count - 25) ** 2 / 25 for count in (10, 20, 30, 40))
    p = math.erfc(math.sqrt(x / 2)) + math.sqrt(2 * x / math.pi) * math.exp(-x / 2)
    assert evenness_p([10, 20, 30, 40]) == pytest.approx(p)
    assert evenness_p([25, 25, 25, 25]) == 1
