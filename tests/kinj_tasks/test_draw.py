import pytest

from kinj.errors import UserError
from kinj_tasks.benchmark import load_current_events
from kinj_tasks.draw import Draw


def test_one_seed_draws_one_sample_in_the_order_of_the_rows():
    drawn = Draw(10, 3).from_rows(range(100))
    assert drawn == Draw(10, 3).from_rows(range(100)) == sorted(drawn)
    assert len(set(drawn)) == 10
    assert drawn != Draw(10, 4).from_rows(range(100))


def test_without_a_sample_all_rows_are_asked():
    assert Draw(None, 5).from_rows("abc") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("sample", "seed", "message"),
    [
        (0, 0, "sample=0: must be from 1 to 3"),
        (4, 0, "sample=4: must be from 1 to 3"),
        (1.5, 0, "sample=1.5: must be a whole number"),
        (True, 0, "sample=True: must be a whole number"),
        (1, "x", "seed='x': must be a whole number"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_refused(sample, seed, message):
    with pytest.raises(UserError, match=message):
        Draw(sample, seed).from_rows("abc")


def test_a_sample_of_current_events_is_of_the_whole_time_where_the_first_rows_are_of_august():
    rows = load_current_events(sample=48, seed=0)["test"]
    assert len(rows) == 48
    assert {date[:7] for date in rows["date"]} == {"2023-08", "2023-09", "2023-10", "2023-11"}
    assert len({chunk for ids in rows["chunk_ids"] for chunk in ids}) > 40
