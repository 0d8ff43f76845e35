"""How text becomes the terms that BM25 compares: one description for every back end."""

from __future__ import annotations

#: The 33 English stop words of Lucene's `EnglishAnalyzer` (`ENGLISH_STOP_WORDS_SET`, Lucene 9), before stemming.
_STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with"
)
STOP_WORDS: tuple[str, ...] = tuple(_STOP_WORDS.split())

#: Part of every BM25 fingerprint: a change here makes old indexes unreadable instead of subtly different.
ANALYSIS: dict[str, str] = {
    "split": "on everything that is neither letter nor digit",
    "case": "lower",
    "stop_words": " ".join(STOP_WORDS),
    "stemmer": "Snowball English (porter2)",
    "score": "BM25, k1 1.2, b 0.75, OR of the query's terms",
}
