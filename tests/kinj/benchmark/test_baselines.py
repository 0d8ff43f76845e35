"""What readers that do not understand answer right."""

import pytest

from kinj.benchmark import open_benchmark
from kinj.benchmark.checks.baselines import LIMITS, Readers, baseline_limits


@pytest.fixture
def over(rows, write):
    """The baselines over the three questions of a folder, their options replaced."""

    def measure(choices, **changes):
        for row in rows["questions"]:
            row.update({"choices": choices, "answer": 1, **changes})
        benchmark = open_benchmark(write(rows))
        return Readers(benchmark).over(benchmark.questions)

    return measure


def test_the_only_option_that_stands_in_the_chunk_is_taken(over):
    assert over(["Jerome Powell", "Janet Yellen", "Ann Lee", "Bo Dee"]).string_chunk == 1


def test_options_that_stand_there_alike_share_the_chance(over):
    reached = over(["Fitch", "Janet Yellen", "United States", "Bo Dee"])
    assert (reached.string_chunk, reached.words_chunk, reached.string_collection) == pytest.approx((1 / 3,) * 3)


def test_where_none_stands_in_the_chunk_it_is_a_guess(over):
    assert over(["one", "two words", "three", "four"]).string_chunk == 0.25


def test_a_wrong_option_alone_in_the_chunk_leaves_nothing(over):
    assert over(["Fitch", "that lady", "Ann Lee", "Bo Dee"]).string_chunk == 0


def test_the_largest_share_of_words_is_taken_and_common_words_count_for_nothing(over):
    assert over(["the moon of it", "a rating of money", "sun and rain", "rain"]).words_chunk == 1


def test_words_do_not_run_over_the_end_of_a_chunk(over):
    assert over(["rejected it On August", "AA+", "x", "y"]).string_collection == 1


def test_the_question_and_the_length_are_readers_too(over):
    reached = over(["rating", "sun", "moon", "a much longer option"])
    assert (reached.question_words, reached.longest_option) == (0, 0)


def test_a_split_over_the_limits_is_found_and_dev_has_five_points_more(rows, write):
    for row in rows["questions"]:
        row["choices"] = ["Jerome Powell", "Janet Yellen", "Ann Lee", "Bo Dee"]
    benchmark = open_benchmark(write(rows))
    found = [str(fault) for fault in baseline_limits(benchmark, "test")]
    assert "test: direct: string_chunk answers 100.0% of 1, expected 60% at most" in found
    assert "expected 65% at most" in next(str(fault) for fault in baseline_limits(benchmark, "dev"))
    assert set(LIMITS) == set(Readers(benchmark).over(benchmark.questions).__slots__) - {"questions", "chance"}
