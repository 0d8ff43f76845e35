"""Training texts of one kind, about every chunk that says something."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from kinj.errors import UserError
from kinj.records import Chunk, Json, Pair, Paraphrase, Question
from kinj.writing.candidate import HELD_OUT, Candidate, sort_of, struck_in, without_struck
from kinj.writing.checking import say_languages
from kinj.writing.estimating import estimate_texts
from kinj.writing.finishing import Written, finish
from kinj.writing.folder import changes_since, refuse_losing, standing_questions
from kinj.writing.journal import Key
from kinj.writing.material import Order, drawn, language_of, sha256_of
from kinj.writing.probe import Longest
from kinj.writing.session import Estimate, Session, Where, begin_round, connected, finish_round, rounds_of
from kinj.writing.texts import KINDS, PARAPHRASES, TextWriter, tokens_about

#: Of the chunks, those of which one paraphrase more is held out; so many at least, where a collection is small.
HELD_OUT_SHARE, LEAST_HELD_OUT = 0.2, 4


class TextRun:
    """One run; see `kinj.writing.write_texts`."""

    def __init__(self, session: Session, kind: str, per_chunk: int, held_out: float) -> None:
        if kind not in KINDS:
            raise UserError(f"--kind {kind}: expected one of {', '.join(KINDS)}")
        if per_chunk < 1:
            raise UserError(f"--per-chunk {per_chunk}: at least 1")
        if not 0 <= held_out <= 1:
            raise UserError(f"--held-out {held_out}: a share of the chunks, 0 to 1")
        self._session, self._kind, self._per_chunk = session, kind, per_chunk
        refuse_losing(session.journal, session.settings.out, session.settings.source, self._is_ours)
        self._order = Order(session.material)
        self._asked: defaultdict[str, list[Question]] = defaultdict(list)
        for question in standing_questions(session.settings.out, session.settings.source):
            for chunk_id in question.chunk_ids if question.answerable else ():
                self._asked[chunk_id].append(question)
        self._writer = TextWriter(
            session.material,
            session.prompts,
            session.writer(),
            per_chunk,
            rounds=rounds_of(session, kind),
            asked=dict(self._asked),
            is_struck=struck_in(session.settings.out),
        )
        share = held_out if kind == PARAPHRASES else 0.0
        least = min(LEAST_HELD_OUT, len(self._order.chunks)) if share else 0
        self._held_out = max(least, round(share * len(self._order.chunks)))

    def _is_ours(self, sort: str) -> bool:
        return sort == self._kind or (sort == HELD_OUT and self._kind == PARAPHRASES)

    def estimate(self) -> dict[Where, Estimate]:
        """Were every text good, by server; what the journal has is not counted."""
        held_out = self._held_out_order()[: self._held_out]
        return estimate_texts(self._session, self._writer, self._kind, self._order.chunks, held_out)

    async def run(self) -> Written:
        """Asks, checks, and makes the folder whole."""
        session, chunks = self._session, self._order.chunks
        if not chunks:
            raise UserError(f"{session.settings.source}: no chunk has a full sentence")
        changes = changes_since(session.journal, self._kind, session.material.benchmark.documents)
        session.estimates = self.estimate()
        longest = max(chunks, key=lambda chunk: len(chunk.text))
        session.longest = Longest(self._writer.prompt(self._kind, longest), longest.text, tokens_about(longest))
        begin_round(session, self._kind)
        say_languages(language_of(chunk) for chunk in chunks)
        async with connected(session):
            found = await session.each(self._kind, chunks, self._write)
            candidates = [candidate for several in found for candidate in several]
            candidates += await self._hold_out(candidates)
        finish_round(session, self._kind)
        return finish(
            session,
            self._kind,
            candidates,
            is_ours=self._is_ours,
            splits={},
            chunks=len(chunks),
            facts=self._facts,
            changes=changes,
            not_asked=self._order.not_asked,
        )

    def _facts(self, rows: Sequence[Paraphrase | Pair]) -> Json:
        held_out = sum(sort_of(row.id) == HELD_OUT for row in rows)
        wanted = self._per_chunk * len(self._order.chunks)
        return {
            "per_chunk": self._per_chunk,
            "missing": 0 if self._kind == "facts" else max(0, wanted - (len(rows) - held_out)),
            "held_out": {"wanted": self._held_out, "kept": held_out},
            "styles": dict(Counter(getattr(row, "style", "pair") for row in rows)),
        }

    def _held_out_order(self) -> list[Chunk]:
        """Chunks, as one after the other is asked for a paraphrase to hold out: those asked before, then by a draw."""
        return sorted(self._order.chunks, key=lambda chunk: (not self._was_held_out(chunk), self._place(chunk)))

    def _place(self, chunk: Chunk) -> int:
        return drawn(self._session.material.seed, HELD_OUT, chunk.id)

    def _was_held_out(self, chunk: Chunk) -> bool:
        key = Key(chunk.id, "paraphrase", self._writer.held_out_key(chunk))
        return bool(self._session.journal.entries(key, sha256_of(chunk)))

    async def _hold_out(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """One paraphrase more of drawn chunks; where one is refused, another chunk is asked."""
        session, chunks = self._session, self._held_out_order()
        trained: defaultdict[str, list[Paraphrase]] = defaultdict(list)
        for row in (candidate.row for candidate in candidates if candidate.is_kept):
            if isinstance(row, Paraphrase):
                trained[row.chunk_id].append(row)

        async def write(chunk: Chunk) -> list[Candidate]:
            return await self._writer.held_out(chunk, trained[chunk.id])

        asked, found = 0, list[Candidate]()
        while (short := self._held_out - sum(candidate.is_kept for candidate in found)) > 0:
            if session.stopped:  # what was written before stays
                chunks = [c for place, c in enumerate(chunks) if place < asked or self._was_held_out(c)]
            wave = chunks[asked : asked + short]
            if not wave:
                break
            several = await session.each("held-out paraphrases", wave, write)
            found += without_struck(session.settings.out, [candidate for each in several for candidate in each])
            asked += len(wave)
        return found

    async def _write(self, chunk: Chunk) -> list[Candidate]:
        return await self._writer.write(self._kind, chunk)
