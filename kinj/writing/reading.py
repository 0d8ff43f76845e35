"""What a reader makes of a question: finds its document, does not guess its answer, and reads it in the chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kinj.benchmark.checks.words import content, plain
from kinj.records import Chunk, Question
from kinj.writing.asking import Asker
from kinj.writing.forms import Letter, Number
from kinj.writing.journal import Key
from kinj.writing.material import Material, drawn, sha256_of
from kinj.writing.prompts import Prompts

#: Titles that a reader chooses from: those most like the question, and drawn ones.
MOST_TITLES = 100
_LETTERS = "ABCD"
_LETTER_TOKENS = 32


class Reader:
    """Asks a model the questions that were written, with and without their chunks."""

    def __init__(self, material: Material, prompts: Prompts, asker: Asker, closed_book: Asker | None = None) -> None:
        self._material, self._prompts = material, prompts
        self._asker, self._closed_book = asker, closed_book
        self._titles = list(dict.fromkeys(_title(d.title, d.id) for d in material.benchmark.documents))

    async def reasons(self, question: Question, chunks: Sequence[Chunk]) -> list[str] | None:
        """Why a question is refused, the first reason alone; empty where it is not; None where nobody answered.

        The cheap requests come first, and no further one is made once the question is refused.
        """
        for check in (self._finds, self._guesses, self._knows, self._reads):
            reason = await check(question, chunks)
            if reason is None:
                return None
            if reason:
                return [reason]
        return []

    async def _finds(self, question: Question, chunks: Sequence[Chunk]) -> str | None:
        """Who sees the question and the titles has to find the document; an indirect question names nothing."""
        if question.form == "indirect" or len(self._titles) < 2:
            return ""
        right = {plain(self._title_of(chunk)) for chunk in chunks}
        titles = choose_titles(self._titles, question.question, right, self._material.seed)
        prompt = self._prompts.render("find", titles=titles, question=question.question)
        key = Key(_ids(chunks), "find", question.id)

        def by_title(answer: Number) -> Number:
            # Kept by title: in a collection that has grown, the number would mean another document.
            said = str(answer.document).strip()
            if said.isdecimal() and 0 < int(said) <= len(titles):
                return Number(document=titles[int(said) - 1])
            return Number(document=next((title for title in titles if plain(title) == plain(said)), ""))

        found = await self._asker.ask(key, sha256_of(*chunks), prompt, Number, _LETTER_TOKENS, then=by_title)
        if found is None:
            return None
        if plain(str(found.document)) in right:
            return ""
        return f"find: who sees the question and all titles looks in {str(found.document)!r}"

    def longest_prompt(self, question: str) -> str:
        """The longest that a reader can be asked: the titles, of which a collection may have long ones."""
        titles = sorted(self._titles, key=len)[-MOST_TITLES:]
        return self._prompts.render("find", titles=titles, question=question)

    async def _guesses(self, question: Question, chunks: Sequence[Chunk]) -> str | None:
        """Right without the chunk in all four orders: the options give the answer away, or everybody knows it."""
        return await self._is_known(question, chunks, self._asker, "unseen", "answered without the chunk")

    async def _knows(self, question: Question, chunks: Sequence[Chunk]) -> str | None:
        """The same of another model, the one to be tested."""
        if self._closed_book is None:
            return ""
        model = self._closed_book.server.model
        return await self._is_known(question, chunks, self._closed_book, "closed_book", f"{model} knows it")

    async def _is_known(
        self, question: Question, chunks: Sequence[Chunk], asker: Asker, task: str, said: str
    ) -> str | None:
        for turn in range(len(question.choices)):
            # Turned, so that the right option stands at each letter once.
            order = [(place + turn) % len(question.choices) for place in range(len(question.choices))]
            is_right = await self._is_right(question, chunks, order, asker, f"{task}/{turn}", with_chunks=False)
            if not is_right:
                return None if is_right is None else ""
        return f"{task}: {said}, right in all four orders of the options"

    async def _reads(self, question: Question, chunks: Sequence[Chunk]) -> str | None:
        places = list(range(len(question.choices)))
        for turn, order in enumerate((places, places[::-1])):
            is_right = await self._is_right(question, chunks, order, self._asker, f"read/{turn}", with_chunks=True)
            if is_right is None:
                return None
            if not is_right:
                return "read: a reader with the chunk before it gives another answer"
        return ""

    async def _is_right(
        self,
        question: Question,
        chunks: Sequence[Chunk],
        order: Sequence[int],
        asker: Asker,
        name: str,
        *,
        with_chunks: bool,
    ) -> bool | None:
        options = list(zip(_LETTERS, (question.choices[place] for place in order), strict=True))
        passages = [chunk.searched_text for chunk in chunks] if with_chunks else []
        prompt = self._prompts.render("read", passages=passages, question=question.question, options=options)
        task, _, turn = name.partition("/")
        key = Key(_ids(chunks), task, f"{question.id} {turn}")
        taken = await asker.ask(key, sha256_of(*chunks), prompt, Letter, _LETTER_TOKENS)
        return None if taken is None else order[_LETTERS.index(taken.answer)] == question.answer

    def _title_of(self, chunk: Chunk) -> str:
        document = self._material.documents[chunk.document_id]
        return _title(document.title, document.id)


def choose_titles(titles: Sequence[str], question: str, right: set[str], seed: int) -> list[str]:
    """At most `MOST_TITLES`, in an order drawn for the question: the right ones, those most like it, and drawn ones."""
    asked = set(content(question))

    def place(title: str) -> tuple[Any, ...]:  # Any: a sort key
        return (plain(title) not in right, -len(asked & set(content(title))), drawn(seed, question, title))

    chosen = sorted(titles, key=place)[:MOST_TITLES]
    return sorted(chosen, key=lambda title: drawn(seed, "title", question, title))


def _title(title: str, document_id: str) -> str:
    return " ".join(title.split()) or document_id


def _ids(chunks: Sequence[Chunk]) -> str:
    return " ".join(chunk.id for chunk in chunks)
