"""Training texts of one kind, about every chunk that says something."""

from __future__ import annotations

from collections import Counter, defaultdict

from kinj.errors import UserError
from kinj.records import Chunk, Question
from kinj.writing.candidate import Candidate
from kinj.writing.checking import say_languages
from kinj.writing.estimating import estimate_texts
from kinj.writing.finishing import Written, finish
from kinj.writing.folder import changes_since, refuse_losing, standing_questions
from kinj.writing.material import Order, language_of
from kinj.writing.probe import Longest
from kinj.writing.session import Estimate, Session, Where, begin_round, connected, finish_round, rounds_of
from kinj.writing.texts import KINDS, TextWriter, tokens_about


class TextRun:
    """One run; see `kinj.writing.write_texts`."""

    def __init__(self, session: Session, kind: str, per_chunk: int) -> None:
        if kind not in KINDS:
            raise UserError(f"--kind {kind}: expected one of {', '.join(KINDS)}")
        if per_chunk < 1:
            raise UserError(f"--per-chunk {per_chunk}: at least 1")
        self._session, self._kind, self._per_chunk = session, kind, per_chunk
        refuse_losing(session.journal, session.settings.out, session.settings.source, self._is_ours)
        self._order = Order(session.material)
        self._asked: defaultdict[str, list[Question]] = defaultdict(list)
        for question in standing_questions(session.settings.out, session.settings.source):
            for chunk_id in question.chunk_ids if question.answerable else ():
                self._asked[chunk_id].append(question)
        rounds = rounds_of(session, kind)
        self._writer = TextWriter(
            session.material, session.prompts, session.writer(), per_chunk, rounds, dict(self._asked)
        )

    def _is_ours(self, sort: str) -> bool:
        return sort == self._kind

    def estimate(self) -> dict[Where, Estimate]:
        """Were every text good, by server; what the journal has is not counted."""
        return estimate_texts(self._session, self._writer, self._kind, self._order.chunks)

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
        finish_round(session, self._kind)
        candidates = [candidate for several in found for candidate in several]
        return finish(
            session,
            self._kind,
            candidates,
            is_ours=self._is_ours,
            splits={},
            chunks=len(chunks),
            facts=lambda rows: {
                "per_chunk": self._per_chunk,
                "missing": 0 if self._kind == "facts" else max(0, self._per_chunk * len(chunks) - len(rows)),
                "styles": dict(Counter(getattr(row, "style", "pair") for row in rows)),
            },
            changes=changes,
            not_asked=self._order.not_asked,
        )

    async def _write(self, chunk: Chunk) -> list[Candidate]:
        return await self._writer.write(self._kind, chunk)
