"""One answer for one key: out of the journal, else from a server; refused where it is no use, and asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from kinj.records import Json
from kinj.writing.answer import Completion, CutAnswerError, RefusedAnswerError, whole_object, whole_text
from kinj.writing.journal import Entry, Journal, Key
from kinj.writing.prompts import Prompts
from kinj.writing.server import NoAnswerError, Server, StoppedError, about_tokens
from kinj.writing.spending import Budget, OverspentError

M = TypeVar("M", bound=BaseModel)

#: Of one key, before its answers are given up.
TRIES = 3
#: An answer that was cut is asked for with so many times the tokens.
_MORE = 2
#: What thoughts may take beside the answer.
_THOUGHTS = 4_096
#: Writers are to differ from try to try, readers are not.
WRITING, READING = 0.7, 0.0


@dataclass(slots=True)
class Tally:
    """What happened to the requests of this run."""

    asked: int = 0
    #: taken from the journal
    known: int = 0
    #: key -> why it has no answer; of this run
    unanswered: dict[Key, str] = field(default_factory=dict)
    #: of the answers that were used: how many each writer gave, and the SHA-256 of each prompt file
    writers: Counter[str] = field(default_factory=Counter)
    prompts: dict[str, set[str]] = field(default_factory=dict)


class Asker:
    """Asks one model; everything that comes back goes through the journal."""

    def __init__(
        self,
        server: Server,
        journal: Journal,
        budget: Budget,
        tally: Tally,
        prompts: Prompts,
        *,
        is_reader: bool,
        prepare: Callable[[Server], Awaitable[None]],
    ) -> None:
        """Asks nothing yet.

        Args:
            server: where.
            journal: of the answers.
            budget: what they may cost.
            tally: of this run.
            prompts: of this run: their hashes are kept with each answer.
            is_reader: it reads what was written: another model's answers do not count for its own.
            prepare: called before a request, which it may refuse.
        """
        self.server, self.tally, self._prompts = server, tally, prompts
        self._prepare = prepare
        self._journal, self._budget, self._is_reader = journal, budget, is_reader

    async def ask(
        self,
        key: Key,
        chunk_sha256: str,
        prompt: str,
        answer: type[M],
        tokens: int,
        then: Callable[[M], M] | None = None,
    ) -> M | None:
        """The answer of that key, of the wanted form; None where there is none, and the tally says why.

        Args:
            key: what it is known by.
            chunk_sha256: of the chunk's text, 16 hex digits.
            prompt: sent where the journal has no answer.
            answer: its form.
            tokens: that it takes, without thoughts.
            then: what is kept in the journal, of what came.

        Raises:
            OSError: the disk is full.
        """
        # What a writer wrote stays, whoever writes later; another reader reads for itself.
        by = self.server.model if self._is_reader else None
        entries = self._journal.entries(key, chunk_sha256, by)
        for entry in entries:
            if entry.answer is not None:
                self.tally.known += 1
                self._use(entry)
                return answer.model_validate(entry.answer)
        refused = [entry for entry in entries if entry.answer is None]
        while len(refused) < TRIES:
            completion = None
            try:
                cuts = sum(entry.cut for entry in refused)
                completion = await self._complete(prompt, answer, tokens * _MORE**cuts)
                value = _read(completion, answer)
                value = then(value) if then else value
            except (NoAnswerError, StoppedError, OverspentError) as error:
                self._give_up(key, error)
                return None
            except RefusedAnswerError as error:
                entry = self._entry(key, chunk_sha256, prompt, completion)
                text = completion.text if completion else ""
                entry = replace(entry, refused=str(error), text=text, cut=isinstance(error, CutAnswerError))
                refused.append(entry)
                self._keep(entry)
                continue
            entry = replace(self._entry(key, chunk_sha256, prompt, completion), answer=value.model_dump())
            self._keep(entry)
            self._use(entry)
            return value
        reasons = "; ".join(entry.refused for entry in refused)
        self.tally.unanswered[key] = f"no usable answer in {TRIES} tries: {reasons}"
        return None

    async def _complete(self, prompt: str, answer: type[M], tokens: int) -> Completion:
        server = self.server
        if server.stopped:
            raise StoppedError
        # What is spent is looked at before the server is, so that a spent budget needs no server.
        self._budget.release(self._hold(prompt, tokens))
        await self._prepare(server)
        if server.abilities.thinks:
            tokens += _THOUGHTS
        hold = self._hold(prompt, tokens)
        try:
            self.tally.asked += 1
            schema = answer.model_json_schema()
            temperature = READING if self._is_reader else WRITING
            return await server.complete(prompt, tokens, schema=schema, temperature=temperature)
        finally:
            self._budget.release(hold)

    def _hold(self, prompt: str, tokens: int) -> int:
        try:
            return self._budget.hold(self.server.place, about_tokens(prompt), tokens)
        except OverspentError as error:
            self.server.stopped = str(error)
            raise

    def _entry(self, key: Key, chunk_sha256: str, prompt: str, completion: Completion | None) -> Entry:
        """What came, not yet judged."""
        counts = (completion.prompt_tokens, completion.completion_tokens) if completion else (None, None)
        return Entry(
            key=key,
            chunk_sha256=chunk_sha256,
            by=self.server.model,
            host=self.server.place[0],
            prompts=self._prompts.hashes_for(key.task, key.style),
            answer=None,
            prompt_tokens=about_tokens(prompt) if counts[0] is None else counts[0],
            completion_tokens=about_tokens(completion.text if completion else "") if counts[1] is None else counts[1],
            estimated=None in counts,
        )

    def _use(self, entry: Entry) -> None:
        """What the run's rows are made of: an earlier run may have asked another writer, or by other prompts."""
        if not self._is_reader:
            self.tally.writers[entry.by] += 1
        for name, sha256 in entry.prompts.items():
            self.tally.prompts.setdefault(name, set()).add(sha256)

    def _keep(self, entry: Entry) -> None:
        self._journal.add(entry)
        self._budget.spend(entry)

    def _give_up(self, key: Key, error: Exception) -> None:
        reason = f"no answer: {error.words}" if isinstance(error, NoAnswerError) else "not asked: the run stopped"
        self.tally.unanswered[key] = reason


def _read(completion: Completion, answer: type[M]) -> M:
    """The answer in its form.

    Raises:
        RefusedAnswerError: it has another.
    """
    fields = answer.model_fields
    if list(fields) == ["text"] and "{" not in completion.text:
        # Models that know no JSON can still write a text.
        if completion.is_thought:
            raise RefusedAnswerError(f"thoughts alone: {completion.text[:120]!r}")
        value: Json = {"text": whole_text(completion)}
    else:
        value = whole_object(completion)
    try:
        return answer.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise RefusedAnswerError(f"not as asked: {where}: {fault['msg']}") from error
