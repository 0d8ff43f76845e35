"""The rules of a verdict, on numbers made up for them."""

import dataclasses

import numpy as np
import pytest

from kinj.records import CONTRASTS
from kinj.report.verdict import Arm, Contrast, contrasts_of, judge, recommend
from kinj.report.verdict.contrasts import Judged
from kinj.report.verdict.prospects import Prospect, prospect_of
from kinj.report.verdict.sentences import points, recommendation_sentences, verdict_sentence
from kinj.statistics import Prior, paired_difference, smallest_difference

BASE, RAG, FT, BOTH = (
    Arm("m", "t", i, r) for i, r in (("none", "none"), ("none", "bm25"), ("raw", "none"), ("raw", "bm25"))
)
ARMS = [BASE, RAG, FT, BOTH]
FT_AND_RAG_HELP = {"FT_base": "better", "RAG_base": "better", "FT_RAG": "worse"}
COSTS = {BASE: 1.0, FT: 2.0, RAG: 3.0, BOTH: 4.0}


def difference(gain=0.2, *, questions=400, trained=False, seed=0):
    draw = np.random.default_rng(seed)
    one, other = draw.random(questions) < 0.5 + gain, draw.random(questions) < 0.5
    labels = np.repeat(np.arange(questions // 2), 2)
    return paired_difference(one.astype(float), other.astype(float), labels, prior=Prior() if trained else None)


def judged(**words):
    """A word for each default contrast: `FT_base="better"`."""
    named = {
        "RAG_base": (RAG, BASE),
        "FT_base": (FT, BASE),
        "FT_RAG": (FT, RAG),
        "both_RAG": (BOTH, RAG),
        "both_FT": (BOTH, FT),
    }
    return [Judged(Contrast(name, *named[name], difference()), word, 0.5, 5) for name, word in words.items()]


def test_every_default_contrast_finds_its_two_arms():
    pairs = list(contrasts_of(ARMS, CONTRASTS))
    assert pairs == list(zip(CONTRASTS, (RAG, FT, FT, BOTH, BOTH), (BASE, BASE, RAG, RAG, FT), strict=True))


def test_arms_of_other_models_tasks_recipes_and_retrievers_are_no_pair():
    strangers = [dataclasses.replace(BASE, model="n"), dataclasses.replace(BASE, task="u")]
    assert list(contrasts_of([RAG, *strangers], ["RAG - base"])) == []
    dense, other = dataclasses.replace(RAG, reading="dense"), dataclasses.replace(BOTH, injection="para")
    assert list(contrasts_of([BOTH, other, dense], ["FT+RAG - RAG"])) == []
    assert len(list(contrasts_of([FT, RAG, dense], ["FT - RAG"]))) == 2


def test_holm_counts_all_contrasts_of_a_report_and_withheld_ones_too():
    good = Contrast("RAG - base", RAG, BASE, difference())
    [alone] = judge([good], 0.03, {})
    withheld = [Contrast("FT - base", FT, BASE, None, "no answers of raw are there")] * 9
    crowd = judge([good, *withheld], 0.03, {})
    assert alone.adjusted_p == pytest.approx(good.difference.p)
    assert crowd[0].adjusted_p == pytest.approx(10 * good.difference.p)
    assert (crowd[0].word, crowd[1].word, crowd[1].adjusted_p, crowd[1].family) == ("better", None, None, 10)


def test_the_noise_of_another_task_counts_where_a_task_has_none():
    good = Contrast("RAG - base", RAG, BASE, difference())
    assert judge([good], 0.03, {("m", "t"): 0.0, ("m", "u"): 0.9})[0].word == "better"
    assert judge([good], 0.03, {("m", "u"): 0.9})[0].word == "can't tell"


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ({}, BASE),
        ({"RAG_base": "can't tell", "FT_base": "the same"}, BASE),
        ({"RAG_base": "better"}, RAG),
        ({"FT_base": "better", "RAG_base": "better"}, FT),  # the cheaper of two between which nothing is shown
        (FT_AND_RAG_HELP, RAG),
        ({**FT_AND_RAG_HELP, "both_RAG": "better"}, RAG),
        ({**FT_AND_RAG_HELP, "both_RAG": "better", "both_FT": "better"}, BOTH),
        ({"both_RAG": "better", "both_FT": "better"}, BASE),  # nothing is shown to be better than the base
    ],
)  # fmt: skip
def test_the_cheapest_arm_is_replaced_by_a_better_one_alone(words, chosen):
    assert recommend(COSTS, judged(**words)) == chosen


def test_what_is_cheapest_depends_on_the_costs():
    words = judged(FT_base="better", RAG_base="better")
    assert recommend({**COSTS, FT: 9.0}, words) == RAG
    assert recommend({}, words) is None


def test_points_have_a_sign_but_for_none():
    assert [points(x) for x in (0.004, -0.051, 0.0, -0.0001)] == ["+0.4", "-5.1", "0.0", "0.0"]


