"""Rules about a split as a whole: nothing but the question may tell which option is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.records import Question
from kinj.statistics import evenness_p

_PREPOSITIONS = """
about across after against along among amid around at before behind between beyond by despite during
following for from in into near of on onto over since through to toward under until upon with within
without
"""
#: a question that begins with one of these is correct English, and none that is printed
PREPOSITIONS = frozenset(_PREPOSITIONS.split())
#: expected counts below which the chi-square distribution is a poor guide (Cochran 1954)
_LEAST_A_PLACE = 5


def answer_places(split: str, questions: Sequence[Question], least_p: float = 0.05) -> Iterator[Fault]:
    """The right options are not spread evenly over the places (chi-square test), by the number of options.

    Numbers of options that fewer than five questions a place have are passed over: the test does not hold for them.
    """
    for size, counts in answer_counts(questions).items():
        if sum(counts) >= _LEAST_A_PLACE * size and (p := evenness_p(counts)) <= least_p:
            why = f"answer places {counts} are not even (chi-square p = {p:.3f}, expected above {least_p})"
            yield Fault(split, why)


def answer_counts(questions: Sequence[Question]) -> dict[int, list[int]]:
    """Of the questions with so many options, how many have the right one at each place; the fewest options first."""
    places = Counter((len(question.choices), question.answer) for question in questions if question.choices)
    sizes = sorted({size for size, _ in places})
    return {size: [places[size, place] for place in range(size)] for size in sizes}


def option_lengths(questions: Sequence[Question]) -> tuple[float, float] | None:
    """Mean characters of right options and of wrong ones; None where no question has options."""
    right = [len(question.right_answer) for question in questions if question.choices]
    wrong = [len(choice) for q in questions for place, choice in enumerate(q.choices) if place != q.answer]
    return (sum(right) / len(right), sum(wrong) / len(wrong)) if right else None


def right_option_length(split: str, questions: Sequence[Question], most: float = 0.05) -> Iterator[Fault]:
    """On average over the split, the right option is longer or shorter than the wrong ones, in characters."""
    lengths = option_lengths(questions)
    if lengths is None:
        return
    ours, theirs = lengths
    if abs(ours - theirs) > most * theirs:
        yield Fault(split, f"right options have {ours:.1f} characters, wrong ones {theirs:.1f}, not within {most:.0%}")


def opening_prepositions(split: str, questions: Sequence[Question], most: float = 0.08) -> Iterator[Fault]:
    """Too many questions begin with a preposition ("Of which metal …", "By way of which country …")."""
    found = [q.id for q in questions if q.question.split()[0].lower() in PREPOSITIONS]
    if len(found) > most * len(questions):
        share = f"{len(found) / len(questions):.1%}, expected {most:.0%} at most"
        yield Fault(split, f"questions that begin with a preposition: {share}: {', '.join(found)}")


def known_before(split: str, questions: Sequence[Question], most: float = 0.05) -> Iterator[Fault]:
    """Too many questions ask what was public before the documents' time, or some do not say whether they do."""
    counts = Counter(question.knowledge for question in questions)
    if unsaid := len(questions) - counts["new"] - counts["known_before"]:
        yield Fault(split, f"{unsaid} of {len(questions)} questions do not say whether they ask new knowledge")
    if (count := counts["known_before"]) > most * len(questions):
        yield Fault(split, f"{count} of {len(questions)} questions ask old knowledge, expected {most:.0%} at most")
