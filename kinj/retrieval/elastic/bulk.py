"""Documents into an index, a few large requests at a time: what is not taken is sent again, or named in an error."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from kinj.errors import UserError
from kinj.records import Json
from kinj.retrieval.elastic.connection import BUSY, Connection
from kinj.retrieval.elastic.patience import PermanentError, TransientError

#: Requests under way at once: one is being made while others are indexed; more would only queue on the server.
IN_FLIGHT = 3
#: Documents and bytes in one request.
DOCUMENTS, BYTES = 1000, 5_000_000
#: How long the server may hold a request back for a shard that is not there: shorter than the client's own limit.
_SHARD_SECONDS = 20
_TAKEN = (200, 201, 409)  # 409: it is there already, from an attempt whose answer was lost


@dataclass(frozen=True, slots=True)
class BulkItem:
    """What is sent for one chunk."""

    id: str
    #: two lines of JSON
    lines: bytes


def as_item(chunk_id: str, source: Json) -> BulkItem:
    """The document as it is sent: it is created only where none of that id is there, so nothing is written twice."""
    action = json.dumps({"create": {"_id": chunk_id}})
    return BulkItem(chunk_id, f"{action}\n{json.dumps(source, ensure_ascii=False)}\n".encode())


def send_all(connection: Connection, alias: str, batches: Iterable[list[BulkItem]]) -> Iterator[int]:
    """Sends the documents; yields how many more were taken, request by request.

    Documents are asked of `batches` only as requests end, so that few are held at a time.

    Args:
        connection: the cluster.
        alias: an alias of the index, never its name: an index that is gone is not made anew with a guessed mapping.
        batches: what to send in one request each; those of more than `BYTES` are cut further.

    Raises:
        UserError: documents that were refused, by their ids, or no progress within the stated time.
    """
    sent: deque[Future[int]] = deque()
    # Of these requests alone: the connection may go on, as where another build of the same chunks has completed.
    stopped = threading.Event()
    pool = ThreadPoolExecutor(IN_FLIGHT, "kinj-bulk")
    try:
        for batch in _small(batches):
            sent.append(pool.submit(_send, connection, alias, batch, stopped))
            if len(sent) == IN_FLIGHT:
                yield sent.popleft().result()
        while sent:
            yield sent.popleft().result()
    except BaseException:  # an interruption too: those that wait for the server must not keep the command from ending
        stopped.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _small(batches: Iterable[list[BulkItem]]) -> Iterator[list[BulkItem]]:
    """The batches, those of more than `BYTES` cut further."""
    for items in batches:
        batch: list[BulkItem] = []
        size = 0
        for item in items:
            if batch and size + len(item.lines) > BYTES:
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += len(item.lines)
        yield batch


def _send(connection: Connection, alias: str, items: list[BulkItem], stopped: threading.Event) -> int:
    """Sends the documents until all are taken; returns how many.

    What was not taken goes first in the next request. A server that has too much to do gets half as many at a time.
    """
    what = "take the chunks"
    patience = connection.patience(what, stopped)
    waiting, size = items, len(items)
    while waiting:
        batch, rest = waiting[:size], waiting[size:]
        try:
            answer = connection.once(
                "POST",
                f"/{alias}/_bulk",
                b"".join(item.lines for item in batch),
                what=what,
                require_alias=True,
                timeout=f"{_SHARD_SECONDS}s",
            )
            again, why, busy = _not_taken(connection, batch, answer["items"])
        except TransientError as error:
            again, why, busy = batch, str(error), error.busy
        if len(again) < len(batch):
            patience.progress()
        if again:
            less = busy and size > 1
            size = size // 2 if less else size
            patience.wait(why, longer=not less)
        waiting = again + rest
    patience.over()
    return len(items)


def _not_taken(connection: Connection, batch: list[BulkItem], results: list[Json]) -> tuple[list[BulkItem], str, bool]:
    """The documents to send again, why, and whether the server has too much to do.

    Raises:
        UserError: documents that will never be taken, by their ids.
    """
    again, why, busy = [], "", False
    refused: list[str] = []
    for item, answer in zip(batch, results, strict=True):
        result = answer["create"]
        if result["status"] in _TAKEN:
            continue
        try:
            why = connection.passing(result["status"], result["error"], f"take chunk {item.id!r}")
            again.append(item)
            busy = busy or result["status"] == BUSY
        except PermanentError as error:
            if error.kind in ("cluster_block_exception", "index_not_found_exception"):
                raise
            refused.append(str(error))
    if refused:
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise UserError("; ".join(refused[:3]) + more)
    return again, why, busy
