from __future__ import annotations

import pytest

from kinj.errors import UserError
from kinj.writing.journal import Entry, Key
from kinj.writing.spending import Budget, OverspentError, Price, find_price

HOSTED = "api.openai.com"


def entry(prompt=1_000, completion=500, by="m", host="h"):
    return Entry(Key("c", "t"), "aa", by, {}, prompt_tokens=prompt, completion_tokens=completion, host=host)


def test_a_price_hangs_on_host_and_model():
    assert find_price(HOSTED, "gpt-4o-mini") == Price(0.15, 0.60)
    assert find_price(HOSTED, "gpt-99") is None
    assert find_price("127.0.0.1", "gpt-4o-mini") is None


def test_a_file_of_prices_wins(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(
        "api.openai.com:\n  gpt-4o-mini: {prompt: 1, completion: 2}\n127.0.0.1:\n  mine: {prompt: 0, completion: 0}\n"
    )
    assert find_price(HOSTED, "gpt-4o-mini", file) == Price(1.0, 2.0)
    assert find_price("127.0.0.1", "mine", file) == Price(0.0, 0.0)
    assert find_price(HOSTED, "gpt-4o", file) == Price(2.5, 10.0)


@pytest.mark.parametrize("value", ["3", "{prompt: 1}", "{prompt: -1, completion: 1}", "{prompt: a, completion: 1}"])
def test_a_price_that_is_none_is_refused(tmp_path, value):
    file = tmp_path / "prices.yaml"
    file.write_text(f"h:\n  m: {value}\n")
    with pytest.raises(UserError, match="US dollars for a million tokens"):
        find_price("h", "m", file)


def test_cost_is_counted_and_an_unknown_price_is_unknown():
    budget = Budget({("h", "m"): Price(2.0, 4.0), ("h", "n"): None}, [entry()])
    assert budget.cost_text() == "$0.0040"
    budget.spend(entry(by="n"))
    assert budget.cost_text() == "cost unknown"
    assert budget.tokens == 3_000


def test_a_limit_of_cost_wants_a_known_price():
    with pytest.raises(UserError, match="the price of n at h is unknown"):
        Budget({("h", "m"): Price(2.0, 4.0), ("h", "n"): None}, most_cost=1.0)


def test_answers_of_a_journal_without_hosts_are_priced_under_an_empty_one(tmp_path):
    with pytest.raises(UserError, match=r'n at an unknown host, .*\(the host "" in that file\) is unknown; name it in'):
        Budget({("", "n"): None}, most_cost=1.0)
    file = tmp_path / "prices.yaml"
    file.write_text('"":\n  n: {prompt: 2, completion: 4}\n')
    price = find_price("", "n", file)
    assert Budget({("", "n"): price}, [entry(by="n", host="")], most_cost=1.0).cost_text() == "$0.0040"


def test_what_is_in_flight_counts_for_the_limit():
    budget = Budget({("h", "m"): None}, [entry()], most_tokens=2_000)
    hold = budget.hold(("h", "m"), 300, 100)
    with pytest.raises(OverspentError, match="--max-tokens 2,000: 1,500 are spent"):
        budget.hold(("h", "m"), 300, 100)
    budget.release(hold)
    budget.hold(("h", "m"), 300, 100)


def test_a_limit_of_cost_counts_over_all_runs():
    budget = Budget({("h", "m"): Price(2.0, 4.0)}, [entry()], most_cost=0.005)
    budget.hold(("h", "m"), 100, 100)
    with pytest.raises(OverspentError, match=r"--max-cost 0.005: \$0.0040 is spent"):
        budget.hold(("h", "m"), 500, 100)


def test_one_name_at_two_hosts_has_two_prices():
    budget = Budget({("h", "m"): Price(2.0, 4.0), ("home", "m"): Price(0.0, 0.0)}, [entry(host="home")])
    assert budget.cost == 0.0
    budget.spend(entry())
    assert budget.cost_text() == "$0.0040"
