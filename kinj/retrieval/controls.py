"""The arms that rank by no words: controls, which know the chunk that holds the answer, and the whole collection."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol, runtime_checkable

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Chunk, Json, Passage, Query
from kinj.retrieval.index import Index, as_passage, fetch_passages
from kinj.retrieval.retriever import search_distinct

#: Distractors asked for beyond k in the first round, so that one round nearly always is enough.
_SPARE = 16


class Control:
    """Gold passages, distractors, or gold among distractors.

    Distractors are BM25's best passages from documents other than the gold chunks'. Gold passages come in the order in
    which the query names them; among distractors their places are drawn from the seed and the query's id (its text,
    where it has none), so they do not depend on which other queries are asked. `k` counts all passages together. Where
    the order is given or drawn rather than earned, a passage's score is 1 / rank.
    """

    def __init__(self, index: Index, *, gold: bool, distractors: bool, seed: int) -> None:
        self._index = index
        self._gold = gold
        self._distractors = distractors
        self._seed = seed

    @property
    def _settings(self) -> dict[str, str | int]:
        name = "+".join(kind for kind, used in (("gold", self._gold), ("distractors", self._distractors)) if used)
        drawn = self._gold and self._distractors
        return {"retriever": name, **({"seed": self._seed} if drawn else {})}

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        return sha256_json({**self._settings, "index": self._index.identity(["bm25"] if self._distractors else [])})

    def describe(self) -> Json:
        """See `Retriever`."""
        return {**self._settings, "fingerprint": self.fingerprint, **self._index.describe()}

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """See `Retriever`."""
        return search_distinct(queries, k, lambda distinct: self._search(distinct, k))

    def _search(self, queries: list[Query], k: int) -> list[list[Passage]]:
        known = [self._known(query) for query in queries]
        chunks = self._index.chunks(list(dict.fromkeys(chunk_id for ids in known for chunk_id in ids)))
        gold = [[as_passage(chunks[chunk_id], 1 / rank, rank) for rank, chunk_id in enumerate(ids, 1)] for ids in known]
        if not self._distractors:
            return [passages[:k] for passages in gold]
        documents = [{passage.document_id for passage in passages} for passages in gold]
        others = self._other_documents([query.text for query in queries], documents, k)
        if not self._gold:
            return others
        return [self._mix(*three, k) for three in zip(queries, gold, others, strict=True)]

    def _known(self, query: Query) -> list[str]:
        """The ids of the chunks that hold the answer."""
        if not query.chunk_ids:
            raise UserError(
                f"query {query.id or query.text!r} does not say which chunks hold its answer, which "
                f"retriever={self._settings['retriever']} needs: take bm25, dense or hybrid for this task"
            )
        return list(dict.fromkeys(query.chunk_ids))

    def _other_documents(self, texts: list[str], documents: list[set[str]], k: int) -> list[list[Passage]]:
        """BM25's k best passages outside each text's documents; asks deeper where those fill the first places."""
        depth = k + _SPARE
        passages: dict[int, list[Passage]] = {}
        waiting = list(range(len(texts)))
        while waiting:
            ranked = self._index.rank([texts[i] for i in waiting], depth, ["bm25"])
            rankings = fetch_passages(self._index, (ranking for [ranking] in ranked))
            short = []
            for i, ranking in zip(waiting, rankings, strict=True):
                kept = [passage for passage in ranking if passage.document_id not in documents[i]][:k]
                passages[i] = [replace(passage, rank=rank) for rank, passage in enumerate(kept, 1)]
                if len(kept) < k and len(ranking) == depth:
                    short.append(i)
            waiting, depth = short, depth * 4
        return [passages[i] for i in range(len(texts))]

    def _mix(self, query: Query, gold: list[Passage], others: list[Passage], k: int) -> list[Passage]:
        gold = gold[:k]
        others = others[: k - len(gold)]
        total = len(gold) + len(others)
        draw = random.Random(f"{self._seed}:{query.id or query.text}")  # noqa: S311  # an experiment's seed, no secret
        places = set(draw.sample(range(total), len(gold)))
        from_gold, from_others = iter(gold), iter(others)
        mixed = [next(from_gold if place in places else from_others) for place in range(total)]
        return [replace(passage, score=1 / rank, rank=rank) for rank, passage in enumerate(mixed, 1)]


@runtime_checkable
class WholeIndex(Index, Protocol):
    """An index that can be read from its first chunk to its last."""

    def all_chunks(self) -> Iterator[Chunk]:
        """Yields all chunks in one fixed order."""
        ...


class Everything:
    """The whole collection, the same for every query: its chunks in the order of their ids.

    `k` cuts it as it cuts every ranking; a passage's score is 1 / rank.
    """

    def __init__(self, index: WholeIndex) -> None:
        self._index = index

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        return sha256_json({"retriever": "all", "index": self._index.identity([])})

    def describe(self) -> Json:
        """See `Retriever`."""
        return {"retriever": "all", "fingerprint": self.fingerprint, **self._index.describe()}

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """See `Retriever`."""

        def first(distinct: list[Query]) -> list[list[Passage]]:
            chunks = enumerate(islice(self._index.all_chunks(), min(k, len(self._index))), 1)
            passages = [as_passage(chunk, 1 / rank, rank) for rank, chunk in chunks]
            return [passages for _ in distinct]

        return search_distinct(queries, k, first)
