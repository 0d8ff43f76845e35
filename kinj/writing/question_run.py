"""Questions of a collection, in waves: as many chunks as the missing questions need, until there are enough."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kinj.benchmark.checks.repeats import Embed
from kinj.benchmark.checks.words import names
from kinj.errors import UserError
from kinj.records import Chunk, Question
from kinj.writing.candidate import Candidate, sort_of, struck_in, without_struck
from kinj.writing.checking import repeated, say_languages
from kinj.writing.estimating import estimate_questions
from kinj.writing.finishing import Written, finish
from kinj.writing.folder import changes_since, refuse_losing, splits_of, standing_questions
from kinj.writing.material import Order, drawn, language_of, split_by_document
from kinj.writing.probe import Longest
from kinj.writing.questions import DRAFTS_TOKENS, KEPT, QuestionWriter
from kinj.writing.session import Estimate, Session, Where, begin_round, connected, finish_round, rounds_of

COMMAND = "questions"
FORMS = ("direct", "indirect", "two")
#: Of few-shot rows: the study shows five.
FEWSHOT_ROWS = 5
#: A wave never counts on fewer kept questions a chunk than this share of two.
_LEAST_YIELD = 0.25
#: No question is longer than that, in the prompt that asks for its document.
_LONG_QUESTION = "what " * 80
#: Chunks that one is compared with, for a question that needs two.
_NEIGHBOURS = 200


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """Which questions are wanted."""

    #: test and dev together; None: of all chunks
    wanted: int | None = None
    forms: tuple[str, ...] = ("direct",)
    dev_share: float = 0.2
    embed: Embed | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be.

        Raises:
            UserError: an unknown form, or numbers out of range.
        """
        for form in self.forms:
            if form not in FORMS:
                raise UserError(f"--form {form}: expected some of {', '.join(FORMS)}")
        if "indirect" in self.forms and "direct" not in self.forms:
            raise UserError("--form indirect: such questions are direct ones told anew: --form direct,indirect")
        if self.wanted is not None and self.wanted < 1:
            raise UserError(f"-n {self.wanted}: at least 1")
        if not 0 <= self.dev_share < 1:
            raise UserError(f"--dev-share {self.dev_share}: at least 0, and less than 1")


