"""Cutting a ranking at k so that ties are broken by chunk id, at the boundary too."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Hit(NamedTuple):
    """A row of the index with its score. Rows are in the order of chunk ids, so a smaller row wins a tie."""

    row: int
    score: float


def best_hits(fetch: Callable[[int], list[Hit]], k: int, total: int, slack: float = 0.0) -> list[Hit]:
    """The k best of `total` rows, best first, ties by row.

    `fetch(limit)` gives the `limit` best, best first, in any order among equals; it is asked for more until the k-th
    place can no longer be tied with one that it left out. `slack` is how far its choice may be off the scores it gives.
    """
    k = min(k, total)
    limit = min(k + 1, total)
    while True:
        hits = fetch(limit)
        if len(hits) < limit or limit == total or hits[k - 1].score - hits[-1].score > slack:
            return sorted(hits, key=lambda hit: (-hit.score, hit.row))[:k]
        limit = min(2 * limit, total)
