"""Documents into an index in a few large requests at a time, each taken whole, in part again, or refused by name."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kinj.errors import UserError
from kinj.retrieval.elastic.connection import BUSY, Connection
from kinj.retrieval.elastic.patience import Refusal, Trouble

#: Requests under way at once: one is being made while others are indexed; more would only queue on the server.
IN_FLIGHT = 3
#: Documents and bytes in one request.
DOCUMENTS, BYTES = 1000, 5_000_000
#: How long the server may hold a request back for a shard that is not there: shorter than the client's own limit.
_SHARD_SECONDS = 20
_TAKEN = (200, 201, 409)  # 409: it is there already, from an attempt whose answer was lost


@dataclass(frozen=True, slots=True)
class Document:
    """What is sent for one chunk."""

    id: str
    #: two lines of JSON
    lines: bytes


def as_document(chunk_id: str, source: dict[str, Any]) -> Document:  # Any: JSON values
    """The document as it is sent: made only where none of that id is there, so nothing is ever written twice."""
    action = json.dumps({"create": {"_id": chunk_id}})
    return Document(chunk_id, f"{action}\n{json.dumps(source, ensure_ascii=False)}\n".encode())


def send_all(connection: Connection, alias: str, parts: Iterable[list[Document]]) -> Iterator[int]:
    """Sends the documents; yields how many more were taken, as they are. No more are made than are being taken.

    Args:
        connection: the cluster.
        alias: an alias of the index, never its name: an index that is gone is not made anew with a guessed mapping.
        parts: documents that come together go together, unless they are too large.

    Raises:
        UserError: documents that were refused, by their ids, or no progress within the stated time.
    """
    sent: deque[Future[int]] = deque()
    pool = ThreadPoolExecutor(IN_FLIGHT, "kinj-bulk")
    try:
        for part in _small(parts):
            sent.append(pool.submit(_send, connection, alias, part))
            if len(sent) == IN_FLIGHT:
                yield sent.popleft().result()
        while sent:
            yield sent.popleft().result()
    except BaseException:  # an interruption too: those that wait for the server must not keep the command from ending
        connection.give_up()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _small(parts: Iterable[list[Document]]) -> Iterator[list[Document]]:
    """The parts, those of more than `BYTES` cut further."""
    for documents in parts:
        part: list[Document] = []
        size = 0
        for document in documents:
            if part and size + len(document.lines) > BYTES:
                yield part
                part, size = [], 0
            part.append(document)
            size += len(document.lines)
        yield part


def _send(connection: Connection, alias: str, documents: list[Document]) -> int:
    """Sends them until all are taken. A server that has too much to do is asked for less at a time."""
    what = "take the chunks"
    patience = connection.patience(what)
    waiting, size = documents, len(documents)
    while waiting:
        part, rest = waiting[:size], waiting[size:]
        try:
            answer = connection.once(
                "POST",
                f"/{alias}/_bulk",
                b"".join(document.lines for document in part),
                what=what,
                require_alias=True,
                timeout=f"{_SHARD_SECONDS}s",
            )
            again, why, busy = _not_taken(connection, part, answer["items"])
        except Trouble as trouble:
            again, why, busy = part, str(trouble), trouble.busy
        if len(again) < len(part):
            patience.progress()
        if again:
            less = busy and size > 1
            size = size // 2 if less else size
            patience.wait(why, longer=not less)
        waiting = again + rest
    patience.over()
    return len(documents)


def _not_taken(
    connection: Connection, part: list[Document], items: list[dict[str, Any]]
) -> tuple[list[Document], str, bool]:  # Any: JSON values
    """The documents to send again, why, and whether the server has too much to do.

    Raises:
        UserError: documents that will never be taken, by their ids.
    """
    again, why, busy = [], "", False
    refused: list[str] = []
    for document, item in zip(part, items, strict=True):
        result = item["create"]
        if result["status"] in _TAKEN:
            continue
        try:
            why = connection.passing(result["status"], result["error"], f"take chunk {document.id!r}")
            again.append(document)
            busy = busy or result["status"] == BUSY
        except Refusal as refusal:
            if refusal.kind in ("cluster_block_exception", "index_not_found_exception"):
                raise
            refused.append(str(refusal))
    if refused:
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise UserError("; ".join(refused[:3]) + more)
    return again, why, busy
