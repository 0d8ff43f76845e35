"""The retrievers that rank by the query's text: BM25, dense, and both fused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kinj.manifest import sha256_json
from kinj.records import Passage, Query
from kinj.retrieval.fusion import DEPTH, RRF_K, fuse
from kinj.retrieval.index import Index, Way
from kinj.retrieval.retriever import search_distinct


class Ranked:
    """An index ranked one way: `bm25` or `dense`."""

    def __init__(self, index: Index, way: Way) -> None:
        self._index = index
        self._way: Way = way

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        return sha256_json({"retriever": self._way, "index": self._index.identity([self._way])})

    def describe(self) -> dict[str, Any]:  # Any: JSON values
        """See `Retriever`."""
        return {"retriever": self._way, "fingerprint": self.fingerprint, **self._index.describe()}

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """See `Retriever`."""

        def rank(distinct: list[Query]) -> list[list[Passage]]:
            return [ways[0] for ways in self._index.rank([query.text for query in distinct], k, [self._way])]

        return search_distinct(queries, k, rank)


class Hybrid:
    """BM25 and dense, fused by reciprocal rank over the best 100 of each (the best k, where k is larger)."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._ways: list[Way] = ["bm25", "dense"]
        self._fusion = {"method": "reciprocal rank fusion", "k": RRF_K, "depth": DEPTH}

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        parts = {"retriever": "hybrid", "fusion": self._fusion, "index": self._index.identity(self._ways)}
        return sha256_json(parts)

    def describe(self) -> dict[str, Any]:  # Any: JSON values
        """See `Retriever`."""
        mine = {"retriever": "hybrid", "fingerprint": self.fingerprint, "fusion": self._fusion}
        return {**mine, **self._index.describe()}

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """See `Retriever`."""

        def rank(distinct: list[Query]) -> list[list[Passage]]:
            texts = [query.text for query in distinct]
            return [fuse(rankings, k) for rankings in self._index.rank(texts, max(k, DEPTH), self._ways)]

        return search_distinct(queries, k, rank)
