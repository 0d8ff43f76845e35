"""Scores of the tasks: letters with and without their bias taken out, and open answers."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

#: one question's log-probability of each letter, and the index of the right one
LettersScored = tuple[tuple[float, ...], int]


def score_letters(
    doc: Mapping[str, Any],  # Any: a row of any data set
    results: Sequence[tuple[float, bool]],
) -> dict[str, float | LettersScored]:
    """`acc` of one question as lm-eval 0.4.13 counts it (the first of equals wins), and what `acc_calibrated` needs."""
    log_probabilities = tuple(float(log_probability) for log_probability, _ in results)
    answer = int(doc["answer"])
    return {
        "acc": float(np.argmax(log_probabilities) == answer),
        "acc_calibrated": (log_probabilities, answer),
    }


def calibrated_accuracy(scored: Sequence[LettersScored]) -> float:
    """Share of questions answered right once each letter's mean log-probability over them has been subtracted.

    A model that prefers a letter whatever the question loses that preference; no right answer is looked at. Batch
    calibration (Zhou et al. 2023, "Batch Calibration: Rethinking Calibration for In-Context Learning and Prompt
    Engineering", arXiv 2309.17249) divides by each letter's mean probability; we subtract the mean log-probability: the
    same shift for every question, estimated on the scale on which the letters are compared. It supposes that right
    answers are spread evenly over the letters, and means little for a handful of questions. Where questions differ in
    their number of options, those of each number are shifted among themselves: A has another bias beside B alone than
    beside nine others.
    """
    right = 0
    for size in {len(values) for values, _ in scored}:
        alike = [(values, answer) for values, answer in scored if len(values) == size]
        log_probabilities = np.array([values for values, _ in alike])
        shifted = log_probabilities - log_probabilities.mean(axis=0)
        right += int(np.sum(shifted.argmax(axis=1) == np.array([answer for _, answer in alike])))
    return right / len(scored)


def score_answer(
    doc: Mapping[str, Any],  # Any: a row of any data set
    results: Sequence[str],
) -> dict[str, float]:
    """`exact_match` and `token_f1` of one generated answer, each against the accepted answer it fits best."""
    answer = results[0]
    accepted = doc["accepted_answers"]
    return {"exact_match": best(exact_match, answer, accepted), "token_f1": best(token_f1, answer, accepted)}


def best(score: Callable[[str, str], float], answer: str, accepted: Sequence[str]) -> float:
    """The largest score over the accepted answers."""
    return max(score(answer, right) for right in accepted)


def exact_match(answer: str, accepted: str) -> float:
    """1 where both are the same after `normalised`, else 0."""
    return float(normalised(answer) == normalised(accepted))


def token_f1(answer: str, accepted: str) -> float:
    """Harmonic mean of precision and recall over the `normalised` words, 0 to 1, as in SQuAD v1.1's evaluation."""
    ours, theirs = normalised(answer).split(), normalised(accepted).split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def normalised(text: str) -> str:
    """Lower case without ASCII punctuation, English articles and extra spaces, as in SQuAD v1.1's evaluation."""
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())
