import math

import pytest

from kinj.statistics import evenness_p, wilson_interval


@pytest.mark.parametrize(("right", "n"), [(0, 10), (1, 3), (41, 48), (9, 48), (48, 48), (500, 910)])
def test_wilsons_interval_is_the_formula_of_1927(right, n):
    z, p = 1.959964, right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert wilson_interval(p, n) == pytest.approx((middle - half, middle + half), abs=1e-6)


def test_the_chi_square_test_of_four_counts_is_its_closed_form():
    # The survival function for three degrees of freedom (Abramowitz and Stegun 26.4.4).
    x = sum((count - 25) ** 2 / 25 for count in (10, 20, 30, 40))
    p = math.erfc(math.sqrt(x / 2)) + math.sqrt(2 * x / math.pi) * math.exp(-x / 2)
    assert evenness_p([10, 20, 30, 40]) == pytest.approx(p)
    assert evenness_p([25, 25, 25, 25]) == 1
