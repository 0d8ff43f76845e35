"""Rules about what belongs to a chunk, and how long it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import plain
from kinj.benchmark.collection import Benchmark
from kinj.records import Chunk, Question

KINDS = ("who", "what", "where", "when", "how_many", "why")


def chunk_lengths(
    chunks: Sequence[Chunk], count_tokens: Callable[[str], int], least: int = 60, most: int = 256
) -> Iterator[Fault]:
    """A chunk has too few or too many tokens."""
    for chunk in chunks:
        if not least <= (count := count_tokens(chunk.text)) <= most:
            yield Fault(chunk.id, f"has {count} tokens, expected {least} to {most}")


def kinds(questions: Sequence[Question]) -> Iterator[Fault]:
    """A question's kind is not one of six."""
    for question in questions:
        if question.kind not in KINDS:
            yield Fault(question.id, f"kind {question.kind!r}, expected one of {', '.join(KINDS)}")


def questions_per_chunk(benchmark: Benchmark, most: int = 3) -> Iterator[Fault]:
    """A chunk has no direct question, too many, or two with one answer."""
    asked: dict[str, list[Question]] = {chunk.id: [] for chunk in benchmark.chunks}
    for question in benchmark.asked("direct"):
        for chunk_id in question.chunk_ids[:1]:
            asked[chunk_id].append(question)
    for chunk_id, questions in asked.items():
        if not 1 <= len(questions) <= most:
            yield Fault(chunk_id, f"has {len(questions)} questions, expected 1 to {most}")
        if len({plain(q.right_answer) for q in questions}) < len(questions):
            yield Fault(chunk_id, "two of its questions have the same answer")


def paraphrases_per_chunk(benchmark: Benchmark, train: int = 10, validation: int = 2) -> Iterator[Fault]:
    """A chunk has another number of training paraphrases, or a dev chunk (and no other) of validation ones."""
    counts = Counter((paraphrase.chunk_id, paraphrase.use) for paraphrase in benchmark.paraphrases)
    dev = {chunk.id for chunk in benchmark.part("dev").chunks}
    for chunk in benchmark.chunks:
        wanted = {"train": train, "validation": validation if chunk.id in dev else 0}
        for use, number in wanted.items():
            if counts[chunk.id, use] != number:
                yield Fault(chunk.id, f"has {counts[chunk.id, use]} {use} paraphrases, expected {number}")


def pairs_per_chunk(benchmark: Benchmark, number: int = 2) -> Iterator[Fault]:
    """A chunk has another number of training pairs."""
    counts = Counter(pair.chunk_id for pair in benchmark.pairs)
    for chunk in benchmark.chunks:
        if counts[chunk.id] != number:
            yield Fault(chunk.id, f"has {counts[chunk.id]} training pairs, expected {number}")


def shared_facts(benchmark: Benchmark) -> Iterator[Fault]:
    """A document rests on no fact, or on one that another document rests on: dev would then tell about test."""
    owner: dict[str, str] = {}
    for document in benchmark.documents:
        if not document.facts:
            yield Fault(document.id, "rests on no fact")
        for fact in document.facts:
            if (first := owner.setdefault(fact, document.id)) != document.id:
                yield Fault(document.id, f"rests on the fact {fact}, as {first} does")


def fewshot_rows(benchmark: Benchmark, least: int = 5) -> Iterator[Fault]:
    """There are fewer few-shot rows than the study's five shots."""
    if (count := len(benchmark.part("fewshot").questions)) < least:
        yield Fault("fewshot", f"{count} rows, expected {least} or more")
