"""Hybrid retrieval that ranks ids and fetches the winners, against the same that fetched all and then fused.

    python benchmarks/hybrid.py --queries 300 2000

Without --index, the current-events collection (466 chunks) with vectors of all-MiniLM-L6-v2 is indexed in the cache;
its questions are the queries, with a number behind them where more are asked for than there are. Each way runs in a
process of its own, with one thread. Both find the same passages, which is checked. Seconds are the process's own, those
of embedding the queries, which both need, left out; memory is how much the peak rose while it searched.

Measured on 2 slow cores, k=10:

- 300 queries: 0.80 s and 48 MB before, 0.24 s and 2 MB now
- 2,000 queries: 6.73 s and 463 MB before, 1.44 s and 16 MB now (4.7 times as fast; memory holds the winners alone)
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

import kinj_tasks
from kinj.records import Passage, Query
from kinj.retrieval import DEFAULT_EMBEDDER, LocalIndex, collection_index, open_index
from kinj.retrieval.fusion import DEPTH, RRF_K
from kinj.retrieval.index import as_passage
from kinj.retrieval.ranked import Hybrid

COLLECTION = Path(kinj_tasks.__file__).parent / "collections" / "current_events"
Way = Callable[[LocalIndex, Sequence[str], int], list[list[Passage]]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way took."""

    #: the process's own
    seconds: float
    #: by which the peak rose
    megabytes: float
    #: of every query, to compare
    found: list[list[tuple[str, float]]]


def fetch_winners(index: LocalIndex, texts: Sequence[str], k: int) -> list[list[Passage]]:
    """As kinj does it."""
    return Hybrid(index).search([Query(text) for text in texts], k)


def fetch_all(index: LocalIndex, texts: Sequence[str], k: int) -> list[list[Passage]]:
    """The rival, as kinj did it before: 2 x 100 passages of every query, then fused."""
    by_method = [
        [[as_passage(index._chunks[hit.row], hit.score, rank) for rank, hit in enumerate(hits, 1)] for hits in ranked]
        for ranked in (index._rank_words(texts, DEPTH), index._rank_vectors(texts, DEPTH))
    ]
    rankings = [list(of_one_text) for of_one_text in zip(*by_method, strict=True)]
    return [fuse_passages(of_one_text, k) for of_one_text in rankings]


def fuse_passages(rankings: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """The k best of whole passages."""
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking in rankings:
        for passage in ranking:
            scores[passage.chunk_id] = scores.get(passage.chunk_id, 0.0) + 1 / (RRF_K + passage.rank)
            passages[passage.chunk_id] = passage
    best = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))[:k]
    return [replace(passages[chunk_id], score=scores[chunk_id], rank=rank) for rank, chunk_id in enumerate(best, 1)]


WAYS: dict[str, Way] = {"fetch all, then fuse": fetch_all, "fetch the winners": fetch_winners}


def measure(way: str, folder: Path, texts: Sequence[str], k: int) -> Cost:
    """What that way takes in this process."""
    import faiss
    import torch

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    index = open_index(folder)
    if not isinstance(index, LocalIndex):
        raise TypeError(f"{folder} is no index folder")
    index.use_embedder(None)
    WAYS[way](index, texts[:1], k)
    vectors = index._embedder.embed_queries(texts)
    # Embedding is the larger part of a search and the same for both: the vectors are given.
    object.__setattr__(index._embedder, "embed_queries", lambda asked: vectors[: len(asked)])
    before, start = peak(), time.process_time()
    found = WAYS[way](index, texts, k)
    cost = time.process_time() - start, peak() - before
    return Cost(*cost, [[(passage.chunk_id, passage.score) for passage in passages] for passages in found])


def peak() -> float:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def in_own_process(way: str, folder: Path, texts: Sequence[str], k: int) -> Cost:
    """What that way takes in a process of its own, so that no peak hides another."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (way, folder, texts, k))


def queries_of(count: int) -> list[str]:
    """So many different texts: the collection's questions, with a number where they are asked again."""
    lines = (COLLECTION / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["question"] for line in lines))
    return [texts[i % len(texts)] + (f" ({i // len(texts)})" if i >= len(texts) else "") for i in range(count)]


def main() -> None:
    """Measures both ways for each number of queries and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, help="a folder built with an embedder")
    parser.add_argument("--queries", type=int, nargs="+", default=[300, 2000])
    parser.add_argument("--k", type=int, default=10)
    options = parser.parse_args()
    folder = options.index or collection_index(COLLECTION, DEFAULT_EMBEDDER)
    table = Table("queries", "way", "processor s", "peak rose by, MB")
    for count in options.queries:
        costs = {way: in_own_process(way, folder, queries_of(count), options.k) for way in WAYS}
        before, now = costs.values()
        if before.found != now.found:
            raise ValueError("the two ways found other passages")
        for way, cost in costs.items():
            table.add_row(str(count), way, f"{cost.seconds:.2f}", f"{cost.megabytes:.0f}")
        ratios = before.seconds / now.seconds, before.megabytes / max(now.megabytes, 1)
        table.add_row(str(count), "before / now", *(f"{ratio:.1f}" for ratio in ratios))
    Console().print(table)


if __name__ == "__main__":
    main()
