"""A server that speaks OpenAI's API: one request, patiently; many at a time, within bounds."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from kinj.errors import MissingExtraError, UserError
from kinj.records import Json
from kinj.writing.answer import Completion, first_words, read_completion, seconds_of, used_tokens

log = logging.getLogger(__name__)

#: Requests in a row without an answer, after which nobody is at home.
MOST_UNANSWERED = 20
#: Of one request, before it is given up.
_TRIES, _LONGEST_PAUSE = 5, 60.0
#: Seconds for a request before any speed is known: servers load their model with the first one.
_FIRST_TIMEOUT = 300.0
_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 30.0, 3_600.0
#: A request may take so many times what the slowest of late took for as many tokens.
_PATIENCE = 4.0
_LONG_ANSWER = 50  # tokens; the time of shorter ones says how fast the server reads, not how fast it writes
#: The server is there and means us: no later request fares better.
_HOPELESS = (401, 403, 404)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def about_tokens(text: str) -> int:
    """About how many tokens a text has: one for four bytes. Exact only where a server counts."""
    return len(text.encode("utf-8", "replace")) // 4 + 1


def host_of(base_url: str) -> str:
    """The host of an address, without its port.

    Raises:
        UserError: it is no address.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--base-url {base_url}: the address of a server, as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise UserError("--base-url: without a name or key in it; the key is OPENAI_API_KEY in the environment")
    return parts.hostname


def api_key() -> str:
    """`OPENAI_API_KEY`; `none` where there is none: the client insists on one.

    Raises:
        UserError: it has characters that no header takes; the message does not show it.
    """
    key = os.environ.get("OPENAI_API_KEY") or "none"
    if place := next((place for place, sign in enumerate(key, 1) if not "!" <= sign <= "~"), 0):
        raise UserError(
            f"OPENAI_API_KEY: character {place} of {len(key)} can stand in no key (a space, a line end, or none of "
            "ASCII); set the variable anew, without it"
        )
    return key


def is_loopback(base_url: str) -> bool:
    """Whether the server is on this machine."""
    return host_of(base_url) in _LOOPBACK


