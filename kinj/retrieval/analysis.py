"""How text becomes the terms that BM25 compares: one description for every back end.

English text alone is analysed by each back end itself, as `ANALYSIS` says. Any other is analysed here, and both back
ends keep the terms as they come: so they are the same on both, whatever languages their own filters know.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import tantivy

from kinj.records import Json

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
#: The same of every index that is not of English alone.
_RULES: dict[str, str] = {
    "unicode": "NFC",
    "split": "words of letters, marks and digits; scripts without spaces and Hangul: every two neighbours, in chunks "
    "every single one too, in queries one that stands alone",
    "case": "lower",
    "stop_words": "English: Lucene's 33; else Snowball's where tantivy has them",
    "stemmer": "Snowball where tantivy has one",
    "longest": "a word counts by its first 100 characters",
    "score": ANALYSIS["score"],
}
#: Languages with a Snowball stemmer, by ISO 639-1, in the words of tantivy; Elasticsearch has all but Tamil's too.
STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nb": "norwegian", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish",
}  # fmt: skip
#: Of these, those without a list of stop words.
WITHOUT_STOP_WORDS = ("ar", "el", "ro", "ta", "tr")
#: Scripts that are written without spaces between words, and Hangul, whose words carry their particles: Thai, Lao,
#: Myanmar, Hangul, Khmer, Han, Hiragana, Katakana, Bopomofo. As the inside of a class in a regular expression.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff"
    "\u3100-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff"
    "\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_SPACELESS = re.compile(f"[{SPACELESS}]")
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one index."""

    #: its languages, each with the number of its chunks; empty: English alone, analysed by the back end
    languages: tuple[tuple[str, int], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the back end analyses, as it did before there was a choice: the texts are English, and NFC."""
        return not self.languages

    @property
    def description(self) -> Json:
        """What a manifest says; part of the fingerprint."""
        return {**_RULES, "languages": dict(self.languages)} if self.languages else dict(ANALYSIS)

    def of_chunk(self, text: str, language: str) -> str:
        """The terms of a chunk, joined by spaces."""
        return " ".join(_terms(text, language, is_query=False))

    def of_query(self, text: str) -> list[str]:
        """The terms of a query: those that any language of the index makes of it."""
        terms: Counter[str] = Counter()
        for language, _ in self.languages:
            terms |= Counter(_terms(text, language, is_query=True))
        return list(terms.elements())


def read_analysis(description: Json) -> Analysis | None:
    """The analysis of that description; None where another version of kinj wrote it."""
    languages = description.get("languages", {})
    analysis = Analysis(tuple(languages.items()))
    return analysis if analysis.description == description else None


def composed(text: str) -> str:
    """The text in NFC, so that a letter with its mark is the same however it is spelled."""
    return unicodedata.normalize("NFC", text)


def _terms(text: str, language: str, *, is_query: bool) -> Iterator[str]:
    for term in _analyser(language).analyze(composed(text)):
        if not _SPACELESS.match(term):
            yield term[:_LONGEST]
            continue
        letters = _with_marks(term)
        if len(letters) == 1 or not is_query:
            yield from (letter[:_LONGEST] for letter in letters)
        yield from ((one + two)[:_LONGEST] for one, two in pairwise(letters))


def _with_marks(run: str) -> list[str]:
    """The letters of a run, each with the vowel signs and tone marks on it."""
    letters: list[str] = []
    for sign in run:
        if letters and unicodedata.category(sign)[0] == "M":
            letters[-1] += sign
        else:
            letters.append(sign)
    return letters


@cache
def _analyser(language: str) -> tantivy.TextAnalyzer:
    """Words and runs of spaceless script, lowered, stopped and stemmed."""
    letters = r"\p{L}\p{M}\p{N}"
    split = f"[{letters}&&[{SPACELESS}]]+|[{letters}--[{SPACELESS}]]+"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(split)).filter(tantivy.Filter.lowercase())
    if language == "en":
        builder = builder.filter(tantivy.Filter.custom_stopword(list(STOP_WORDS)))
    elif language in STEMMERS and language not in WITHOUT_STOP_WORDS:
        builder = builder.filter(tantivy.Filter.stopword(STEMMERS[language]))
    if language in STEMMERS:
        builder = builder.filter(tantivy.Filter.stemmer(STEMMERS[language]))
    return builder.build()
