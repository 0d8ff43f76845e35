import numpy as np
import pytest

from kinj.statistics import Prior, holm, paired_difference, word_for


def test_holms_correction_is_its_definition():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def difference(right=0.7, other=0.5, clusters=100):
    draw = np.random.default_rng(0)
    one, two = (draw.random(2 * clusters) < share for share in (right, other))
    return paired_difference(one.astype(float), two.astype(float), np.repeat(np.arange(clusters), 2))


def test_words_are_earned_by_the_corrected_p_and_the_side():
    better = difference()
    assert word_for(better, 0.049, 0.03) == "better"
    assert word_for(difference(0.5, 0.7), 0.049, 0.03) == "worse"
    assert word_for(better, 0.051, 0.03) == "can't tell"


def test_no_word_for_a_difference_within_the_noise():
    better = difference()
    assert word_for(better, 0.001, 0.03, noise=better.mean + 0.01) == "can't tell"
    assert word_for(better, 0.001, 0.03, noise=better.mean - 0.01) == "better"


def test_the_same_is_an_interval_within_the_margin_and_a_noise_below_it():
    draw = np.random.default_rng(1)
    one = (draw.random(4000) < 0.5).astype(float)
    other = np.where(draw.random(4000) < 0.02, 1 - one, one)
    near = paired_difference(one, other, np.repeat(np.arange(2000), 2))
    assert word_for(near, 0.9, 0.03) == "the same"
    assert word_for(near, 0.9, 0.03, noise=0.04) == "can't tell"
    assert word_for(near, 0.9, 0.001) == "can't tell"


def test_too_few_clusters_or_differences_earn_no_word():
    assert word_for(difference(clusters=19), 0.0001, 0.03) == "too few to tell"
    one = np.zeros(200)
    other = one.copy()
    other[:18:2] = 1  # nine clusters differ
    assert word_for(paired_difference(other, one, np.repeat(np.arange(100), 2)), 0.001, 0.03) == "too few to tell"


def test_one_training_on_many_questions_is_no_proof_of_the_way_of_training():
    draw = np.random.default_rng(2)
    one = (draw.random(8000) < 0.5).astype(float)
    other = np.where((draw.random(8000) < 0.06) & (one == 0), 1.0, one)  # three points more, questions without end
    labels = np.arange(8000)
    of_these = paired_difference(other, one, labels)
    of_the_way = paired_difference(other, one, labels, prior=Prior())
    assert of_these.p < 1e-6
    assert of_the_way.p > 0.05
