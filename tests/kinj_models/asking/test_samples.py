"""Whether the files of a cell are whole."""

import pytest

from kinj.errors import UserError
from kinj_models.asking.samples import check_rows


def test_rows_are_counted():
    results = {"n-samples": {"t": {"original": 2}}, "config": {"limit": None}}
    rows = [{"filter": name, "doc_id": number} for name in ("none", "strip") for number in (0, 1)]
    assert check_rows(results, rows, "t") == {"questions": 2, "filters": 2, "rows": 4}
    for wrong in (rows[:3], [*rows, rows[0]], []):
        with pytest.raises(UserError, match="they were not written whole; is the disk full"):
            check_rows(results, wrong, "t")


@pytest.mark.parametrize(("limit", "asked"), [(None, 4), (3, 3), (9, 4)])
def test_a_metric_of_half_of_the_questions_makes_no_half_of_the_rows(limit, asked):
    results = {"n-samples": {"t": {"original": 4, "effective": 2}}, "config": {"limit": limit}}
    rows = [{"filter": "none", "doc_id": number} for number in range(asked)]
    assert check_rows(results, rows, "t")["questions"] == asked
