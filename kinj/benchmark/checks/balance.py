"""Rules about a split as a whole: nothing but the question may tell which option is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.records import Question
from kinj.statistics import evenness_p


def answer_places(split: str, questions: Sequence[Question], least_p: float = 0.05) -> Iterator[Fault]:
    """The right options are not spread evenly over the four places (chi-square test)."""
    places = Counter(question.answer for question in questions)
    counts = [places[place] for place in range(4)]
    if (p := evenness_p(counts)) <= least_p:
        yield Fault(split, f"answer places {counts} are not even (chi-square p = {p:.3f}, expected above {least_p})")


def right_option_length(split: str, questions: Sequence[Question], most: float = 0.05) -> Iterator[Fault]:
    """On average over the split, the right option is longer or shorter than the wrong ones, in characters."""
    right = [len(q.choices[q.answer]) for q in questions]
    wrong = [len(choice) for q in questions for place, choice in enumerate(q.choices) if place != q.answer]
    ours, theirs = sum(right) / len(right), sum(wrong) / len(wrong)
    if abs(ours - theirs) > most * theirs:
        yield Fault(split, f"right options have {ours:.1f} characters, wrong ones {theirs:.1f}, not within {most:.0%}")