class NoAnswerError(Exception):
    """A request got no answer: an error, a time-out, a refused connection; the server's words."""

    def __init__(self, words: str, *, retry: bool, status: int = 0, seconds: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        #: whether the same request may succeed later
        self.retry = retry
        self.status = status
        #: to wait, as the server asks; None: it does not say
        self.seconds = seconds


class StoppedError(Exception):
    """No further request goes out; the reason is the server's `stopped`."""


@dataclass(slots=True)
class Abilities:
    """What a server was found to take and to do (see `probe`)."""

    #: max_tokens or max_completion_tokens
    limit_key: str = "max_tokens"
    takes_temperature: bool = True
    #: schema, object or none
    json_mode: str = "none"
    #: the model thinks before it answers
    thinks: bool = False
    #: tokens of the longest prompt, as the server counted them; None where it does not say
    longest_prompt: int | None = None
    notes: list[str] = field(default_factory=list)


class Server:
    """One model behind one address."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        parallel: int = 4,
        extra_body: Json | None = None,
        pause: float = 1.0,
        first_timeout: float = _FIRST_TIMEOUT,
    ) -> None:
        """Sends nothing yet.

        Args:
            base_url: as `http://127.0.0.1:8000/v1`.
            model: its name there.
            parallel: requests in flight at most.
            extra_body: goes along with every request.
            pause: seconds before a second try; doubled with each further one.
            first_timeout: seconds that a request may take while no speed is known.

        Raises:
            UserError: no address, a key that cannot be one, or `openai` is not installed.
        """
        self.place = (host_of(base_url), model)  # what a price hangs on
        api_key()
        self.base_url, self.model = base_url.rstrip("/"), model
        self.abilities = Abilities()
        self.stopped = ""  # why no further request goes out; empty while they do
        self._extra_body, self._pause, self._unanswered = extra_body or {}, pause, 0
        self._parallel, self._first_timeout = parallel, first_timeout
        self._slots: asyncio.Semaphore | None = None
        self._client: Any = None
        #: seconds a token, of the last requests: of all tokens; and of the answer's, of long ones
        self._pace, self._writing_pace = deque[float](maxlen=20), deque[float](maxlen=20)
        _client_library()

    async def __aenter__(self) -> Server:
        openai = _client_library()
        # Only tenacity tries again: the client's own retries would be unseen and uncounted.
        self._client = openai.AsyncOpenAI(
            base_url=self.base_url, api_key=api_key(), max_retries=0, timeout=_LONGEST_TIMEOUT
        )
        self._slots = asyncio.Semaphore(self._parallel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def models(self) -> list[str] | None:
        """The names that the server gives; None where it has no such list."""
        try:
            body = await self._send(None, self._first_timeout)
        except NoAnswerError as error:
            if error.status in (400, 404, 405, 501):
                return None
            raise
        rows = body.get("data")
        return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row] if rows else None

    async def complete(
        self, prompt: str, tokens: int, *, schema: Json | None = None, temperature: float | None = None
    ) -> Completion:
        """The answer to one prompt; asked again while the server is busy.

        Args:
            prompt: the user's turn.
            tokens: of the answer, at most, thoughts included.
            schema: of the JSON object wanted; the server is told so in the way that it knows.
            temperature: left out where the server takes none.

        Raises:
            NoAnswerError: none came.
            RefusedAnswerError: one came that is no chat completion.
            StoppedError: the run has stopped; `stopped` says why.
        """
        body = self.body(prompt, tokens, schema=schema, temperature=temperature)
        return read_completion(await self.request(body))

    def body(self, prompt: str, tokens: int, *, schema: Json | None = None, temperature: float | None = None) -> Json:
        """The request for one prompt, in the words that this server knows."""
        able = self.abilities
        body: Json = {"model": self.model, "messages": [{"role": "user", "content": prompt}], able.limit_key: tokens}
        if temperature is not None and able.takes_temperature:
            body["temperature"] = temperature
        if schema is not None and able.json_mode == "schema":
            body["response_format"] = schema_format(schema)
        elif schema is not None and able.json_mode == "object":
            body["response_format"] = {"type": "json_object"}
        return body | self._extra_body

    async def request(self, body: Json) -> Json:
        """What the server answers to a request's body; see `complete`."""
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        tries = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, NoAnswerError) and error.retry),
            stop=stop_after_attempt(_TRIES),
            wait=self._wait,
            reraise=True,
            before_sleep=_say,
        )
        answer: Json = await tries(self._request_once, body)
        return answer

    async def _request_once(self, body: Json) -> Json:
        if self._slots is None:
            raise RuntimeError("a server is used inside `async with`")
        async with self._slots:
            if self.stopped:
                raise StoppedError
            size, limit = about_tokens(json.dumps(body, ensure_ascii=False)), int(body[self.abilities.limit_key])
            started = monotonic()
            try:
                answer = await self._send(body, self._timeout(size + limit, limit))
            except NoAnswerError as error:
                self._count_unanswered(error)
                raise
            self._unanswered = 0
            seconds, written = monotonic() - started, used_tokens(answer)
            self._pace.append(seconds / (size + written))
            if written >= _LONG_ANSWER:
                self._writing_pace.append(seconds / written)
            return answer

    def _timeout(self, tokens: int, limit: int) -> float:
        """Seconds for so many tokens in all, of which the answer has at most `limit`.

        An answer's tokens take many times as long as a prompt's: the longer of both counts.
        """
        known = self._writing_pace if limit >= _LONG_ANSWER else self._pace
        least = _SHORTEST_TIMEOUT if known else self._first_timeout
        slowest = max(tokens * max(self._pace, default=0.0), limit * max(self._writing_pace, default=0.0))
        return min(max(least, _PATIENCE * slowest), _LONGEST_TIMEOUT)

    def _count_unanswered(self, error: NoAnswerError) -> None:
        self._unanswered += 1
        if error.status in _HOPELESS:
            self.stopped = f"{self.base_url} says {error.words}"
        elif self._unanswered >= MOST_UNANSWERED:
            self.stopped = f"{MOST_UNANSWERED} requests in a row without an answer; the last: {error.words}"
        if self.stopped:
            error.retry = False

    def _wait(self, state: Any) -> float:  # Any: tenacity's RetryCallState
        error = state.outcome.exception()
        if error.seconds is not None:
            return float(min(max(error.seconds, 0.0), _LONGEST_PAUSE))
        return float(min(self._pause * 2.0 ** (state.attempt_number - 1), _LONGEST_PAUSE))

    async def _send(self, body: Json | None, seconds: float) -> Json:
        """One request on the wire; without a body, for the list of models.

        Raises:
            NoAnswerError: as `complete`.
        """
        openai = _client_library()
        try:
            # The client's own time-out begins anew with every byte; a stream that never ends has none.
            async with asyncio.timeout(seconds):
                if body is None:
                    raw = await self._client.models.with_raw_response.list()
                else:
                    # Everything but the two that it insists on goes past the client's own idea of the API.
                    rest = {name: value for name, value in body.items() if name not in ("model", "messages")}
                    create = self._client.chat.completions.with_raw_response.create
                    raw = await create(model=body["model"], messages=body["messages"], extra_body=rest)
                text = str(raw.http_response.text)
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {seconds:.0f} s", retry=True) from error
        except openai.APIStatusError as error:
            status = int(error.status_code)
            raise NoAnswerError(
                f"HTTP {status}: {first_words(error.response.text)}",
                retry=status in (408, 409, 425, 429) or status >= 500,
                status=status,
                seconds=seconds_of(error.response.headers.get("retry-after")),
            ) from error
        except openai.APIConnectionError as error:
            raise NoAnswerError(
                f"the connection failed ({first_words(str(error.__cause__ or error))})", retry=True
            ) from error
        return _object(text)


def schema_format(schema: Json) -> Json:
    """`response_format` of an answer by schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _client_library() -> Any:  # Any: imported late
    try:
        import openai
        import tenacity  # noqa: F401  # asked for here, so that its absence is said before anything is done
    except ImportError as error:
        raise MissingExtraError(str(error.name), "write", "asking a model") from error
    return openai


def _object(text: str) -> Json:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"no JSON: {first_words(text)}", retry=True) from error
    if not isinstance(value, dict):
        raise NoAnswerError(f"no JSON object: {first_words(text)}", retry=True)
    return value


def _say(state: Any) -> None:  # Any: tenacity's RetryCallState
    log.info("%s; trying again in %.0f s", state.outcome.exception(), state.next_action.sleep)
