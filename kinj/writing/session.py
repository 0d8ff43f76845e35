"""What a run shares: the collection, the journal, the servers, the budget; and many chunks at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import TypeVar

from kinj.errors import UserError
from kinj.progress import progress
from kinj.records import Json
from kinj.writing.asking import Asker, Tally
from kinj.writing.journal import Journal, open_journal
from kinj.writing.material import Material, open_material
from kinj.writing.probe import Longest, probe
from kinj.writing.prompts import Prompts
from kinj.writing.reading import Reader
from kinj.writing.server import Server, host_of, is_loopback
from kinj.writing.spending import Budget, find_price

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

#: Stands for `no reader`.
NOBODY = "none"
#: A model's name, and the address of its server.
Where = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person typed."""

    source: Path
    out: Path
    model: str
    base_url: str
    #: a model, on the same server or as NAME@URL; empty: the writer; `none`: nobody reads
    reader: str = ""
    #: a model that must not know the answers; empty: nobody is asked
    closed_book: str = ""
    seed: int = 0
    parallel: int = 4
    extra_body: Json = field(default_factory=dict)
    prompts: Path | None = None
    prices: Path | None = None
    most_tokens: int | None = None
    most_cost: float | None = None
    #: ask once more for what was refused
    again: bool = False
    #: seconds before a second try; doubled with each further one
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still to be asked of one server, or of all, as far as one can tell before: were every answer good."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    #: of the documents' own texts, among the prompts'
    document_tokens: int
    documents: int


