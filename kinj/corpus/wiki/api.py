"""A MediaWiki over its API: one request at a time, patiently, and saying who asks.

By requests and tenacity (Apache-2.0), which lm-eval and its neighbours bring along. Of the client libraries, mwclient's
last release is of August 2024, and a 429 ends it; wikipedia-api, alive, asks for one page at a time, of Wikipedia
alone, and pins click, httpx and tenacity to one version each; pywikibot, alive and whole, is made for bots that write:
it wants a configuration, and keeps files of its own in the working folder. What is needed of them is the page below.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

from kinj.corpus.wiki.nodes import Namespaces
from kinj.errors import MissingExtraError, UserError
from kinj.records import Json

log = logging.getLogger(__name__)

#: Pages that one request may name.
BATCH = 50
#: Seconds that a replica of the database may be behind before the wiki asks us to wait, as Wikimedia wants it.
_MAXLAG = 5
_TIMEOUT = 60
_EACH_TIME = {"format": "json", "formatversion": "2", "maxlag": str(_MAXLAG)}
#: Tries of a request: before the wiki has answered once, and after.
_FIRST_TRIES, _TRIES = 3, 10
_LONGEST_PAUSE = 64.0
#: A wiki that asks to wait longer is not waited for.
_LONGEST_WAIT = 900.0
_BUSY = (429, 500, 502, 503, 504)
_BUSY_CODES = ("maxlag", "ratelimited", "readonly", "internal_api_error")
_POLICY = "https://foundation.wikimedia.org/wiki/Policy:Wikimedia_Foundation_User-Agent_Policy"


def batches(titles: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cuts titles into as many as one request may name."""
    return (titles[start : start + BATCH] for start in range(0, len(titles), BATCH))


@dataclass(frozen=True, slots=True)
class Site:
    """What a wiki says of itself."""

    #: the name of its database: enwiki
    id: str
    #: of its texts, as it names it: en, zh-hans
    language: str
    #: as `CC BY-SA 4.0` where it is one of Creative Commons, else in its own words; empty: it says none
    license: str
    #: of a page, with `$1` for its title
    address: str
    namespaces: Namespaces
    #: numbers of those that hold articles
    content: tuple[int, ...] = (0,)
    #: the own names of its templates' and its categories' namespaces
    template: str = "Template"
    category: str = "Category"

    def address_of(self, title: str) -> str:
        """Where a page is read."""
        return self.address.replace("$1", quote(title.replace(" ", "_"), safe="/:;@$!*(),~"))


class _BusyError(Exception):
    """The same request may succeed later."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        #: as the wiki asks for; None: it does not say
        self.seconds = seconds


class Wiki:
    """A MediaWiki at the address of its api.php."""

    def __init__(self, address: str, contact: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Asks nothing yet.

        Args:
            address: of its api.php.
            contact: an e-mail address or a page, for the user agent.
            sleep: waits.

        Raises:
            UserError: no address, or no contact.
        """
        if not re.fullmatch(r"https?://[^\s/]+/\S*", address):
            raise UserError(f"--api {address}: the address of an api.php, as https://en.wikipedia.org/w/api.php")
        if not (contact.isascii() and contact.isprintable() and ("@" in contact or "://" in contact)):
            raise UserError(
                f"--contact {contact!r}: your e-mail address, or that of a page about you; wikis want to know whom to "
                f"write to ({_POLICY}); KINJ_CONTACT in the environment says it too"
            )
        self.address = address
        self._sleep = sleep
        self._has_answered = False
        self._session = _session(contact)

    @cached_property
    def site(self) -> Site:
        """What it says of itself; asked once."""
        answer = self.call(action="query", meta="siteinfo", siprop="general|rightsinfo|namespaces|namespacealiases")
        try:
            return site_of(answer["query"])
        except KeyError as error:
            raise UserError(f"{self.address}: no MediaWiki of today: its siteinfo has no {error}") from error

    def pages(self, **parameters: str) -> list[Json]:
        """The pages of a query, put together from all its parts; with `redirects` and `normalized` as a last object."""
        pages: dict[str, Json] = {}
        renamed: dict[str, str] = {}
        for answer in self.query(**parameters):
            for pair in [*answer.get("normalized", ()), *answer.get("redirects", ())]:
                renamed[pair["from"]] = pair["to"]
            for page in answer.get("pages", ()):
                kept = pages.setdefault(str(page.get("title") or page.get("pageid")), {})
                for name, value in page.items():
                    # A list that is longer than an answer comes in parts.
                    kept[name] = [*kept[name], *value] if isinstance(value, list) and name in kept else value
        for name in renamed:
            target = _follow(name, renamed)
            if target in pages:
                pages[target].setdefault("asked", []).append(name)
        return list(pages.values())

    def query(self, **parameters: str) -> Iterator[Json]:
        """Yields the answers to a query, each going on where the last one ended."""
        further: dict[str, str] = {}
        while True:
            answer = self.call(action="query", **parameters, **further)
            yield answer.get("query", {})
            if "continue" not in answer:
                return
            further = answer["continue"]

    def call(self, **parameters: str) -> Json:
        """The answer to one request, which is made again while the wiki is busy.

        Raises:
            UserError: it refuses the request, stays busy, or is none.
        """
        from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt

        tries = Retrying(
            retry=retry_if_exception_type(_BusyError),
            stop=stop_after_attempt(_TRIES if self._has_answered else _FIRST_TRIES),
            wait=_pause,
            sleep=self._sleep,
            before_sleep=self._say,
        )
        try:
            answer: Json = tries(self._ask, parameters | _EACH_TIME)
        except RetryError as error:
            last, count = error.last_attempt.exception(), error.last_attempt.attempt_number
            raise UserError(
                f"{self.address}: {last} ({count} tries); what was read is kept: type the same command later"
            ) from last
        self._has_answered = True
        return answer

    def _say(self, state: Any) -> None:  # Any: tenacity's RetryCallState
        pause = state.next_action.sleep
        (log.info if pause >= _MAXLAG else log.debug)(
            "%s: %s; trying again in %.0f s", self.address, state.outcome.exception(), pause
        )

    def _ask(self, parameters: dict[str, str]) -> Json:
        import requests

        # Titles of fifty pages make an address too long for some servers.
        is_long = sum(map(len, parameters.values())) > 1_000
        try:
            if is_long:
                answer = self._session.post(self.address, data=parameters, timeout=_TIMEOUT)
            else:
                answer = self._session.get(self.address, params=parameters, timeout=_TIMEOUT)
        except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
            raise UserError(f"{self.address}: {error}") from error
        except requests.RequestException as error:
            raise _BusyError(f"the connection failed ({_cause(error)})") from error
        if answer.status_code in _BUSY:
            raise _BusyError(f"HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After")))
        if answer.status_code >= 400:
            raise UserError(f"{self.address}: HTTP {answer.status_code} {answer.reason}: {answer.text[:200]!r}")
        return self._read(answer)

    def _read(self, answer: Any) -> Json:  # Any: a response of requests
        try:
            value = answer.json()
        except ValueError as error:
            raise _BusyError("the answer is no JSON, or was cut: is this the address of an api.php?") from error
        if not isinstance(value, dict):
            raise UserError(f"{self.address}: the answer is no object: is this the address of an api.php?")
        if "error" in value:
            code, why = str(value["error"].get("code")), str(value["error"].get("info"))
            if code.startswith(_BUSY_CODES):
                raise _BusyError(f"{code}: {why}", _seconds(answer.headers.get("Retry-After")))
            raise UserError(f"{self.address}: {code}: {why}")
        return value


