"""The last question first."""

from lm_eval.api.instance import Instance

from kinj_models.asking.reversed import last_question_first


def test_the_last_question_comes_first_and_its_options_in_order():
    requests = [Instance("loglikelihood", {}, ("", ""), i % 2, metadata=("t", i // 2, 1)) for i in range(6)]
    assert last_question_first(requests) == [4, 5, 2, 3, 0, 1]
