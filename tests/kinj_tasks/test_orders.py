"""The same question with its options in another order."""

import pytest

from kinj.errors import UserError
from kinj_tasks import abstention, benchmark, mmlu
from kinj_tasks.orders import reorder

ORDERS = (1, 2, 3, 4)


def test_four_orders_of_four_options_differ_and_none_is_as_written():
    found = [tuple(reorder("abcd", 2, order)[0]) for order in ORDERS]
    assert len({tuple("abcd"), *found}) == 5
    assert all(sorted(order) == list("abcd") for order in found)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("order", ORDERS)
def test_the_right_option_stays_the_right_one_and_no_order_is_as_written(count, order):
    choices = [str(number) for number in range(count)]
    for answer in range(count):
        reordered, place = reorder(choices, answer, order)
        assert reordered[place] == choices[answer]
        assert reordered != choices
    assert reorder(choices, -1, order)[1] == -1


@pytest.mark.parametrize("order", [-1, 5, True, "1"])
def test_another_number_is_refused(order):
    with pytest.raises(UserError, match=r"option_order=.*: must be from 0, as they are written, to 4"):
        reorder("ab", 0, order)


def test_a_benchmarks_rows_take_the_order_and_its_shots_do_not(collection):
    written = benchmark.load(str(collection))
    reordered = benchmark.load(str(collection), option_order=1)
    for row, other in zip(written["test"], reordered["test"], strict=True):
        assert other["id"] == row["id"]
        assert other["choices"] == [*row["choices"][1:], row["choices"][0]]
        assert other["choices"][other["answer"]] == row["choices"][row["answer"]]
    assert list(reordered["fewshot"]) == list(written["fewshot"])


def test_mmlus_rows_take_the_order(tmp_path):
    for split in ("test", "dev"):
        (tmp_path / "anatomy").mkdir(exist_ok=True)
        (tmp_path / "anatomy" / f"{split}.csv").write_text("Which?,a,b,c,d,C\n")
    loaded = mmlu.load("anatomy", str(tmp_path), option_order=4)
    assert (loaded["test"][0]["choices"], loaded["test"][0]["answer"]) == (["d", "c", "b", "a"], 1)
    assert loaded["fewshot"][0]["choices"] == ["a", "b", "c", "d"]


def test_open_and_abstaining_tasks_take_the_order_too():
    def options(load, order):
        return [(row["id"], row["choices"]) for row in load(option_order=order)["test"]]

    for load, kept in ((benchmark.load_current_events_open, 4), (abstention.load, 5)):
        written, reordered = options(load, 0), options(load, 1)
        assert reordered == [(name, [*row[1:4], row[0], *row[4:kept]]) for name, row in written]
        with pytest.raises(UserError, match="option_order=9"):
            load(option_order=9)


@pytest.mark.parametrize("chosen", [{"form": "two"}, {"knowledge": "new"}])
def test_abstaining_tasks_do_not_pass_over_what_they_cannot_choose(chosen):
    with pytest.raises(UserError, match="the abstention tasks ask all direct questions alone"):
        abstention.load(**chosen)
