"""The retrievers that rank by the query's text: BM25, dense, and both fused."""

from __future__ import annotations

from collections.abc import Sequence

from kinj.manifest import sha256_json
from kinj.records import Json, Passage, Query
from kinj.retrieval.fusion import DEPTH, RRF_K, fuse
from kinj.retrieval.index import Index, Method, fetch_passages
from kinj.retrieval.retriever import search_distinct


class Ranked:
    """An index ranked by one method: `bm25` or `dense`."""

    def __init__(self, index: Index, method: Method) -> None:
        self._index = index
        self._method: Method = method

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        return sha256_json({"retriever": self._method, "index": self._index.identity([self._method])})

    def describe(self) -> Json:
        """See `Retriever`."""
        return {"retriever": self._method, "fingerprint": self.fingerprint, **self._index.describe()}

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """See `Retriever`."""

        def rank(distinct: list[Query]) -> list[list[Passage]]:
            texts = [query.text for query in distinct]
            rankings = (ranking for [ranking] in self._index.rank(texts, k, [self._method]))
            return list(fetch_passages(self._index, rankings))

        return search_distinct(queries, k, rank)


class Hybrid:
    """BM25 and dense, fused by reciprocal rank over the best 100 of each (the best k, where k is larger)."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._methods: list[Method] = ["bm25", "dense"]
        self._fusion = {"method": "reciprocal rank fusion", "k": RRF_K, "depth": DEPTH}

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        index = self._index.identity(self._methods)
        return sha256_json({"retriever": "hybrid", "fusion": self._fusion, "index": index})

    def describe(self) -> Json:
        """See `Retriever`."""
        mine = {"retriever": "hybrid", "fingerprint": self.fingerprint, "fusion": self._fusion}
        return {**mine, **self._index.describe()}

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """See `Retriever`."""

        def rank(distinct: list[Query]) -> list[list[Passage]]:
            texts = [query.text for query in distinct]
            rankings = self._index.rank(texts, max(k, DEPTH), self._methods)
            return list(fetch_passages(self._index, (fuse(of_one_text, k) for of_one_text in rankings)))

        return search_distinct(queries, k, rank)