class QuestionRun:
    """One run; see `kinj.writing.write_questions`."""

    def __init__(self, session: Session, plan: QuestionPlan) -> None:
        self._session, self._plan = session, plan
        material, settings = session.material, session.settings
        refuse_losing(session.journal, settings.out, settings.source, self._is_ours)
        entries = list(session.journal.all_entries())
        self._before = {e.key.chunk for e in entries if e.key.task == "questions"}
        self._order = Order(material, self._before)
        documents = list(dict.fromkeys(chunk.document_id for chunk in self._order.chunks))
        given = {
            **session.journal.facts.get("splits", {}),
            **splits_of(settings.out),
            **{d.id: d.split for d in material.documents.values() if d.split},
        }
        self.splits = split_by_document(documents, given, dev_share=plan.dev_share, seed=material.seed)
        self._writer = QuestionWriter(
            material,
            session.prompts,
            session.writer(),
            session.reader(),
            rounds=rounds_of(session, COMMAND),
            is_struck=struck_in(settings.out),
        )

    def _is_ours(self, sort: str) -> bool:
        return sort in self._plan.forms

    def chunks_of(self, *splits: str) -> list[Chunk]:
        """Those worth asking, in their order."""
        return [chunk for chunk in self._order.chunks if self.splits[chunk.document_id] in splits]

    def estimate(self) -> dict[Where, Estimate]:
        """Of the first waves, by server; refused answers make more."""
        scored = self.chunks_of("test", "dev")
        if self._plan.wanted is not None:
            scored = scored[: math.ceil(self._plan.wanted / KEPT)]
        chunks = [*self.chunks_of("fewshot")[: math.ceil(FEWSHOT_ROWS / KEPT)], *scored]
        pairs = self._pairs() if "two" in self._plan.forms else []
        return estimate_questions(self._session, self._writer, chunks, pairs, self._plan.forms)

    async def run(self) -> Written:
        """Asks, checks, and makes the folder whole."""
        session = self._session
        if not self._order.chunks:
            why = ", ".join(f"{count} {name}" for name, count in self._order.not_asked.items())
            raise UserError(f"{session.settings.source}: no chunk is worth a question ({why or 'it is empty'})")
        session.journal.set_fact("splits", self.splits)
        changes = changes_since(session.journal, COMMAND, session.material.benchmark.documents)
        session.estimates = self.estimate()
        session.longest = self._longest()
        begin_round(session, COMMAND)
        say_languages(language_of(chunk) for chunk in self._order.chunks)
        async with connected(session):
            asked, candidates = await self._all_forms()
        finish_round(session, COMMAND)
        return self._finish(asked, candidates, changes)

    def _longest(self) -> Longest:
        chunks = sorted(self._order.chunks, key=lambda chunk: len(chunk.text))[-2:]
        prompts = [self._writer.direct_prompt(chunk) for chunk in chunks]
        if "two" in self._plan.forms and len(chunks) == 2:
            prompts.append(self._writer.two_prompt(*chunks))
        if self._writer.reader is not None:
            prompts.append(self._writer.reader.longest_prompt(_LONG_QUESTION))
        return Longest(max(prompts, key=len), chunks[-1].text, DRAFTS_TOKENS)

    async def _all_forms(self) -> tuple[int, list[Candidate]]:
        plan = self._plan
        asked, candidates = 0, []
        if "direct" in plan.forms:
            count, fewshot = await self._waves("few-shot questions", ("fewshot",), FEWSHOT_ROWS, self._standing())
            asked += count
            earlier = [*self._standing(), *(candidate for candidate in fewshot if candidate.is_kept)]
            count, scored = await self._waves("questions", ("test", "dev"), plan.wanted, earlier)
            asked += count
            direct = [*fewshot, *scored]
            candidates += direct
            if "indirect" in plan.forms:
                kept = [c for c in scored if c.is_kept]
                told = await self._session.each("indirect questions", kept, self._writer.indirect)
                candidates += [candidate for several in told for candidate in several]
        if "two" in plan.forms:
            pairs = sorted(self._pairs(), key=lambda pair: pair_name(*pair))  # whichever were asked before a stop
            found = await self._session.each("questions of two chunks", pairs, self._two)
            candidates += [candidate for several in found for candidate in several]
            asked += len(found)
        return asked, candidates

    def _pairs(self) -> list[tuple[Chunk, Chunk]]:
        """Those that were asked stand first, and are parted by no document that comes later."""
        asked = {e.key.chunk for e in self._session.journal.all_entries() if e.key.task == "two"}
        pairs = [pair for split in ("test", "dev") for pair in choose_pairs(self.chunks_of(split), asked)]
        pairs.sort(key=lambda pair: pair_name(*pair) not in asked)
        return pairs[: self._plan.wanted]

    async def _two(self, pair: tuple[Chunk, Chunk]) -> list[Candidate]:
        return await self._writer.two(*pair)

    def _standing(self) -> list[Candidate]:
        """Somebody else's questions, which ours are not to repeat."""
        settings = self._session.settings
        questions = standing_questions(settings.out, settings.source)
        return [Candidate(q.id, "question", q.chunk_ids, q) for q in questions if not sort_of(q.id)]

    async def _waves(
        self, step: str, splits: Sequence[str], wanted: int | None, earlier: Sequence[Candidate]
    ) -> tuple[int, list[Candidate]]:
        """Asks so many chunks that enough may be kept, again and again until enough are, or no chunk is left.

        After a stop those are left that the journal has answers about: what was kept before stays.
        """
        session, chunks = self._session, self.chunks_of(*splits)
        asked = 0
        candidates: list[Candidate] = []
        while asked < len(chunks):
            if session.stopped:  # those asked before stand first
                chunks = [c for place, c in enumerate(chunks) if place < asked or c.id in self._before]
                if asked == len(chunks):
                    break
            kept = sum(candidate.is_kept for candidate in candidates)
            if wanted is not None and kept >= wanted:
                break
            share = max(_LEAST_YIELD, kept / (KEPT * asked)) if asked else 1.0
            size = len(chunks) if wanted is None else math.ceil((wanted - kept) / (KEPT * share))
            wave = self._order.as_drawn(chunks[asked : asked + size])
            found = await session.each(step, wave, self._writer.direct)
            asked += len(wave)
            new = [candidate for several in found for candidate in several]
            candidates += without_struck(session.settings.out, new)
            kept_so_far = [candidate for candidate in candidates if candidate.is_kept]
            again = repeated([*earlier, *kept_so_far], self._plan.embed)
            candidates = [c.refused(again[c.id]) if c.id in again else c for c in candidates]
        return asked, candidates if wanted is None else self._spread(candidates, wanted)

    def _spread(self, candidates: list[Candidate], wanted: int) -> list[Candidate]:
        """Refuses what is more than wanted: evenly over documents, then over kinds, then drawn."""
        kept = [candidate for candidate in candidates if candidate.is_kept]
        if len(kept) <= wanted:
            return candidates
        material = self._session.material
        documents: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        chosen: set[str] = set()
        left = sorted(kept, key=lambda c: drawn(material.seed, "row", c.id))
        for _ in range(wanted):
            best = min(left, key=lambda c: (documents[self._document(c)], kinds[_kind(c)]))
            left.remove(best)
            documents[self._document(best)] += 1
            kinds[_kind(best)] += 1
            chosen.add(best.id)
        reason = f"enough: {wanted} were wanted"
        return [c.refused(reason) if c.is_kept and c.id not in chosen else c for c in candidates]

    def _document(self, candidate: Candidate) -> str:
        return self._session.material.chunks[candidate.chunk_ids[0]].document_id

    def _finish(self, asked: int, candidates: list[Candidate], changes: dict[str, list[str]]) -> Written:
        plan, session = self._plan, self._session
        splits = self.splits

        def facts(questions: Sequence[Question]) -> dict[str, object]:
            chunks = session.material.chunks
            scored = sum(
                q.form == "direct" and splits[chunks[q.chunk_ids[0]].document_id] != "fewshot" for q in questions
            )
            return {
                "missing": max(0, plan.wanted - scored) if plan.wanted and "direct" in plan.forms else 0,
                "forms": list(plan.forms),
                "wanted": plan.wanted,
                "chunks_asked": asked,
                "chunks_not_asked": dict(self._order.not_asked),
                "kept": {form: sum(question.form == form for question in questions) for form in plan.forms},
                "splits": dict(Counter(splits[chunks[q.chunk_ids[0]].document_id] for q in questions)),
            }

        return finish(
            session,
            COMMAND,
            candidates,
            is_ours=self._is_ours,
            splits=splits,
            chunks=asked,
            facts=facts,
            changes=changes,
            not_asked=self._order.not_asked,
        )


