"""Rules for the forms of questions: what is told without names, what needs two chunks, what nobody can answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import capitalised, contains, names, numbers
from kinj.records import Question

_DAYS_AND_SIDES = """
January February March April May June July August September October November December Monday Tuesday
Wednesday Thursday Friday Saturday Sunday American Americans America U.S United States Republican
Republicans Democrat Democrats Democratic English I
"""
#: Capitalised words that name no event: an indirect question may say them.
_NO_NAMES = frozenset(_DAYS_AND_SIDES.split())


def indirect_names(question: Question, chunk_text: str) -> Iterator[Fault]:
    """An indirect question has a name of its chunk."""
    said = set(capitalised(question.question)[1:])  # the first word has a capital whatever it is
    if shared := sorted((said & names(chunk_text)) - _NO_NAMES):
        yield Fault(question.id, f"the indirect form says {', '.join(shared)}, as its chunk does")


def evidence(question: Question, chunk_text: str) -> Iterator[Fault]:
    """What is quoted lacks the right option, or a number of it, though the chunk has it."""
    if not question.evidence:
        return
    quoted = " ".join(question.evidence)
    right = question.right_answer
    for number in sorted((numbers(right) & numbers(chunk_text)) - numbers(quoted)):
        yield Fault(question.id, f"the number {number} of the right option is not in the evidence")
    if contains(chunk_text, right) and not contains(quoted, right):
        yield Fault(question.id, f"the right option {right!r} stands in the chunk, but not in the evidence")


def two_chunks(split: str, questions: Sequence[Question], documents: dict[str, str]) -> Iterator[Fault]:
    """A question of form two has other than two chunks, of one document, or shares one with another of its split."""
    used = Counter(chunk_id for question in questions for chunk_id in set(question.chunk_ids))
    for question in questions:
        if len(set(question.chunk_ids)) != 2 or len({documents[chunk_id] for chunk_id in question.chunk_ids}) != 2:
            yield Fault(question.id, f"needs two chunks of two documents, has {', '.join(question.chunk_ids)}")
    for chunk_id, times in used.items():
        if times > 1:
            yield Fault(split, f"{times} two-chunk questions need the chunk {chunk_id}, expected one")
