"""What every retriever does, and what all of them ask of their queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from kinj.errors import UserError
from kinj.records import Json, Passage, Query
from kinj.retrieval.index import RefusedQueryError


class Retriever(Protocol):
    """Gives, for each query, its best passages, best first."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the index's content and the settings: equal where the same queries get the same passages."""
        ...

    def describe(self) -> Json:
        """What results say about the retriever and its index."""
        ...

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """For each query at most `k` passages: fewer only where the index has no more that match.

        An empty list means that nothing matched (BM25 on a question of stop words alone, say); the caller counts it.

        Raises:
            UserError: `k < 1`, an empty query, one without the chunk ids that a control arm needs, or one that the
                index cannot search for.
        """
        ...


def search_distinct(
    queries: Sequence[Query], k: int, search: Callable[[list[Query]], list[list[Passage]]]
) -> list[list[Passage]]:
    """The passages of each query, every distinct query searched once, after the checks that all retrievers share."""
    if k < 1:
        raise UserError(f"k={k}: at least one passage must be asked for (no passages at all: retriever=none)")
    for query in queries:
        if not query.text.strip():
            raise UserError(f"query {query.id!r} is empty: there is nothing to search for")
    distinct = list(dict.fromkeys(queries))
    try:
        passages = dict(zip(distinct, search(distinct), strict=True)) if distinct else {}
    except RefusedQueryError as error:
        beginning = " ".join(error.text[:60].split())
        name = next((query.id for query in distinct if query.text == error.text and query.id), "")
        raise UserError(f"query {f'{name!r} ' if name else ''}({beginning}…): {error}") from error
    return [list(passages[query]) for query in queries]


def count_repeated(passages: Sequence[Passage]) -> int:
    """How many of a query's passages have the text of a better one: places that tell the model nothing new."""
    return len(passages) - len({passage.text for passage in passages})
