from dataclasses import replace

import pytest

from kinj.errors import UserError
from kinj.report.costs import ArmCost, Line, Prices, break_even, break_evens, cost_lines, read_prices
from kinj.report.verdict import Arm

FT, RAG = Arm("m", "t", "raw", "none"), Arm("m", "t", "none", "bm25")
TUNED = ArmCost(FT, None, 1e6, 3600.0, 100.0, 0.1, None, None)
READ = ArmCost(RAG, 3, 0.0, 0.0, 500.0, 0.3, None, None)


def test_without_prices_costs_are_tokens_and_where_nobody_counted_them_seconds():
    unit, lines = cost_lines([TUNED, READ], None)
    assert (unit, lines[FT].at(10), lines[RAG].at(10)) == ("tokens", 1_001_000, 5000)
    uncounted = ArmCost(RAG, 3, 0.0, 0.0, None, 0.3, None, None)
    unit, lines = cost_lines([TUNED, uncounted], None)
    assert (unit, lines[FT].at(10)) == ("seconds", 3601)
    bought = ArmCost(FT, None, None, None, 100.0, 0.1, None, None)  # somebody else's checkpoint
    assert cost_lines([bought, READ], None) == ("tokens", {RAG: Line(0.0, 500.0)})


def test_money_is_tokens_hours_and_the_index_by_the_models_own_prices(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(
        "currency: EUR\ntraining: 2\nanswering: 1\nhour: 3.6\nindex: 7\nmodels: {n: {training: 4, answering: 0}}\n"
    )
    prices = read_prices(file)
    unit, lines = cost_lines(
        [TUNED, READ, ArmCost(Arm("n", "t", "raw", "none"), None, 1e6, 0.0, 9.0, 0.0, None, None)], prices
    )
    assert unit == "EUR"
    assert lines[FT] == Line(pytest.approx(2 + 3.6), pytest.approx(1e-4 + 1e-4))
    assert lines[RAG] == Line(7, pytest.approx(5e-4 + 3e-4))
    assert lines[Arm("n", "t", "raw", "none")].once == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trainning: 2", "trainning: Extra inputs"),
        ("training: -1", "training: Input should be greater"),
        ("- 1", "mapping"),
        ("currency: EUR", "no price is told: all would cost nothing"),
    ],
)
def test_a_price_file_that_says_something_else_is_refused(tmp_path, text, says):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UserError, match=says):
        read_prices(tmp_path / "p.yaml")


def test_break_even_is_where_the_lines_cross_and_neither_is_ahead_within_a_tenth():
    crossing = break_even((FT, Line(1000.0, 1.0)), (RAG, Line(0.0, 5.0)))
    assert (crossing.later, crossing.earlier, crossing.questions) == (FT, RAG, 250)
    low, high = crossing.near
    assert 5 * low == pytest.approx(0.9 * (1000 + low))
    assert 0.9 * 5 * high == pytest.approx(1000 + high)


def test_what_is_cheaper_at_any_number_has_no_break_even():
    assert break_even((FT, Line(1000.0, 5.0)), (RAG, Line(0.0, 1.0))) is None
    assert break_even((FT, Line(0.0, 1.0)), (RAG, Line(0.0, 1.0))) is None
    assert break_evens({FT: Line(1000.0, 1.0), RAG: Line(0.0, 5.0), Arm("n", "t", "none", "bm25"): Line(0, 9)}) != []
    assert (
        len(break_evens({FT: Line(1000.0, 1.0), RAG: Line(0.0, 5.0), Arm("n", "t", "none", "bm25"): Line(0, 9)})) == 1
    )


def test_a_models_own_prices_are_found_by_its_plans_name_and_inherit_what_they_do_not_tell():
    prices = Prices(currency="EUR", answering=1, models={"m": {"training": 4}})
    labelled = replace(TUNED, arm=replace(FT, model="m (one)"))
    _, lines = cost_lines([labelled], prices, {"m (one)": "m"})
    assert lines[labelled.arm] == Line(4, pytest.approx(1e-4))
    assert cost_lines([labelled], prices)[1] == {}  # what nobody prices costs something, and not nothing


def test_prices_of_a_model_that_no_plan_names_are_refused():
    prices = Prices(models={"mistrall": {"training": 4}})
    with pytest.raises(UserError, match="models: 'mistrall': no model of these plans; there are mistral"):
        prices.refuse_unknown(["mistral"])
