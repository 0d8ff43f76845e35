"""What is written about: a collection's documents and chunks, which of them are worth asking, and in which order."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kinj.benchmark import Benchmark, open_benchmark
from kinj.corpus.language import find_language
from kinj.errors import UserError
from kinj.records import Chunk, Document

_HEADINGS = """
references, reference, bibliography, citations, sources, literature, notes, footnotes, endnotes, index, contents,
acknowledgements, acknowledgments, credits, license, licence, copyright, further reading, external links, see also,
works cited, table of contents, legal notice
"""
#: Headings of sections that say nothing about their subject.
_REFERENCES = frozenset(_HEADINGS.replace("\n", " ").strip().split(", "))
_LICENCE = re.compile(
    r"licen[sc]ed under|all rights reserved|permission is hereby granted|creative commons|without warrant|"
    r"warranties of merchantability|redistribut\w+ and use|copyright \(?c\)?|terms of (?:this|the) licen[sc]e",
    re.I,
)
#: "Introduction ..... 7"
_CONTENTS_LINE = re.compile(r"(?:\.{3,}|\s{3,}|\t|\|)\s*(?:\d+|[ivxlc]+)\s*\|?\s*$", re.I)
_REFERENCE_LINE = re.compile(
    r"https?://|\bdoi[:.]|\bpp?\.\s*\d|\((?:19|20)\d\d[a-z]?\)|^\s*\[?\d+[\].]\s.*\b(?:19|20)\d\d\b|\bISBN\b"
)
#: Six words and a full stop, or as many signs of a script without spaces.
_SENTENCE = re.compile(
    r"(?:[^\s.!?]+\s+){5,}[^\s.!?]*[.!?]|[\u3040-\u30ff\u3400-\u9fff]{10,}[\u3002\uff01\uff1f]|(?:\S+\s+){5,}\S*\u0964"
)


@dataclass(frozen=True)
class Material:
    """A collection as the writer sees it."""

    benchmark: Benchmark
    seed: int

    @cached_property
    def documents(self) -> dict[str, Document]:
        """By id."""
        return {document.id: document for document in self.benchmark.documents}

    @cached_property
    def chunks(self) -> dict[str, Chunk]:
        """By id."""
        return {chunk.id: chunk for chunk in self.benchmark.chunks}


def open_material(folder: Path, seed: int) -> Material:
    """A collection, or a benchmark that has questions already.

    Raises:
        UserError: it is none (see `open_benchmark`).
    """
    for name in ("documents.jsonl", "chunks.jsonl"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} has no {name}: `kinj corpus files YOUR_TEXTS {folder}` makes a collection")
    return Material(open_benchmark(folder, needs_questions=False), seed)


def sha256_of(*chunks: Chunk) -> str:
    """Of the texts of chunks, 16 hex digits: what an answer was about."""
    digest = hashlib.sha256("\0".join(chunk.text for chunk in chunks).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def drawn(seed: int, *names: object) -> int:
    """A number that only the seed and the names decide, the same on every machine: for order and chance."""
    spelled = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(spelled.encode("utf-8", "replace")).digest()[:8])


def language_of(chunk: Chunk) -> str:
    """ISO 639-1, two letters; empty where it is not clear."""
    return chunk.language or find_language(chunk.text)


def why_not_asked(chunk: Chunk) -> str:
    """Why a chunk is worth no question, in a word or two; empty where it is."""
    heading = chunk.headings[-1].strip().casefold().strip("# :.") if chunk.headings else ""
    if heading in _REFERENCES:
        return "references"
    lines = [line for line in chunk.text.splitlines() if line.strip()]
    if len(_LICENCE.findall(chunk.text)) >= 2:
        return "licence"
    if _most(lines, _CONTENTS_LINE):
        return "contents"
    if _most(lines, _REFERENCE_LINE):
        return "references"
    if not _SENTENCE.search(chunk.text):
        return "no full sentence"
    return ""


def _most(lines: Sequence[str], rule: re.Pattern[str]) -> bool:
    return len(lines) >= 3 and sum(bool(rule.search(line)) for line in lines) > len(lines) / 2


class Order:
    """Which chunks are asked, and in which order: evenly over the documents, whatever the number that is needed.

    A chunk's place hangs on its document and the seed alone, so that documents that come later move no other; chunks
    that have an answer already stand before all others, so that no further ones are asked in their place.
    """

    def __init__(self, material: Material, asked_before: Iterable[str] = ()) -> None:
        self.not_asked: Counter[str] = Counter()
        self._material = material
        self._before = frozenset(asked_before)

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All that are worth asking."""
        return sorted(self._drawn, key=lambda chunk: chunk.id not in self._before)

    def as_drawn(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Some of them as they would stand had none been asked before, so that no stop shows in what a run leaves."""
        places = {chunk.id: place for place, chunk in enumerate(self._drawn)}
        return sorted(chunks, key=lambda chunk: places[chunk.id])

    @cached_property
    def _drawn(self) -> list[Chunk]:
        by_document: dict[str, list[Chunk]] = {}
        for chunk in self._material.benchmark.chunks:
            if reason := why_not_asked(chunk):
                self.not_asked[reason] += 1
            else:
                by_document.setdefault(chunk.document_id, []).append(chunk)
        seed = self._material.seed
        places: list[tuple[int, int, Chunk]] = []
        for document, chunks in by_document.items():
            chunks.sort(key=lambda chunk: drawn(seed, "chunk", chunk.id))
            place = drawn(seed, "document", document)
            places += [(rank, place, chunk) for rank, chunk in enumerate(chunks)]
        return [chunk for *_, chunk in sorted(places, key=lambda entry: entry[:2])]


def split_by_document(
    documents: Sequence[str], given: Mapping[str, str], *, dev_share: float, seed: int
) -> dict[str, str]:
    """The split of each document: those given stay, the others are drawn.

    Args:
        documents: ids of those that questions are asked about.
        given: document -> split of those that have one.
        dev_share: of the documents outside the few-shot ones, 0 to 1.
        seed: draws.

    Returns:
        document -> test, dev or fewshot. Ten documents and more give three few-shot documents, three to nine give one;
        with fewer there are no few-shot rows, and with one no dev.
    """
    splits = {document: given[document] for document in documents if given.get(document)}
    counts = Counter(splits.values())
    fewshot = 3 if len(documents) >= 10 else 1 if len(documents) >= 3 else 0
    others = len(documents) - fewshot
    dev = max(1, round(dev_share * others)) if others > 1 and dev_share > 0 else 0
    new = [document for document in documents if document not in splits]
    for document in sorted(new, key=lambda document: drawn(seed, "split", document)):
        split = "fewshot" if counts["fewshot"] < fewshot else "dev" if counts["dev"] < dev else "test"
        counts[split] += 1
        splits[document] = split
    return splits
