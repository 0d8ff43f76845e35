"""Which language a text is in, by its letters."""

from __future__ import annotations

from functools import cache
from typing import Any

#: Characters that are looked at: more change nothing.
_SAMPLE = 2_000
#: Bytes of letters, in UTF-8: four English words, or seven Chinese characters. Fewer say too little.
_FEWEST_BYTES = 20
_LEAST_PROBABILITY = 0.5


def find_language(text: str) -> str:
    """The ISO 639-1 code of the language that most of the text's beginning is in; empty where it is not clear.

    By py3langid's naive Bayes classifier over 114 languages: the same text gives the same code on every machine. Other
    than `langdetect` it draws no random numbers, and its model is a file of 4.5 MB (lingua's is 96 MB).
    """
    sample = text[:_SAMPLE]
    letters = "".join(filter(str.isalpha, sample))
    if len(letters.encode("utf-8", "ignore")) < _FEWEST_BYTES:
        return ""
    language, probability = _identifier().classify(sample)
    # Some languages have three letters alone, and `zxx` is no language.
    return str(language) if probability >= _LEAST_PROBABILITY and len(language) == 2 else ""


@cache
def _identifier() -> Any:  # Any: py3langid ships no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
