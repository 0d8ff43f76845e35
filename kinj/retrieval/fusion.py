"""Reciprocal rank fusion: one ranking out of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kinj.records import Passage

#: The constant of Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet" (SIGIR 2009, section 3).
RRF_K = 60
#: How far down each ranking fusion looks, whatever k: so the best 3 of k=3 are the first 3 of k=10.
DEPTH = 100


def fuse(rankings: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """The k passages with the largest score, the sum of 1 / (60 + rank) over the rankings; ties by chunk id."""
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking in rankings:
        for passage in ranking:
            scores[passage.chunk_id] = scores.get(passage.chunk_id, 0.0) + 1 / (RRF_K + passage.rank)
            passages[passage.chunk_id] = passage
    best = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))[:k]
    return [replace(passages[chunk_id], score=scores[chunk_id], rank=rank) for rank, chunk_id in enumerate(best, 1)]
