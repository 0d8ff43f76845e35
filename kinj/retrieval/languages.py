"""Which language each chunk of an index counts as: said by the user, by its document, or found in its text."""

from __future__ import annotations

import logging
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from typing import NamedTuple

from kinj.corpus.language import find_language
from kinj.errors import UserError
from kinj.progress import progress
from kinj.records import Chunk
from kinj.retrieval.analysis import STEMMERS, WITHOUT_STOP_WORDS, Analysis
from kinj.retrieval.changes import chunks_of
from kinj.retrieval.chunkfile import SortedChunks

log = logging.getLogger(__name__)

#: A language of Latin letters that a smaller share of chunks seems to be in is taken for a mistake; and where a smaller
#: share of English holds decomposed letters, the index stays what it was before there was a choice.
_LEAST_SHARE = 0.01
#: English prose has a "the" every hundred letters or so, and no other language has one: that saves the look-up.
_LETTERS_FOR_A_THE = 300
#: Characters by which a text's script is told.
_SAMPLE = 1000
#: What texts that the look-up does not know are, by their script. Han alone may be several, which are treated alike.
_SCRIPTS = (("ko", "[\uac00-\ud7ff]"), ("ja", "[\u3040-\u30ff]"), ("th", "[\u0e00-\u0e7f]"), ("zh", "[\u4e00-\u9fff]"))
_CODE = re.compile(r"[a-z]{2}")
#: What a document may say: `de`, and of `de-AT`, `zh_CN` the first part; anything else (`German`) tells nothing.
_SAID = re.compile(r"[A-Za-z]{2}(?=$|[-_])")
_LAST_LATIN = "\u024f"


@dataclass(frozen=True, slots=True)
class Languages:
    """The language of each chunk, in their order. `find_languages` makes one."""

    analysis: Analysis
    codes: tuple[str, ...]
    #: for each chunk its place in `codes`
    rows: array[int]

    def __iter__(self) -> Iterator[str]:
        """Yields the language of each chunk."""
        return (self.codes[place] for place in self.rows)

    def of_row(self, row: int) -> str:
        """The language of the chunk in that row."""
        return self.codes[self.rows[row]]

    def __str__(self) -> str:
        counts = Counter(self)
        return "; ".join(f"{code} ({chunks_of(counts[code])}, {_treatment(code)})" for code in sorted(counts))


class _Finding(NamedTuple):
    """What one document says; no language where it does not tell."""

    language: str = ""
    #: whether its field or its script says so, not the frequencies of its letters
    is_sure: bool = False


def check_language(language: str | None) -> None:
    """Refuses what is no language code.

    Raises:
        UserError: names the form.
    """
    if language is not None and not _CODE.fullmatch(language):
        raise UserError(f"language={language}: must be a language's two letters of ISO 639-1, such as en, de or zh")


def find_languages(chunks: SortedChunks | Sequence[Chunk], language: str | None = None) -> Languages:
    """The language of each chunk: the given one; else its document's, by its field `language` or by its text.

    A document that does not tell is taken to be in the language of most chunks, English where none tells. So is one
    that seems to be in a language of Latin letters in which hardly another is: lists of names look like that.

    Args:
        chunks: sorted by id, so that those of a document come together; read once.
        language: of all chunks.
    """
    places: dict[_Finding, int] = {}
    rows = array("H")
    decomposed = 0
    with progress("telling languages", len(chunks)) as advance:
        for _, of_document in groupby(chunks, key=lambda chunk: chunk.document_id):
            finding, count = _Finding(language or "", is_sure=language is not None), 0
            for chunk in of_document:
                count += 1
                decomposed += not unicodedata.is_normalized("NFC", chunk.searched_text)
                finding = finding if finding.language else _look(chunk)
            rows.extend(repeat(places.setdefault(finding, len(places)), count))
            advance(count)
    codes = _codes(places, Counter(rows))
    counts = Counter(codes[place] for place in rows)
    is_plain = list(counts) == ["en"] and (not decomposed or decomposed < _LEAST_SHARE * len(rows))
    found = Languages(Analysis(() if is_plain else tuple(sorted(counts.items()))), codes, rows)
    log.info("language %s: %s", "as given" if language else "of the texts (--language sets it)", found)
    return found


def _codes(findings: Iterable[_Finding], counts: Counter[int]) -> tuple[str, ...]:
    """What each finding counts as; `counts` holds by its place how many chunks it is of."""
    least = _LEAST_SHARE * counts.total()
    told = [
        finding.language if finding.is_sure or counts[place] >= least else "" for place, finding in enumerate(findings)
    ]
    sums: Counter[str] = Counter()
    for place, code in enumerate(told):
        sums[code] += counts[place] if code else 0
    most = max((code for code in sums if code), key=lambda code: (sums[code], code), default="en")
    return tuple(code or most for code in told)


def _look(chunk: Chunk) -> _Finding:
    if said := _SAID.match(chunk.language):
        return _Finding(said[0].lower(), is_sure=True)
    text = chunk.text
    if text.count(" the ") * _LETTERS_FOR_A_THE >= len(text):
        return _Finding("en")
    letters = [letter for letter in text[:_SAMPLE] if letter.isalpha()]
    is_latin = 2 * sum(letter <= _LAST_LATIN for letter in letters) >= len(letters)
    # The look-up tells Wu from Mandarin by codes of three letters, which the script knows better.
    if _CODE.fullmatch(code := find_language(text)):
        return _Finding(code, is_sure=not is_latin)
    by_script = (of_script for of_script, script in _SCRIPTS if not is_latin and re.search(script, text))
    return _Finding(code, is_sure=True) if (code := next(by_script, "")) else _Finding()


def _treatment(code: str) -> str:
    """What the analysis does for a language, in words."""
    if code in ("ja", "km", "ko", "lo", "my", "th", "zh"):
        return "pairs of letters"
    if code not in STEMMERS:
        return "no stemmer and no stop words"
    return "Snowball stemmer" + ("" if code in WITHOUT_STOP_WORDS else " and stop words")
