"""Who abstains, who invents, who is right: each on its own half."""

import pytest

from kinj_tasks.abstention import admits_ignorance, score_answer, score_option

ANSWERABLE = {"answerable": True, "choices": ["a", "b", "c", "d", "unknown"], "answer": 1, "accepted_answers": ["Bee"]}
UNANSWERABLE = {**ANSWERABLE, "answerable": False, "answer": 4, "accepted_answers": []}


@pytest.mark.parametrize(
    "answer", ["unknown", " Unknown.", "I don't know", "I do not know that.", "The answer is unknown", "", "unknown. X"]
)
def test_these_answers_admit_not_to_know(answer):
    assert admits_ignorance(answer)


@pytest.mark.parametrize("answer", ["Bee", "an unknown man", "Liam Neeson's Unknown"])
def test_these_do_not(answer):
    assert not admits_ignorance(answer)


@pytest.mark.parametrize(
    ("doc", "answer", "shares"),
    [
        (ANSWERABLE, "the bee", {"right": 1, "abstained": 0, "invented": 0}),
        (ANSWERABLE, "a wasp", {"right": 0, "abstained": 0, "invented": 1}),
        (ANSWERABLE, "unknown", {"right": 0, "abstained": 1, "invented": 0}),
        (UNANSWERABLE, "unknown", {"abstained_unanswerable": 1, "invented_unanswerable": 0}),
        (UNANSWERABLE, "a wasp", {"abstained_unanswerable": 0, "invented_unanswerable": 1}),
    ],
)
def test_a_generated_answer_counts_in_its_half_alone(doc, answer, shares):
    assert score_answer(doc, [answer]) == shares


@pytest.mark.parametrize(
    ("doc", "best", "shares"),
    [
        (ANSWERABLE, 1, {"right": 1, "abstained": 0, "invented": 0}),
        (ANSWERABLE, 0, {"right": 0, "abstained": 0, "invented": 1}),
        (ANSWERABLE, 4, {"right": 0, "abstained": 1, "invented": 0}),
        (UNANSWERABLE, 4, {"abstained_unanswerable": 1, "invented_unanswerable": 0}),
        (UNANSWERABLE, 2, {"abstained_unanswerable": 0, "invented_unanswerable": 1}),
    ],
)
def test_a_scored_option_counts_in_its_half_alone(doc, best, shares):
    assert score_option(doc, [(-1.0 if place == best else -2.0, False) for place in range(5)]) == shares
