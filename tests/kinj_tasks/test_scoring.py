"""Scores, held against cases worked out by hand."""

import pytest

from kinj_tasks.scoring import calibrated_accuracy, exact_match, normalised, score_answer, score_letters, token_f1

#: A model that always likes D best, by 3, and knows the answer, by 1: A, B, C, D in turn.
BIASED = [
    ([-4.0, -5.0, -5.0, -2.0], 0),
    ([-5.0, -4.0, -5.0, -2.0], 1),
    ([-5.0, -5.0, -4.0, -2.0], 2),
    ([-5.0, -5.0, -5.0, -1.0], 3),
]


def results_of(log_probabilities):
    return [(value, False) for value in log_probabilities]


def test_a_letter_bias_hides_what_the_model_knows_and_calibration_shows_it():
    scored = [score_letters({"answer": answer}, results_of(values)) for values, answer in BIASED]
    assert [one["acc"] for one in scored] == [0, 0, 0, 1]
    # Means: A, B and C -4.75, D -1.75; what is left is +0.75 at the right letter and -0.25 at the others.
    assert calibrated_accuracy([one["acc_calibrated"] for one in scored]) == 1.0


def test_calibration_does_not_help_a_model_that_knows_nothing():
    scored = [(tuple(BIASED[0][0]), answer) for answer in range(4)]
    assert calibrated_accuracy(scored) == 0.25


def test_calibration_looks_at_no_right_answer():
    right = [(tuple(values), answer) for values, answer in BIASED]
    wrong = [(tuple(values), (answer + 1) % 4) for values, answer in BIASED]
    assert (calibrated_accuracy(right), calibrated_accuracy(wrong)) == (1.0, 0.0)


def test_the_first_of_equal_letters_wins_as_in_lm_eval():
    assert score_letters({"answer": 1}, results_of([-3.0, -1.0, -1.0, -2.0]))["acc"] == 1
    assert score_letters({"answer": 2}, results_of([-3.0, -1.0, -1.0, -2.0]))["acc"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Quick, brown fox!", "quick brown fox"),
        ("an A-10 (the)", "a10"),
        ("$2.3 billion.", "23 billion"),
        ("Theatre of Anna", "theatre of anna"),
    ],
)
def test_answers_are_normalised_as_squad_does(text, expected):
    assert normalised(text) == expected


def test_exact_match_is_after_normalising():
    assert exact_match(" the Sphere. ", "Sphere") == 1
    assert exact_match("Sphere in Las Vegas", "Sphere") == 0


def test_token_f1_is_the_harmonic_mean_over_words_counted_with_repeats():
    assert token_f1("Janet Yellen said", "Janet Yellen") == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))
    assert token_f1("no no no", "no no") == pytest.approx(0.8)
    assert token_f1("Powell", "Janet Yellen") == 0
    assert token_f1("", "Janet Yellen") == 0


def test_the_best_accepted_answer_counts():
    doc = {"accepted_answers": ["Janet Yellen", "Yellen"]}
    assert score_answer(doc, [" Yellen"]) == {"exact_match": 1.0, "token_f1": 1.0}
    assert score_answer(doc, ["Secretary Yellen"]) == {"exact_match": 0.0, "token_f1": pytest.approx(2 / 3)}


def test_questions_with_other_numbers_of_options_lose_their_bias_among_themselves():
    # Of two options the model prefers A by 1, of three B by 2; without either preference all answers are right.
    two = [((-1.0, -1.5), 1), ((-1.0, -2.5), 0)]
    three = [((-3.0, -2.0, -4.0), 0), ((-4.0, -1.0, -4.5), 1), ((-5.0, -3.0, -3.5), 2)]
    assert calibrated_accuracy(two) == calibrated_accuracy(three) == 1.0
    assert calibrated_accuracy([three[0], *two, *three[1:]]) == 1.0
    assert calibrated_accuracy([*two, *three[:1], ((-4.0, -1.0, -4.5), 0), three[2]]) == 0.8
