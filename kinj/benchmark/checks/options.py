"""Rules for one question and its options."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import capitalised, contains, numbers, told_apart
from kinj.records import Question

_TEXT_ITSELF = re.compile(r"\b(the (text|passage|article|paragraph|excerpt|above)|recently)\b", re.I)
_CATCH_ALL = re.compile(r"\b(all|none|both|neither) of (the|these|them)\b|\bthe above\b", re.I)


def repeated_option(question: Question) -> Iterator[Fault]:
    """Two options are the same but for case and punctuation."""
    if len({told_apart(choice) for choice in question.choices}) < len(question.choices):
        yield Fault(question.id, f"two options are the same: {list(question.choices)}")


def option_in_question(question: Question) -> Iterator[Fault]:
    """An option's text occurs in the question."""
    for choice in question.choices:
        if contains(question.question, choice):
            yield Fault(question.id, f"the option {choice!r} occurs in the question")


def catch_all_option(question: Question) -> Iterator[Fault]:
    """An option speaks of the other options."""
    for choice in question.choices:
        if _CATCH_ALL.search(choice):
            yield Fault(question.id, f"the option {choice!r} speaks of other options")


def reference_to_text(question: Question) -> Iterator[Fault]:
    """The question supposes that its reader sees the chunk, or knows when it was written."""
    if match := _TEXT_ITSELF.search(question.question):
        yield Fault(question.id, f"the question says {match[0]!r}")


def unsupported_right_option(question: Question, chunk_text: str) -> Iterator[Fault]:
    """A number or a name of the right option does not occur in the chunk."""
    right = question.right_answer
    for number in sorted(numbers(right) - numbers(chunk_text)):
        yield Fault(question.id, f"the number {number} of the right option {right!r} is not in the chunk")
    for word in capitalised(right):
        if word.lower() not in chunk_text.lower():
            yield Fault(question.id, f"the word {word!r} of the right option {right!r} is not in the chunk")


def wrong_option_stated(question: Question, chunk_text: str) -> Iterator[Fault]:
    """A wrong option stands in the chunk word for word and the right one does not.

    Where both stand there, only a reader can say which one answers the question.
    """
    if contains(chunk_text, question.right_answer):
        return
    for place, choice in enumerate(question.choices):
        if place != question.answer and contains(chunk_text, choice):
            yield Fault(question.id, f"the wrong option {choice!r} stands in the chunk, the right one does not")
