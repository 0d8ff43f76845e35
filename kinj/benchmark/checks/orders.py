"""Texts that give a model orders, and answers that obeyed them. The rule knows English."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import contains, plain, runs
from kinj.benchmark.collection import Benchmark

_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:\w+\s+){0,3}(?:above|previous|prior|earlier|preceding|instructions?|prompts?|"
    r"passage|rules?)\b"
    r"|\b(?:system prompt|you are now(?! (?:in|at|on)\b)|new instructions?|as an ai(?:,| model| assistant| language)|"
    r"language model,? (?:you|answer|write|respond))(?!\w)"
    # Said to somebody, not told of somebody: "He refused to answer in public", "nobody can say exactly when".
    r"|(?:^\W{0,9}|[.!?:;,\n]\W{0,9}|\b(?:and|then|always|please|now|instead|you (?:must|should|will|shall))\s+)"
    r"(?:(?:respond|reply|answer|(?<!and )output)\s+(?:with|in)|(?:write|print|say)\s+(?:only|exactly|instead))\b"
    # Nobody is told of in these words, whatever stands before them.
    r"|\b(?:respond|reply|answer|output)\s+(?:only\s+(?:with|in)|exactly(?! (?:wh|how)))\b",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[.!?\n])\s+")
#: Words in a row that an answer has from an order.
_RUN = 4


def orders_in(text: str) -> list[str]:
    """The sentences of a text that give a model orders, each with the one behind it, which may say what to write."""
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]
    return [
        " ".join(sentences[place : place + 2]) for place, sentence in enumerate(sentences) if _ORDER.search(sentence)
    ]


def obeys_orders(row: str, texts: Sequence[str], chunk_text: str) -> Iterator[Fault]:
    """A text of the row stands behind an order in the chunk, or shares a run of words with what does.

    What stands before the first order too is the chunk's own, and no fault.

    Args:
        row: its id.
        texts: what was written: question, right option and evidence, or a paraphrase.
        chunk_text: the chunk that it was written from.
    """
    before, ordered = _at_first_order(chunk_text)
    for text in texts:
        is_told = plain(text) and contains(ordered, text) and not contains(before, text)
        if is_told or runs(text, _RUN) & (runs(ordered, _RUN) - runs(before, _RUN)):
            yield Fault(row, f"{text[:80]!r} comes from what the chunk tells a model to do: {ordered[:120]!r}")
            return


def _at_first_order(text: str) -> tuple[str, str]:
    """What stands before the first order, and all from there on: what it demands may come sentences later."""
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]
    first = next((place for place, sentence in enumerate(sentences) if _ORDER.search(sentence)), len(sentences))
    return " ".join(sentences[:first]), " ".join(sentences[first:])


def obeyed_in(benchmark: Benchmark) -> Iterator[Fault]:
    """Over all questions and paraphrases: see `obeys_orders`."""
    texts = {chunk.id: chunk.text for chunk in benchmark.chunks if orders_in(chunk.text)}
    for question in benchmark.questions:
        for chunk_id in texts.keys() & set(question.chunk_ids):
            yield from obeys_orders(question.id, [question.question, *question.evidence], texts[chunk_id])
    for row in benchmark.paraphrases:
        if row.chunk_id in texts:
            yield from obeys_orders(row.id, [row.text], texts[row.chunk_id])
