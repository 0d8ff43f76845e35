"""Rules for questions that have to stand alone: asked of a reader who sees no chunk. They know English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kinj.benchmark.checks.fault import Fault
from kinj.records import Question

_PARTS = (
    "table|figure|fig|section|chapter|equation|box|example|exercise|appendix|page|paragraph|passage|part|step|item|line"
)
#: "Table 2", "Section 3.1"
_NUMBERED = re.compile(rf"\b(?:{_PARTS})s?\.?\s+(?:\d+(?:\.\d+)*|[IVX]+)\b", re.I)
_WRITTEN = (
    "text|passage|article|section|chapter|paragraph|excerpt|document|author|authors|speaker|narrator|following|above|"
    "table|figure|diagram|list|example|order|quote|quotation"
)
#: "the order", "this section"; not "the order of the planets", which says what is ordered, "in this order", "the
#: following night"
_THE_PART = re.compile(
    rf"(?<!in )\b(?:[Tt]he|[Tt]his|[Tt]hat|[Tt]hese|[Tt]hose)\s+(?:{_WRITTEN})\b"
    r"(?!\s+(?:of|that|which|in|by|to|for|from|on|at|with|was|who)\b)"
    r"(?!\s+(?:day|night|morning|evening|week|weekend|month|year|season|spring|summer|autumn|winter|game|match)\b)"
)
_AS_SAID = re.compile(
    r"\b(?:mentioned|described|discussed|shown|listed|given|stated|according to)\s+(?:above|here)\b", re.I
)
#: "this event"; not "which of these planets", which points at the options
_POINTING = re.compile(r"(?<!of )\b(?:this|these)\s+[a-z]+", re.I)
_AUXILIARY = "did|does|do|was|were|is|are|has|had|have|can|could|will|would|should|may|might|must"
#: "did he", "does it": somebody who has not been named, unless a name or a clause stands before
_LOOSE = re.compile(
    rf"\b(?:{_AUXILIARY})\s+(he|she|they|we|you)\b"
    # "What time was it" names nothing and need not.
    r"|\b(?:did|does|do|has|had|have|can|could|will|would|should)\s+(it)\b",
    re.I,
)
#: "What is his", not "Who lost his": there he has been asked for
_LOOSE_OWNER = re.compile(r"^\W*\w+\s+(?:is|was|are|were|did|does|do)\s+(?:his|her|its|their|our|my)\b", re.I)


def stands_alone(question: Question) -> Iterator[Fault]:
    """The question points at what only somebody with the chunk before him sees."""
    text = question.question
    for rule in (_NUMBERED, _THE_PART, _AS_SAID):
        if match := rule.search(text):
            yield Fault(question.id, f"the question says {match[0]!r}, which its reader does not see")
            return
    if (match := _POINTING.search(text)) and not _has_name(text[: match.start()]):
        yield Fault(question.id, f"the question says {match[0]!r} and has not named it")
        return
    if match := _LOOSE.search(text):
        before = text[: match.start()]
        # "After Fitch cut the rating, what did it say": a clause or a name before is what the pronoun stands for.
        if "," not in before and not _has_name(before):
            yield Fault(question.id, f"the question says {(match[1] or match[2])!r} of something that it has not named")
    elif match := _LOOSE_OWNER.search(text):
        yield Fault(question.id, f"the question begins with {match[0]!r} of something that it has not named")


def _has_name(text: str) -> bool:
    """Whether a word but the first has a capital."""
    return any(word[:1].isupper() for word in text.split()[1:])
