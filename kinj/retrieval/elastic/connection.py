"""Requests to the Elasticsearch that the environment names; the only module that imports its client."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from kinj.errors import MissingExtraError, UserError
from kinj.records import Json
from kinj.retrieval.elastic.access import Access, read_access
from kinj.retrieval.elastic.patience import Patience, PermanentError, TransientError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch, TransportError

log = logging.getLogger(__name__)

#: How long one request may take. A batch of searches or documents stays far below it, even on a slow machine.
REQUEST_SECONDS = 60.0
#: The longest wait for the very first answer: a server that is being started, not a mistyped address, takes this long.
START_SECONDS = 30.0
#: The server has too much to do.
BUSY = 429
#: Answers that may be right a moment later: too busy, a node that left, a shard without a copy at the moment.
_PASSING = frozenset((408, BUSY, 500, 502, 503, 504))


class Connection:
    """Sends requests, and repeats one that failed for a reason that may pass.

    Every error that comes out of it is a `UserError` without secrets.
    """

    def __init__(self, client: Elasticsearch, access: Access) -> None:
        self._client = client
        self._access = access
        self._answered = False
        #: where the cluster is, for messages; never holds a secret
        self.address = ", ".join(sorted(node.base_url for node in client.transport.node_pool.all()))

    def patience(self, what: str, stopped: threading.Event | None = None) -> Patience:
        """A fresh patience for one piece of work.

        Args:
            what: ends the sentence "Elasticsearch did not …".
            stopped: once set, in whatever thread, the work is given up instead of waited for.
        """
        wait = self._access.wait if self._answered else min(self._access.wait, START_SECONDS)
        return Patience(self.address, what, wait, stopped or threading.Event())

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        what: str,
        patience: Patience | None = None,
        **params: str | int | bool,
    ) -> Any:  # Any: whatever JSON value is answered
        """The JSON that Elasticsearch answers; `body` is a JSON value, or lines of JSON as bytes.

        Args:
            method: GET, POST, PUT or DELETE.
            path: starts with a slash.
            body: what is sent.
            what: ends the sentence "Elasticsearch did not …".
            patience: that of a larger piece of work; by default one of its own.
            **params: the part of the address after `?`.

        Raises:
            PermanentError: an answer that trying again does not change.
            UserError: no good answer within the stated time, or a certificate that does not verify.
        """
        waiting = patience or self.patience(what)
        while True:
            try:
                answer = self.once(method, path, body, what=what, **params)
            except TransientError as error:
                waiting.wait(str(error))
                continue
            if patience is None:
                waiting.over()
            return answer

    def passing(self, status: int, error: Json, what: str) -> str:
        """Why one item of a larger answer failed, where the reason may pass.

        Raises:
            PermanentError: it does not.
        """
        kind, reason = _kind_and_reason(error)
        if "read_only_allow_delete" in reason or "read-only-allow-delete" in reason:
            raise self._permanent(
                "its disk is nearly full, so it lets this index only be read or deleted: free some disk, and when "
                "Elasticsearch has lifted the block (by itself, within a minute) type the same command again",
                status, kind,
            )  # fmt: skip
        if "maxClauseCount" in reason:  # a 400, from some versions a 500
            raise self._permanent(
                f"takes no query of so many different words ({reason}): ask with fewer (query=question, query_field=), "
                "give Elasticsearch more heap, which raises its limit, or search an index folder, which has none",
                status, kind,
            )  # fmt: skip
        if "serverless mode" in reason:
            raise self._permanent(
                f"is a serverless project, which kinj does not support ({reason}): name a hosted deployment or a "
                "cluster of your own",
                status, kind,
            )  # fmt: skip
        # A 500 like any trouble inside the server, but two builds that switch one alias stay two.
        is_twice_written = kind == "illegal_state_exception" and "more than one write index" in reason
        if is_twice_written or (kind == "cluster_block_exception" and status == 403):
            raise self._permanent(f"did not {what}: {reason}", status, kind)
        if status in _PASSING:
            return self._access.without_secrets(f"{status} {kind}: {reason}")
        if status == 401:
            raise self._permanent(f"{self._access.credentials} (401)", status, kind)
        if status == 403:
            raise self._permanent(f"the given credentials may not {what} (403 {kind}: {reason})", status, kind)
        if kind == "media_type_header_exception":
            raise self._permanent(
                "is of an older major version than the client installed here: pip install 'elasticsearch>=8.19,<9'",
                status, kind,
            )  # fmt: skip
        raise self._permanent(f"did not {what}: {status} {kind}: {reason}", status, kind)

    def once(
        self, method: str, path: str, body: object = None, *, what: str, **params: str | int | bool
    ) -> Any:  # Any: whatever JSON value is answered
        """As `request`, but a failure that may pass is raised as a `TransientError` at once."""
        from elasticsearch import ApiError, TransportError, UnsupportedProductError

        lines = isinstance(body, bytes)
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/x-ndjson" if lines else "application/json"
        try:
            answer = self._client.perform_request(method, path, params=params, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise UserError(f"what answers at {self.address} is not Elasticsearch") from error
        except ApiError as error:
            self._answered = True
            why = self.passing(error.meta.status, _error_of(error.body), what)
            raise TransientError(why, busy=error.meta.status == BUSY) from error
        except TransportError as error:
            raise TransientError(self._unreached(error)) from error
        self._answered = True
        return answer.body

    def _unreached(self, error: TransportError) -> str:
        """Why no answer came.

        Raises:
            UserError: the server's certificate does not verify, or it speaks no TLS.
        """
        message = self._access.without_secrets(f"{error}: {error.message}")
        if "CERTIFICATE_VERIFY_FAILED" in message:
            raise UserError(
                f"the certificate of Elasticsearch at {self.address} does not verify: set ELASTICSEARCH_CA to the file "
                "of the CA that signed it, and use the host name that it was made for"
            ) from error
        if "WRONG_VERSION_NUMBER" in message or "HTTP_REQUEST" in message:
            raise UserError(
                f"Elasticsearch at {self.address} speaks no TLS: write http:// in ELASTICSEARCH_URL"
            ) from error
        for sign, plain in (("refused", "connection refused"), ("timed out", "no answer in time")):
            if sign in message.lower():
                return plain
        return message

    def _permanent(self, message: str, status: int, kind: str) -> PermanentError:
        return PermanentError(self._access.without_secrets(f"Elasticsearch at {self.address}: {message}"), status, kind)


def connect() -> Connection:
    """A connection to the cluster that the environment names; nothing is sent yet.

    Raises:
        UserError: no address, two of them, half of a pair of credentials, or a value that cannot be one.
        MissingExtraError: the client is not installed.
    """
    try:
        from elasticsearch import Elasticsearch
    except ModuleNotFoundError as error:
        if error.name != "elasticsearch":  # the client is there, and something that it needs is broken
            raise
        raise MissingExtraError("elasticsearch", "elasticsearch", "index=elasticsearch:NAME") from error
    access = read_access()
    # The client names every request at the level INFO; what the user must know of them is said here.
    for name in ("elastic_transport.transport", "elastic_transport.node_pool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        client = Elasticsearch(
            **access.arguments(), request_timeout=REQUEST_SECONDS, max_retries=0, retry_on_timeout=False
        )
    except ValueError as error:
        raise UserError(access.without_secrets(f"ELASTICSEARCH_URL or ELASTICSEARCH_CLOUD_ID: {error}")) from error
    return Connection(client, access)


def _error_of(body: object) -> Json:
    """The error in an answer; a proxy in front of the cluster may send a page instead of JSON."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return error
    return {"type": "error", "reason": str(error or body)[:200]}


def _kind_and_reason(error: Json) -> tuple[str, str]:
    """Elasticsearch's name for an error and the reason: those of the first cause, since the outer ones only wrap it."""
    causes = error.get("root_cause") or [error]
    cause = causes[0] if isinstance(causes, list) and isinstance(causes[0], dict) else error
    deeper = cause.get("caused_by") or error.get("caused_by")
    why = str(deeper.get("reason") or "") if isinstance(deeper, dict) else ""
    reason = str(cause.get("reason") or "")
    if why and why not in reason:
        reason = f"{reason} ({why})" if reason else why
    kind = str(cause.get("type") or error.get("type"))
    return kind, " ".join(reason.split()) or json.dumps(error)[:200]