class Session:
    """One run; `open_session` gives one."""

    def __init__(self, settings: Settings, journal: Journal, agree: Callable[[str], bool]) -> None:
        """Asks nothing yet.

        Args:
            settings: of the run.
            journal: of its folder.
            agree: is told where the documents go, and says whether they may.
        """
        self.settings, self.journal = settings, journal
        self.material: Material = open_material(settings.source, settings.seed)
        self.prompts = Prompts(settings.prompts)
        self.tally = Tally()
        self._agree = agree
        self._refuse_another_seed()
        self.writer_place: Where = (settings.model, settings.base_url)
        writer = self.writer_place
        self.reader_model = None if settings.reader == NOBODY else _place(settings.reader, writer)
        self.closed_book_model = _place(settings.closed_book, writer) if settings.closed_book else None
        places = {place for place in (writer, self.reader_model, self.closed_book_model) if place is not None}
        priced = {(host_of(url), model) for model, url in places} | {e.place for e in journal.all_entries()}
        self.budget = Budget(
            {place: find_price(*place, settings.prices) for place in sorted(priced)},
            journal.all_entries(),
            most_tokens=settings.most_tokens,
            most_cost=settings.most_cost,
        )
        self.servers = {
            place: Server(
                place[1], place[0], parallel=settings.parallel, extra_body=settings.extra_body, pause=settings.pause
            )
            for place in sorted(places)
        }
        self._lock = asyncio.Lock()
        self._ready: set[Server] = set()
        self._failed: UserError | None = None
        #: of this run; both set before the first request
        self.estimates: dict[Where, Estimate] = {}
        self.longest = Longest("", "", 0)

    def _refuse_another_seed(self) -> None:
        fact = self.journal.facts.get("seed", {"seed": self.settings.seed})
        if fact["seed"] != self.settings.seed:
            raise UserError(
                f"--seed {self.settings.seed}: {self.settings.out} was begun with --seed {fact['seed']}, which ordered "
                "its options; name another folder, or that seed"
            )

    def cost_of(self, estimates: Mapping[Where, Estimate]) -> float | None:
        """US dollars, each model at its own price; None where one of them is unknown."""
        costs = [
            self.budget.cost_of(self.servers[where].place, found.prompt_tokens, found.completion_tokens)
            for where, found in estimates.items()
        ]
        return None if None in costs else sum(cost or 0.0 for cost in costs)

    def asker(self, place: Where, *, is_reader: bool) -> Asker:
        """Asks the model at that place."""
        server = self.servers[place]
        return Asker(
            server,
            self.journal,
            self.budget,
            self.tally,
            self.prompts,
            is_reader=is_reader,
            prepare=self._prepare,
        )

    def writer(self) -> Asker:
        """Asks the model that writes."""
        return self.asker(self.writer_place, is_reader=False)

    def reader(self) -> Reader | None:
        """Reads what was written; None where nobody does."""
        if self.reader_model is None:
            return None
        closed_book = self.closed_book_model and self.asker(self.closed_book_model, is_reader=True)
        return Reader(self.material, self.prompts, self.asker(self.reader_model, is_reader=True), closed_book)

    async def _prepare(self, server: Server) -> None:
        """Before the first request: says where the documents go, and finds out what each server can do.

        Raises:
            UserError: nobody agreed, or the probe failed.
        """
        async with self._lock:
            if self._failed is not None:
                raise self._failed
            # All of them before the first request: a reader's misspelt name is said before drafts are paid for.
            for where, each in self.servers.items() if server not in self._ready else ():
                try:
                    await self._open_door(each, where)
                except UserError as error:
                    self._failed = error
                    raise
                self._ready.add(each)

    async def _open_door(self, server: Server, where: Where) -> None:
        name = f"{server.model} at {server.base_url}"
        found = self.estimates.get(where, Estimate(0, 0, 0, 0, 0))
        what = f"about {found.document_tokens:,} tokens of {found.documents:,} documents"
        more = f"more, of all {len(self.material.documents):,} documents, where answers are refused"
        if where not in (self.writer_place, self.reader_model):
            what, more = "questions without their documents", "more where answers are refused"
        line = f"{what} go to {host_of(server.base_url)} ({name}), in about {found.requests:,} requests; {more}"
        log.info("%s", line)
        if not is_loopback(server.base_url) and not self._agree(line):
            raise UserError(f"nothing was sent to {host_of(server.base_url)}: type --send to allow it")
        log.info("asking %s what it can do: up to ten requests, one as long as the longest of this run", name)
        able = asdict(await probe(server, self.longest, self.settings.seed))
        log.info("%s: %s", name, ", ".join(f"{key} {value}" for key, value in able.items() if value != []))
        self.journal.set_fact("servers", {**self.journal.facts.get("servers", {}), name: able})

    @property
    def stopped(self) -> str:
        """Why the run stopped before its end; empty where it did not."""
        return next((server.stopped for server in self.servers.values() if server.stopped), "")

    async def each(self, step: str, items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
        """What `work` gives for each, in their order; a bounded number at a time, and nothing new after a stop."""
        slots = asyncio.Semaphore(self.settings.parallel)
        started, before = monotonic(), self.budget.tokens
        with progress(step, len(items)) as advance:

            async def one(item: T) -> R:
                async with slots:
                    result = await work(item)
                    tokens = self.budget.tokens
                    rate = (tokens - before) / max(1e-9, monotonic() - started)
                    advance(1, f"{tokens:,} tokens, {rate:,.0f} a second, {self.budget.cost_text()}")
                    return result

            tasks = [asyncio.ensure_future(one(item)) for item in items]
            try:
                return list(await asyncio.gather(*tasks))
            except BaseException:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise

    def facts(self) -> Json:
        """For the manifest: who wrote and read, by which prompts, and what it took."""
        budget = self.budget
        return {
            # Of what was used: an answer of an earlier run stays, whoever was to write in this one.
            "writer": ", ".join(sorted(self.tally.writers)) or self.settings.model,
            "answers_by_writer": dict(sorted(self.tally.writers.items())),
            "reader": self.reader_model[0] if self.reader_model else None,
            "closed_book": self.closed_book_model[0] if self.closed_book_model else None,
            "seed": self.settings.seed,
            "servers": self.journal.facts.get("servers", {}),
            "extra_body": self.settings.extra_body,
            "prompts_sha256": {name: _one(found) for name, found in sorted(self.tally.prompts.items())},
            "spent": {
                "requests": budget.requests,
                "prompt_tokens": budget.prompt_tokens,
                "completion_tokens": budget.completion_tokens,
                "requests_with_estimated_tokens": budget.estimated,
                "usd": "unknown" if budget.cost is None else round(budget.cost, 6),
            },
            "stopped": self.stopped,
        }


def _one(found: set[str]) -> str | list[str]:
    """The one there is, else all: answers of several runs may be of several files."""
    return next(iter(found)) if len(found) == 1 else sorted(found)


def _place(said: str, writer: tuple[str, str]) -> tuple[str, str]:
    """Model and address of `NAME` or `NAME@URL`; the writer's where nothing is said."""
    name, separator, url = said.partition("@http")
    return (name or writer[0], f"http{url}" if separator else writer[1])


@contextmanager
def open_session(settings: Settings, agree: Callable[[str], bool], *, read_only: bool = False) -> Iterator[Session]:
    """Gives a run of that folder, alone in it where it is not to be read only.

    Raises:
        UserError: see `open_material`, `open_journal`, `Prompts`, `Budget`, `Server`; or another seed.
    """
    if settings.parallel < 1:
        raise UserError(f"--parallel {settings.parallel}: at least 1")
    host_of(settings.base_url)
    with open_journal(settings.out, read_only=read_only) as journal:
        yield Session(settings, journal, agree)


@asynccontextmanager
async def connected(session: Session) -> AsyncIterator[None]:
    """Opens the servers' connections; nothing is sent."""
    async with AsyncExitStack() as stack:
        for server in session.servers.values():
            await stack.enter_async_context(server)
        yield


def rounds_of(session: Session, command: str) -> int:
    """How often each thing may be asked for: once, and once more for each `--again` whose run ended or goes on."""
    known = session.journal.facts.get("rounds", {}).get(command, {"round": 1, "finished": False})
    return int(known["round"]) + (session.settings.again and known["finished"])


def begin_round(session: Session, command: str) -> int:
    """Keeps that the round of `rounds_of`, which it gives, has begun."""
    number, facts = rounds_of(session, command), session.journal.facts.get("rounds", {})
    session.journal.set_fact("seed", {"seed": session.settings.seed})
    session.journal.set_fact("rounds", {**facts, command: {"round": number, "finished": False}})
    return number


def finish_round(session: Session, command: str) -> None:
    """A later `--again` asks once more; where the run stopped, it goes on with this round instead."""
    facts = session.journal.facts["rounds"]
    if not session.stopped:
        session.journal.set_fact("rounds", {**facts, command: {**facts[command], "finished": True}})
