"""Training texts: paraphrases in drawn styles, questions with answers, facts, and relations of entities."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from kinj.records import Chunk, Pair, Paraphrase, Question
from kinj.writing.asking import Asker
from kinj.writing.candidate import HELD_OUT, Candidate, nobody_struck
from kinj.writing.checking import free_text_reasons, pair_reasons, paraphrase_reasons
from kinj.writing.forms import Entities, Facts, Pairs, Prose
from kinj.writing.journal import Key
from kinj.writing.material import Material, drawn, language_of, sha256_of
from kinj.writing.prompts import Prompts, style_of
from kinj.writing.questions import language_name
from kinj.writing.server import about_tokens

PARAPHRASES = "paraphrases"
KINDS = (PARAPHRASES, "pairs", "facts", "relations")
#: What an answer may take beside the text: JSON, and a text that is longer than its chunk.
_FRAME, _LONGER = 100, 2
_MOST_ENTITIES = 10


def tokens_about(chunk: Chunk) -> int:
    """Tokens that are left for an answer about a chunk."""
    return _FRAME + _LONGER * about_tokens(chunk.text)


@dataclass(frozen=True, slots=True)
class TextWriter:
    """Writes training texts of one kind about a chunk."""

    material: Material
    prompts: Prompts
    asker: Asker
    per_chunk: int
    #: how often a text may be asked for: more with each `--again`
    rounds: int
    #: evaluation questions, by the chunk that they are about
    asked: dict[str, list[Question]]
    #: whether a person struck it: a later round asks for others
    is_struck: Callable[[Candidate], bool] = nobody_struck

    async def write(self, kind: str, chunk: Chunk) -> list[Candidate]:
        """What was written about one chunk, kept and refused."""
        kinds = {
            "paraphrases": self._paraphrases,
            "pairs": self._pairs,
            "facts": self._facts,
            "relations": self._relations,
        }
        return await kinds[kind](chunk)

    def prompt(self, kind: str, chunk: Chunk) -> str:
        """The first prompt about a chunk; that of a relation is about as long as that for its entities."""
        if kind == "paraphrases":
            return self._paraphrase_prompt(chunk, self.styles(chunk)[0])
        if kind == "pairs":
            return self._pairs_prompt(chunk)
        return self.prompts.render("facts" if kind == "facts" else "entities", **self._about(chunk))

    def styles(self, chunk: Chunk) -> list[str]:
        """The styles of a chunk's paraphrases, drawn by the seed: none twice before all have been used."""
        return self._drawn_styles(chunk, self.per_chunk)

    def style_keys(self, chunk: Chunk) -> list[str]:
        """What the journal knows each by: the style, and how often it came."""
        styles = self.styles(chunk)
        return [f"{style} {styles[:place].count(style) + 1}" for place, style in enumerate(styles)]

    def held_out_key(self, chunk: Chunk) -> str:
        """What the journal knows the paraphrase by that is held out: its style is the one that is drawn next."""
        return f"{self._drawn_styles(chunk, self.per_chunk + 1)[-1]} {HELD_OUT}"

    def _drawn_styles(self, chunk: Chunk, count: int) -> list[str]:
        rng = random.Random(drawn(self.material.seed, "styles", chunk.id))  # noqa: S311  # no secret
        styles: list[str] = []
        while len(styles) < count:
            styles += rng.sample(self.prompts.styles, len(self.prompts.styles))
        return styles[:count]

    async def _paraphrases(self, chunk: Chunk) -> list[Candidate]:
        keys = self.style_keys(chunk)
        found: list[Candidate] = []
        kept: dict[int, Paraphrase] = {}
        for number in range(1, self.rounds + 1):
            missing = [place for place in range(len(keys)) if place not in kept]
            asked = [self._ask_paraphrase(chunk, keys[place], number) for place in missing]
            for place, answer in zip(missing, await asyncio.gather(*asked), strict=True):
                earlier = [kept[other] for other in sorted(kept)]
                row_id = f"{chunk.id}.w{number}.p{place + 1:02}"
                candidate = self._paraphrase(chunk, row_id, keys[place], answer, earlier, use="train")
                found.append(candidate)
                if self._stands(candidate) and isinstance(candidate.row, Paraphrase):
                    kept[place] = candidate.row
        return found

    async def held_out(self, chunk: Chunk, trained: Sequence[Paraphrase]) -> list[Candidate]:
        """One paraphrase more, which is never trained on: a learning rate is chosen by the loss on such.

        Args:
            chunk: that it says in other words.
            trained: its other paraphrases, which it is not to repeat.
        """
        key, found = self.held_out_key(chunk), list[Candidate]()
        for number in range(1, self.rounds + 1):
            answer = await self._ask_paraphrase(chunk, key, number)
            found.append(self._paraphrase(chunk, f"{chunk.id}.w{number}.h1", key, answer, trained, use="validation"))
            if self._stands(found[-1]):
                break
        return found

    async def _ask_paraphrase(self, chunk: Chunk, key: str, number: int) -> BaseModel | str:
        prompt = self._paraphrase_prompt(chunk, style_of(key))
        return await self._ask(Key(chunk.id, "paraphrase", key, number), chunk, prompt, Prose)

    def _paraphrase(
        self, chunk: Chunk, row_id: str, key: str, answer: BaseModel | str, earlier: Sequence[Paraphrase], *, use: str
    ) -> Candidate:
        if not isinstance(answer, Prose):
            return Candidate(row_id, "paraphrase", (chunk.id,), None, (str(answer),))
        row = Paraphrase(row_id, chunk.id, answer.text, use=use, style=style_of(key))
        reasons = paraphrase_reasons(row, chunk, language_of(chunk), earlier, self.asked.get(chunk.id, ()))
        return Candidate(row_id, "paraphrase", (chunk.id,), row, tuple(reasons))

    async def _pairs(self, chunk: Chunk) -> list[Candidate]:
        found: list[Candidate] = []
        kept: list[Pair] = []
        for number in range(1, self.rounds + 1):
            if len(kept) >= self.per_chunk:
                break
            answer = await self._ask(Key(chunk.id, "pairs", "", number), chunk, self._pairs_prompt(chunk), Pairs)
            if not isinstance(answer, Pairs):
                found.append(Candidate(f"{chunk.id}.w{number}.a1", "pair", (chunk.id,), None, (str(answer),)))
                continue
            for place, written in enumerate(answer.pairs, 1):
                pair = Pair(f"{chunk.id}.w{number}.a{place}", chunk.id, written.question, written.answer)
                reasons = pair_reasons(pair, chunk, language_of(chunk), kept, self.asked.get(chunk.id, ()))
                if not reasons and len(kept) >= self.per_chunk:
                    reasons = [f"enough: --per-chunk {self.per_chunk}"]
                found.append(Candidate(pair.id, "pair", (chunk.id,), pair, tuple(reasons)))
                if self._stands(found[-1]):
                    kept.append(pair)
        return found

    async def _facts(self, chunk: Chunk) -> list[Candidate]:
        """One text a chunk, of all facts that stand; a refused one is listed by itself."""
        found: list[Candidate] = []
        for number in range(1, self.rounds + 1):
            if any(self._stands(candidate) for candidate in found):
                break
            prompt = self.prompts.render("facts", **self._about(chunk))
            answer = await self._ask(Key(chunk.id, "facts", "", number), chunk, prompt, Facts)
            row_id = f"{chunk.id}.w{number}.f"
            if not isinstance(answer, Facts):
                found.append(Candidate(f"{row_id}0", "paraphrase", (chunk.id,), None, (str(answer),)))
                continue
            standing: list[str] = []
            for place, fact in enumerate(answer.facts, 1):
                row = Paraphrase(f"{row_id}{place}", chunk.id, fact, use="train", style="facts")
                reasons = [r for r in self._free(row, chunk, ()) if not r.startswith("near_copy")]
                if reasons:
                    found.append(Candidate(row.id, "paraphrase", (chunk.id,), row, tuple(reasons)))
                elif fact not in standing:
                    standing.append(fact)
            if standing:
                row = Paraphrase(f"{row_id}0", chunk.id, "\n".join(standing), use="train", style="facts")
                found.append(Candidate(row.id, "paraphrase", (chunk.id,), row, tuple(self._free(row, chunk, ()))))
        return found

    async def _relations(self, chunk: Chunk) -> list[Candidate]:
        """EntiGraph's two steps: the entities of a chunk, then a text about each of some pairs of them."""
        prompt = self.prompts.render("entities", **self._about(chunk))
        key = Key(chunk.id, "entities")
        answer = await self._ask(key, chunk, prompt, Entities)
        if not isinstance(answer, Entities):
            return [Candidate(f"{chunk.id}.w1.r0", "paraphrase", (chunk.id,), None, (str(answer),))]
        known = chunk.searched_text.casefold()
        entities = [name for name in dict.fromkeys(answer.entities) if name.casefold() in known][:_MOST_ENTITIES]
        pairs = list(itertools.combinations(entities, 2))
        pairs.sort(key=lambda pair: drawn(self.material.seed, "relation", chunk.id, *pair))
        if not pairs:
            reason = f"entities: the chunk names fewer than two of {', '.join(answer.entities)[:200]}"
            return [Candidate(f"{chunk.id}.w1.r0", "paraphrase", (chunk.id,), None, (reason,))]
        found: list[Candidate] = []
        kept: list[Paraphrase] = []
        for place, pair in enumerate(pairs[: self.per_chunk], 1):
            for number in range(1, self.rounds + 1):
                candidate = await self._relation(chunk, place, pair, number, kept)
                found.append(candidate)
                if self._stands(candidate) and isinstance(candidate.row, Paraphrase):
                    kept.append(candidate.row)
                    break
        return found

    async def _relation(
        self, chunk: Chunk, place: int, pair: tuple[str, str], number: int, kept: Sequence[Paraphrase]
    ) -> Candidate:
        row_id = f"{chunk.id}.w{number}.r{place}"
        prompt = self.prompts.render("relations", entities=pair, **self._about(chunk))
        answer = await self._ask(Key(chunk.id, "relation", " + ".join(pair), number), chunk, prompt, Prose)
        if not isinstance(answer, Prose):
            return Candidate(row_id, "paraphrase", (chunk.id,), None, (str(answer),))
        row = Paraphrase(row_id, chunk.id, answer.text, use="train", style="relations")
        reasons = self._free(row, chunk, kept)
        reasons += [f"entities: does not name {n}" for n in pair if n.casefold() not in answer.text.casefold()]
        return Candidate(row_id, "paraphrase", (chunk.id,), row, tuple(reasons))

    def _stands(self, candidate: Candidate) -> bool:
        return candidate.is_kept and not self.is_struck(candidate)

    def _free(self, row: Paraphrase, chunk: Chunk, kept: Sequence[Paraphrase]) -> list[str]:
        return free_text_reasons(row, chunk, language_of(chunk), kept, self.asked.get(chunk.id, ()))

    async def _ask(self, key: Key, chunk: Chunk, prompt: str, form: type[BaseModel]) -> BaseModel | str:
        """The answer, or why there is none."""
        answer = await self.asker.ask(key, sha256_of(chunk), prompt, form, tokens_about(chunk))
        return self.asker.tally.unanswered[key] if answer is None else answer

    def _paraphrase_prompt(self, chunk: Chunk, style: str) -> str:
        return self.prompts.render("paraphrase", style=self.prompts.style(style), **self._about(chunk))

    def _pairs_prompt(self, chunk: Chunk) -> str:
        avoid = [question.question for question in self.asked.get(chunk.id, ())]
        return self.prompts.render("pairs", count=self.per_chunk, avoid=avoid, **self._about(chunk))

    def _about(self, chunk: Chunk) -> dict[str, str]:
        return {
            "title": chunk.title or chunk.document_id,
            "chunk": chunk.text,
            "language": language_name(language_of(chunk)),
        }
