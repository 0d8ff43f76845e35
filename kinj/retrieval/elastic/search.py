"""Many searches in one request, each answered whole or asked again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from kinj.errors import UserError
from kinj.records import Json
from kinj.retrieval.elastic.connection import Connection
from kinj.retrieval.elastic.patience import Patience, PermanentError
from kinj.retrieval.index import RefusedQueryError, batches

#: Searches in one request: enough to keep every core of a node busy, few enough to answer within seconds.
SEARCHES = 64
#: No part of an index may be left out of an answer; the statistics of all shards make scores comparable among them.
_HEADER = {"allow_partial_search_results": False, "search_type": "dfs_query_then_fetch"}
_WHAT = "search"

ElasticHit = Json


def search_all(
    connection: Connection, index: str, bodies: Iterable[Json], preference: str | None = None
) -> Iterator[list[ElasticHit]]:
    """Yields the hits of each search, in order, best first; asks for `SEARCHES` at a time.

    An answer that timed out, lacks a shard or is an error that may pass is not used: the search is sent again.

    Args:
        connection: the cluster.
        index: name of the index that all are sent to.
        bodies: what is searched for, as Elasticsearch's `_search` takes it.
        preference: the same word sends searches to the same copy of a shard while it lives.

    Raises:
        UserError: a search that can't be answered, or none of the answers came whole within the stated time.
    """
    header = json.dumps({**_HEADER, **({"preference": preference} if preference else {})})
    lines = (f"{header}\n{json.dumps(body)}\n".encode() for body in bodies)
    for number, batch in enumerate(batches(lines, SEARCHES)):
        try:
            yield from _search(connection, index, batch)
        except PermanentError as error:
            if error.search is not None:
                error.search += number * SEARCHES
            raise


def refused_query(error: PermanentError, texts: Sequence[str], searches: int) -> UserError:
    """The error with the text that was refused; itself where no single one was.

    Args:
        error: out of `search_all`.
        texts: what was searched for.
        searches: for each text.
    """
    return error if error.search is None else RefusedQueryError(texts[error.search // searches], str(error))


def count(connection: Connection, index: str, allowed: Sequence[Json] = ()) -> int:
    """How many documents meet all the conditions, in every shard.

    Raises:
        UserError: a shard did not answer within the stated time.
    """
    patience = connection.patience("count")
    body = {"query": {"bool": {"filter": list(allowed)}}}
    while True:
        answer = connection.request("POST", f"/{index}/_count", body, what="count", patience=patience)
        if not (why := _missing_shards(answer["_shards"])):
            patience.over()
            return int(answer["count"])
        patience.wait(why)


def _search(connection: Connection, index: str, lines: Sequence[bytes]) -> list[list[ElasticHit]]:
    """The hits of the searches of one request; only those whose answers were not whole are sent again."""
    hits: dict[int, list[ElasticHit]] = {}
    patience: Patience = connection.patience(_WHAT)
    while True:
        waiting = [i for i in range(len(lines)) if i not in hits]
        try:
            answer = connection.request(
                "POST", f"/{index}/_msearch", b"".join(lines[i] for i in waiting), what=_WHAT, patience=patience
            )
            why = ""
            for i, item in zip(waiting, answer["responses"], strict=True):
                why = (lacking := _lacks(connection, i, item)) or why
                if not lacking:
                    hits[i] = item["hits"]["hits"]
        except PermanentError as error:
            if error.kind == "index_not_found_exception":
                raise PermanentError(
                    f"{index} on Elasticsearch at {connection.address} is gone: it was deleted, or replaced by a newer "
                    "build, while it was read; start the command again",
                    error.status, error.kind,
                ) from error  # fmt: skip
            raise
        if len(hits) == len(lines):
            patience.over()
            return [hits[i] for i in range(len(lines))]
        patience.wait(why)


def _lacks(connection: Connection, number: int, item: Json) -> str:
    """Why one answer of many, that of this number, lacks something; empty where it is whole."""
    if "error" in item:
        try:
            return connection.passing(item["status"], item["error"], _WHAT)
        except PermanentError as error:
            error.search = number
            raise
    if item["timed_out"]:
        return "a search timed out on the server"
    return _missing_shards(item["_shards"])


def _missing_shards(shards: dict[str, int]) -> str:
    """How many shards are missing from an answer, in words; empty where none is."""
    missing = shards["total"] - shards["successful"]
    return f"{missing} of {shards['total']} shards did not answer" if missing or shards["failed"] else ""
