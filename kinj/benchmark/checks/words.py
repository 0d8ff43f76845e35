"""Texts as words, numbers, names and runs of words, for comparing them."""

from __future__ import annotations

import re

Run = tuple[str, ...]

_COMMON_WORDS = """
a an the of in on at to for and or by with from as was were is are be been it its he she his her they
their that this which who whom whose what when where why how did do does had has have not after before
than
"""
#: English words that any text has.
_COMMON = frozenset(_COMMON_WORDS.split())
_QUOTES = "'\u2019"  # straight and curly apostrophe
_WORD = re.compile(rf"[^\W\d_][\w{_QUOTES}&.-]*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
#: letters, spaces and punctuation, with hyphens inside words
_WORDS_ALONE = re.compile(r"""([^\W\d_]|[\s.,;:!?'"()‘’“”…]|(?<=\w)[-‐–](?=\w))+""")  # noqa: RUF001  # as people write
_SENTENCE_END = re.compile(r"(?<=[.!?;:])[\"')]*\s+[\"'(]*|\n\s*\n")


def plain(text: str) -> str:
    """Lower case, every run of other than letters and digits one space."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def told_apart(text: str) -> str:
    """What tells an option from others: words without case and punctuation; of "-1" and "C++" every sign."""
    words = plain(text) if _WORDS_ALONE.fullmatch(text) else ""
    return words or re.sub(r"(?<=\w)\.$", "", " ".join(text.casefold().split()))


def contains(text: str, part: str) -> bool:
    """Whether the words of `part` occur in `text` in a row."""
    return f" {plain(part)} " in f" {plain(text)} "


def numbers(text: str) -> set[str]:
    """Every number as written: 17, 3.5, 1,200, 10:45."""
    return set(_NUMBER.findall(text))


def names(text: str) -> set[str]:
    """Words with a capital anywhere but at the start of a sentence, where a capital says nothing."""
    capitalised: set[str] = set()
    for sentence in _SENTENCE_END.split(text):
        capitalised.update(bare_word(word) for word in _WORD.findall(sentence)[1:] if word[0].isupper())
    return {word for word in capitalised if len(word) > 1}


def capitalised(text: str) -> list[str]:
    """Words with a capital, wherever they stand."""
    return [bare_word(word) for word in _WORD.findall(text) if word[0].isupper()]


def bare_word(word: str) -> str:
    """The word without a possessive ending and stray punctuation."""
    return re.sub(rf"[{_QUOTES}]s$", "", word).strip(f".{_QUOTES}-")


def content(text: str) -> list[str]:
    """Its words in lower case but the common ones, numbers as written; all, where it has no others."""
    words = re.findall(r"\d+(?:[.,:]\d+)*|[^\W_]+", text.lower())
    return [word for word in words if word not in _COMMON] or words or [""]


def runs(text: str, length: int) -> set[Run]:
    """Every run of `length` words."""
    words = plain(text).split()
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def shared_share(first: set[Run], second: set[Run]) -> float:
    """Share of the smaller set's runs that the other has too, 0 to 1."""
    return len(first & second) / max(1, min(len(first), len(second)))