def choose_pairs(chunks: Sequence[Chunk], asked: Collection[str] = ()) -> list[tuple[Chunk, Chunk]]:
    """Pairs of chunks of two documents that share names, the rarest and most names first; each chunk in one at most.

    Args:
        chunks: of one split.
        asked: names of pairs (`pair_name`) that come before all others.
    """
    named = {chunk.id: names(chunk.text) for chunk in chunks}
    common = Counter(name for found in named.values() for name in found)

    def weight(first: Chunk, second: Chunk) -> float:
        # Exact: a set's order differs from process to process, and with it the rounding of a plain sum.
        return math.fsum(1 / common[name] for name in named[first.id] & named[second.id])

    members = {chunk_id for pair in asked for chunk_id in pair.split(" ")}
    near = sorted(chunks, key=lambda chunk: chunk.id not in members)[:_NEIGHBOURS]
    pairs = [
        (pair_name(first, second) not in asked, -weight(first, second), first, second)
        for first, second in itertools.permutations(near, 2)
        if first.document_id != second.document_id
    ]
    pairs.sort(key=lambda pair: pair[:2])
    used: set[str] = set()
    chosen: list[tuple[Chunk, Chunk]] = []
    for is_new, unshared, first, second in pairs:
        if (unshared < 0 or not is_new) and not {first.id, second.id} & used:
            chosen.append((first, second))
            used |= {first.id, second.id}
    return chosen


def pair_name(first: Chunk, second: Chunk) -> str:
    """What the journal knows a pair by."""
    return f"{first.id} {second.id}"


def _kind(candidate: Candidate) -> str:
    return candidate.row.kind if isinstance(candidate.row, Question) else ""
