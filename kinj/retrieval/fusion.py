"""Reciprocal rank fusion: one ranking out of several."""

from __future__ import annotations

from collections.abc import Sequence

from kinj.retrieval.index import Candidate

#: The constant of Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet" (SIGIR 2009, section 3).
RRF_K = 60
#: How far down each ranking fusion looks, whatever k: so the best 3 of k=3 are the first 3 of k=10.
DEPTH = 100


def fuse(rankings: Sequence[Sequence[Candidate]], k: int) -> list[Candidate]:
    """The k chunks with the largest score, the sum of 1 / (60 + rank) over the rankings; ties by chunk id."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, candidate in enumerate(ranking, 1):
            scores[candidate.chunk_id] = scores.get(candidate.chunk_id, 0.0) + 1 / (RRF_K + rank)
    best = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))[:k]
    return [Candidate(chunk_id, scores[chunk_id]) for chunk_id in best]