def site_of(query: Json) -> Site:
    """The answer to a query for `siteinfo` as a record."""
    general = query["general"]
    spaces = list(query["namespaces"].values())
    names = [(one["id"], name) for one in spaces for name in (one["name"], one.get("canonical", ""))]
    names += [(one["id"], one["alias"]) for one in query.get("namespacealiases", ())]
    own = {one["id"]: one["name"] for one in spaces}
    server = str(general["server"])
    return Site(
        id=str(general["wikiid"]),
        language=str(general["lang"]),
        license=license_of(query.get("rightsinfo", {})),
        address=f"{'https:' if server.startswith('//') else ''}{server}{general['articlepath']}",
        namespaces=Namespaces.of((number, name) for number, name in names if name),
        content=tuple(one["id"] for one in spaces if one.get("content")) or (0,),
        template=str(own.get(10, "Template")),
        category=str(own.get(14, "Category")),
    )


def license_of(rights: Json) -> str:
    """The licence that a wiki's `rightsinfo` names, in few letters."""
    address = str(rights.get("url") or "")
    found = re.search(r"creativecommons\.org/licenses/([a-z-]+)/([\d.]+)", address)
    if found:
        return f"CC {found[1].upper()} {found[2]}"
    if "creativecommons.org/publicdomain/zero" in address:
        return "CC0 1.0"
    return str(rights.get("text") or address)


def _follow(name: str, renamed: dict[str, str]) -> str:
    seen = {name}
    while name in renamed and renamed[name] not in seen:
        name = renamed[name]
        seen.add(name)
    return name


def _session(contact: str) -> Any:  # Any: imported late
    try:
        import requests
        import tenacity  # noqa: F401  # asked for here, so that its absence is said before anything is done
    except ImportError as error:
        raise MissingExtraError(str(error.name), "corpus", "reading a wiki") from error
    session = requests.Session()
    session.headers["User-Agent"] = f"kinj/{_own_version()} ({contact}) {requests.utils.default_user_agent()}"
    return session


def _own_version() -> str:
    try:
        return version("kinj")
    except PackageNotFoundError:
        return "0"


def _pause(state: Any) -> float:  # Any: tenacity's RetryCallState
    """What the wiki asks for, else 1, 2, 4 … seconds."""
    error = state.outcome.exception()
    if error.seconds is None:
        return float(min(2.0 ** (state.attempt_number - 1), _LONGEST_PAUSE))
    if error.seconds > _LONGEST_WAIT:
        raise UserError(f"the wiki asks to wait {error.seconds:.0f} s ({error}): type the same command then")
    return float(max(error.seconds, 0.0))


def _seconds(written: str | None) -> float | None:
    """A `Retry-After`: seconds, or a date."""
    if written is None:
        return None
    if written.strip().isdecimal():
        return float(written)
    try:
        return (parsedate_to_datetime(written) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def _cause(error: BaseException) -> str:
    """The innermost reason, without the names of pools and retries around it."""
    words = str(error.args[0] if error.args else error)
    return words.rsplit(": ", 1)[-1].strip("')\" ")[:200] or type(error).__name__
