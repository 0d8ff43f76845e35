"""Rules for what gives the right option away: it is of another kind than the wrong ones, or stands out among them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import content, plain
from kinj.records import Question

#: A right option that has so many times the characters of the longest wrong one, and more than a few words have.
MOST_LONGER, SHORT = 2.0, 28
#: Options of more words are clauses, in which a number is one thing among others.
MOST_WORDS = 4
#: The right option may have this share of its words in the question, and no more.
MOST_IN_QUESTION = 0.5

_TEXT = re.compile(r"\b(?:the|this) (?:passage|text|article|excerpt|document)\b", re.I)
_NUMBER = re.compile(r"\b\d")
_YEAR = re.compile(r"\b(?:1\d{3}|20\d\d)\b")


def options_of_one_kind(question: Question) -> Iterator[Fault]:
    """The right option has digits and no wrong one has, or the other way round; the same of years.

    Names may have digits ("RAV4"): a number is one that begins a word.
    """
    right, wrong = _right_and_wrong(question)
    if max(len(choice.split()) for choice in question.choices) > MOST_WORDS:
        return
    for name, rule in (("a number", _NUMBER), ("a year", _YEAR)):
        ours, others = bool(rule.search(right)), {bool(rule.search(option)) for option in wrong}
        if others == {not ours}:
            which = "the right option alone has" if ours else "every option but the right one has"
            yield Fault(question.id, f"{which} {name}: {list(question.choices)}")
            return


def longest_option(question: Question) -> Iterator[Fault]:
    """The right option is much longer than every wrong one."""
    right, wrong = _right_and_wrong(question)
    longest = max(map(len, wrong))
    if len(right) > SHORT and len(right) > MOST_LONGER * longest:
        yield Fault(question.id, f"the right option has {len(right)} characters, the longest wrong one {longest}")


def question_words(question: Question) -> Iterator[Fault]:
    """The right option repeats words of the question, and no wrong one does."""
    asked = set(content(question.question))

    def share(option: str) -> float:
        words = [word for word in content(option) if len(word) > 1 and not _has_digit(word)]
        return sum(word in asked for word in words) / max(1, len(words))

    right, wrong = _right_and_wrong(question)
    if share(right) > MOST_IN_QUESTION and not any(share(option) for option in wrong):
        yield Fault(question.id, f"only the right option {right!r} has words of the question")


def nested_options(question: Question) -> Iterator[Fault]:
    """A wrong option is a part of the right one or holds it: both may be right."""
    right, wrong = _right_and_wrong(question)
    for option in wrong:
        inner, outer = sorted((f" {plain(right)} ", f" {plain(option)} "), key=len)
        if inner.strip() and inner != outer and inner in outer and not _has_digit(inner + outer):
            yield Fault(question.id, f"the option {option!r} and the right one {right!r} hold one another")


def option_about_text(question: Question) -> Iterator[Fault]:
    """An option speaks of the chunk: writers do so where they find no wrong answer."""
    for choice in question.choices:
        if match := _TEXT.search(choice):
            yield Fault(question.id, f"the option {choice!r} says {match[0]!r}, which its reader does not see")


def _right_and_wrong(question: Question) -> tuple[str, list[str]]:
    right = question.choices[question.answer]
    return right, [choice for place, choice in enumerate(question.choices) if place != question.answer]


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
