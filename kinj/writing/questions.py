"""Four questions a chunk, of which the two most specific stay: drafts, checks, ranking, reader."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kinj.benchmark.checks.structure import KINDS
from kinj.benchmark.checks.words import contains
from kinj.records import Chunk, Question
from kinj.writing.asking import Asker
from kinj.writing.candidate import Candidate, nobody_struck
from kinj.writing.checking import exact_slice, question_reasons
from kinj.writing.forms import DRAFTS, Draft, Drafts, PairDraft, Ranking, Rewording
from kinj.writing.journal import Key
from kinj.writing.material import Material, drawn, language_of, sha256_of
from kinj.writing.prompts import Prompts
from kinj.writing.reading import Reader

#: Of a chunk's four, as in the study.
KEPT = 2
#: Tokens of the answers.
DRAFTS_TOKENS, _RANKING_TOKENS, _QUESTION_TOKENS = 1_400, 64, 400
#: Answers of more words are explanations: nobody writes them as the accepted one.
_MOST_ANSWER_WORDS = 5


@dataclass(frozen=True, slots=True)
class QuestionWriter:
    """Writes questions of all forms; what it gives hangs on the collection, the seed and the journal alone."""

    material: Material
    prompts: Prompts
    asker: Asker
    #: None: nobody reads
    reader: Reader | None
    #: how often a chunk may be asked: more with each `--again`
    rounds: int
    #: whether a person struck it: a later round asks for others
    is_struck: Callable[[Candidate], bool] = nobody_struck

    async def direct(self, chunk: Chunk) -> list[Candidate]:
        """What was written about one chunk, kept and refused."""
        found: list[Candidate] = []
        for number in range(1, self.rounds + 1):
            if (kept := self._standing(found)) >= KEPT:
                break
            key = Key(chunk.id, "questions", "direct", number)
            drafts = await self.asker.ask(key, sha256_of(chunk), self.direct_prompt(chunk), Drafts, DRAFTS_TOKENS)
            if drafts is None:
                found.append(self._nothing(f"{chunk.id}.w{number}.1", (chunk,), key))
                continue
            written = [self._direct(chunk, number, place, d) for place, d in enumerate(drafts.questions, 1)]
            found += await self._choose(chunk, number, written, KEPT - kept)
        return found

    def _standing(self, found: Sequence[Candidate]) -> int:
        return sum(candidate.is_kept and not self.is_struck(candidate) for candidate in found)

    def direct_prompt(self, chunk: Chunk) -> str:
        """Asks for four questions of kinds that the seed draws."""
        rng = random.Random(drawn(self.material.seed, "kinds", chunk.id))  # noqa: S311  # no secret
        kinds = ", ".join(rng.sample(KINDS, DRAFTS))
        values = {"headings": " > ".join(chunk.headings), "kinds": kinds, **self._about(chunk)}
        return self.prompts.render("questions", **values)

    async def indirect(self, direct: Candidate) -> list[Candidate]:
        """A direct question told without the names of its chunk: the same options, the same answer."""
        question = direct.row
        if not isinstance(question, Question):
            return []
        chunk = self.material.chunks[question.chunk_ids[0]]
        found: list[Candidate] = []
        for number in range(1, self.rounds + 1):
            if self._standing(found):
                break
            right = question.choices[question.answer]
            values = {"question": question.question, "right": right, **self._about(chunk)}
            prompt = self.prompts.render("questions_indirect", **values)
            key = Key(chunk.id, "indirect", question.id, number)
            told = await self.asker.ask(key, sha256_of(chunk), prompt, Rewording, _QUESTION_TOKENS)
            row_id = f"{question.id}.i{number if number > 1 else ''}"
            if told is None:
                found.append(self._nothing(row_id, (chunk,), key))
                continue
            row = Question(
                id=row_id,
                chunk_ids=question.chunk_ids,
                question=told.question,
                choices=question.choices,
                answer=question.answer,
                kind=question.kind,
                accepted_answers=question.accepted_answers,
                form="indirect",
                evidence=question.evidence,
            )
            found.append(await self._read(self._checked(row, (chunk,), question.evidence)))
        return found

    async def two(self, first: Chunk, second: Chunk) -> list[Candidate]:
        """A question that needs both chunks."""
        chunks = (first, second)
        found: list[Candidate] = []
        for number in range(1, self.rounds + 1):
            if self._standing(found):
                break
            key = Key(f"{first.id} {second.id}", "two", "", number)
            prompt = self.two_prompt(first, second)
            draft = await self.asker.ask(key, sha256_of(*chunks), prompt, PairDraft, _QUESTION_TOKENS)
            row_id = f"{first.id}+{second.id}.w{number}.two"
            if draft is None:
                found.append(self._nothing(row_id, chunks, key))
                continue
            quotes = (draft.evidence_1, draft.evidence_2)
            slices = [exact_slice(chunk.text, quote) for chunk, quote in zip(chunks, quotes, strict=True)]
            choices, answer = self._shuffled(row_id, draft.right, draft.wrong)
            row = Question(
                id=row_id,
                chunk_ids=tuple(chunk.id for chunk in chunks),
                question=draft.question,
                choices=choices,
                answer=answer,
                kind=draft.kind,
                form="two",
                evidence=tuple(part for part in slices if part),
            )
            found.append(await self._read(self._checked(row, chunks, quotes)))
        return found

    def two_prompt(self, first: Chunk, second: Chunk) -> str:
        """Asks for one question about both."""
        return self.prompts.render(
            "questions_two",
            title_1=first.title or first.document_id,
            title_2=second.title or second.document_id,
            chunk_1=first.searched_text,
            chunk_2=second.searched_text,
            language=language_name(language_of(first)),
        )

    def _about(self, chunk: Chunk) -> dict[str, str]:
        return {
            "title": chunk.title or chunk.document_id,
            "chunk": chunk.text,
            "language": language_name(language_of(chunk)),
        }

    def _direct(self, chunk: Chunk, number: int, place: int, draft: Draft) -> Candidate:
        row_id = f"{chunk.id}.w{number}.{place}"
        part = exact_slice(chunk.text, draft.evidence)
        choices, answer = self._shuffled(row_id, draft.right, draft.wrong)
        is_short = contains(chunk.text, draft.right) and len(draft.right.split()) <= _MOST_ANSWER_WORDS
        row = Question(
            id=row_id,
            chunk_ids=(chunk.id,),
            question=draft.question,
            choices=choices,
            answer=answer,
            kind=draft.kind,
            accepted_answers=(draft.right,) if is_short and draft.kind != "why" else (),
            evidence=(part,) if part else (),
        )
        return self._checked(row, (chunk,), (draft.evidence,))

    def _shuffled(self, row_id: str, right: str, wrong: Sequence[str]) -> tuple[tuple[str, ...], int]:
        """The options in an order that the seed draws, and the place of the right one."""
        options = [right, *wrong]
        order = sorted(range(len(options)), key=lambda place: drawn(self.material.seed, "option", row_id, place))
        return tuple(options[place] for place in order), order.index(0)

    def _checked(self, row: Question, chunks: Sequence[Chunk], quotes: Sequence[str]) -> Candidate:
        reasons = question_reasons(row, chunks, language_of(chunks[0]), quotes)
        return Candidate(row.id, "question", row.chunk_ids, row, tuple(reasons), tuple(quotes))

    def _nothing(self, row_id: str, chunks: Sequence[Chunk], key: Key) -> Candidate:
        reason = self.asker.tally.unanswered[key]
        return Candidate(row_id, "question", tuple(chunk.id for chunk in chunks), None, (reason,))

    async def _choose(self, chunk: Chunk, number: int, written: Sequence[Candidate], wanted: int) -> list[Candidate]:
        """Keeps the most specific of those that the checks leave, as many as are wanted."""
        left = [candidate for candidate in written if candidate.is_kept]
        order = await self._ranked(chunk, number, left) if len(left) > wanted else list(range(len(left)))
        judged = {candidate.id: candidate for candidate in written}
        kept = 0
        for place in order:
            candidate = left[place]
            if kept >= wanted:
                judged[candidate.id] = candidate.refused(f"specific: {wanted} more specific ones of its chunk stay")
                continue
            judged[candidate.id] = await self._read(candidate)
            kept += judged[candidate.id].is_kept
        return list(judged.values())

    async def _ranked(self, chunk: Chunk, number: int, left: Sequence[Candidate]) -> list[int]:
        """Their places, the most specific first; as written where nobody says."""
        questions = [candidate.row.question for candidate in left if isinstance(candidate.row, Question)]
        prompt = self.prompts.render("specific", title=chunk.title or chunk.document_id, questions=questions)
        # Which of the drafts are ranked belongs to the key: checks that have changed leave others.
        ranked = " ".join(candidate.id.rpartition(".")[2] for candidate in left)
        key = Key(chunk.id, "specific", f"direct {ranked}", number)
        answer = await self.asker.ask(key, sha256_of(chunk), prompt, Ranking, _RANKING_TOKENS)
        said = [place - 1 for place in answer.most_specific if 0 < place <= len(left)] if answer else []
        return list(dict.fromkeys([*said, *range(len(left))]))

    async def _read(self, candidate: Candidate) -> Candidate:
        """Refused where a reader says so, or where none answered."""
        if self.reader is None or not candidate.is_kept or not isinstance(candidate.row, Question):
            return candidate
        chunks = [self.material.chunks[chunk_id] for chunk_id in candidate.chunk_ids]
        reasons = await self.reader.reasons(candidate.row, chunks)
        return candidate.refused("no reader: none answered") if reasons is None else candidate.refused(*reasons)


def language_name(code: str) -> str:
    """As a prompt says it."""
    return "English" if code == "en" else f"the language of the passage{f' ({code})' if code else ''}"