def test_a_sentence_says_what_would_have_shown_and_what_trainings_would_bring():
    near = Judged(Contrast("FT+RAG - RAG", BOTH, RAG, difference(0.0, trained=True)), "can't tell", 1.0, 5)
    text = verdict_sentence(near, 0.03, Prospect(0.088, ((1, 0.07), (2, 0.06)), 0.05))
    assert text.startswith("Fine-tuning (raw) on top of retrieving (bm25): these runs can't tell: ")
    assert text.endswith("; only 8.8 points would have shown, two more trainings would bring that to 6.0.")
    untrained = Judged(Contrast("RAG - base", RAG, BASE, difference(0.0)), "can't tell", 1.0, 5)
    assert "four times the questions would bring that to 5.0" in verdict_sentence(
        untrained, 0.03, Prospect(0.1, (), 0.05)
    )


def test_a_sentence_of_a_withheld_contrast_says_why_and_no_word():
    text = verdict_sentence(
        Judged(Contrast("FT - base", FT, BASE, difference(), "raw misses the planned seed 2"), None, 0.1, 5), 0.03, None
    )
    assert text.startswith(
        "Fine-tuning (raw) instead of asking the model alone: no verdict, raw misses the planned seed 2 ("
    )
    assert "better" not in text


def test_one_trainings_better_names_its_tipping_point():
    far = difference(0.4, trained=True)
    text = verdict_sentence(Judged(Contrast("FT - base", FT, BASE, far), "better", 0.001, 5), 0.03, None)
    assert f"a spread of {points(far.tipping_point, sign=False)} points between trainings" in text


def test_the_recommendation_prints_gain_unit_and_number_of_questions():
    words = judged(RAG_base="better")
    lines = list(recommendation_sentences(RAG, COSTS, "tokens", 10_000, words, {RAG: 3}))
    gain = points(words[0].contrast.difference.mean)
    assert lines[0] == f"Retrieve (bm25, k=3): {gain} points over asking the model alone."
    assert lines[1] == "Cheapest first, in tokens, for 10,000 questions asked: base 1, raw 2, bm25 3, raw + bm25 4."
    nothing = list(recommendation_sentences(BASE, COSTS, "tokens", 10_000, judged(RAG_base="can't tell"), {}))
    assert nothing[0] == "Ask the model alone: the cheapest arm, since these runs tell nothing for or against it."


def test_more_trainings_and_questions_make_smaller_differences_show():
    one = difference(0.1, trained=True)
    prospect = prospect_of(one, 5, Prior())
    assert prospect.now == pytest.approx(
        smallest_difference(one.variance, one.clusters, 0.01, trainings=1, known=one.spread), abs=1e-3
    )
    assert prospect.trainings[1][1] < prospect.trainings[0][1] < prospect.now
    assert prospect.questions < prospect.now
    assert prospect_of(difference(0.1), 5, Prior()).trainings == ()


def test_both_has_to_beat_each_of_its_parts_whether_or_not_they_have_a_cost():
    words = {"FT_base": "better", "both_FT": "better", "both_RAG": "can't tell"}
    unpriced = {arm: cost for arm, cost in COSTS.items() if arm != RAG}
    assert recommend(unpriced, judged(**words)) == FT
    assert recommend(unpriced, [one for one in judged(**words) if one.contrast.declared != "both_RAG"]) == FT
    assert recommend(unpriced, judged(**{**words, "both_RAG": "better"})) == BOTH


def test_a_training_that_reads_everything_has_to_beat_both_of_its_parts():
    every, tuned = (dataclasses.replace(one, reading="everything") for one in (RAG, BOTH))
    better = [Judged(Contrast("x", *pair, difference()), "better", 0.01, 7) for pair in ((FT, BASE), (tuned, FT))]
    assert recommend({BASE: 1.0, FT: 2.0, every: 8.0, tuned: 9.0}, better) == FT
    shown = Judged(Contrast("x", tuned, every, difference()), "better", 0.01, 7)
    assert recommend({BASE: 1.0, FT: 2.0, every: 8.0, tuned: 9.0}, [*better, shown]) == tuned


def first_line(chosen, costs, **words):
    return next(recommendation_sentences(chosen, costs, "tokens", 10, judged(**words), {}))


def test_the_recommendation_names_arms_that_are_beaten_and_cheaper_alone():
    words = {"FT_base": "better", "FT_RAG": "worse", "RAG_base": "can't tell", "both_RAG": "worse"}
    assert first_line(RAG, COSTS, **words) == "Retrieve (bm25): better than fine-tuning (raw)."
    words = {"both_RAG": "can't tell", "both_FT": "better", "FT_base": "better"}
    text = "Fine-tune (raw) and retrieve (bm25): better than fine-tuning (raw)."
    assert first_line(BOTH, COSTS, **words) == text


def test_a_better_arm_without_a_cost_is_named_and_the_cheapest_not_recommended():
    lines = list(recommendation_sentences(BASE, {BASE: 1.0}, "tokens", 10, judged(RAG_base="better"), {}))
    said = "No recommendation: asking the model alone is the cheapest whose cost is known, and something is better."
    assert lines[0] == said
    assert lines[1].startswith("Shown to be better is retrieving (bm25), and not recommended: its cost is ")


def test_what_trainings_and_clusters_share_shrinks_with_the_trainings():
    one = dataclasses.replace(difference(0.1, trained=True), trainings=2, within=0.0)
    shared = dataclasses.replace(one, within=one.variance)
    assert prospect_of(shared, 5, Prior()).now == prospect_of(one, 5, Prior()).now
    assert prospect_of(shared, 5, Prior()).trainings[1][1] < prospect_of(one, 5, Prior()).trainings[1][1] - 0.01
