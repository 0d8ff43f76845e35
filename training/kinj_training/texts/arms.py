"""The injection arms: which training texts each one is made of."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from kinj.errors import UserError
from kinj_training.recipe.settings import DataSettings
from kinj_training.texts.dataset import row_texts
from kinj_training.texts.intake import Intake
from kinj_training.texts.leakage import Questions
from kinj_training.texts.raft import raft_texts
from kinj_training.texts.texts import CollectionTexts, TrainingText, question_and_answer, select_texts
from kinj_training.texts.tokens import Marks, Tokenizer, Tokens, marks_of

T = TypeVar("T")

#: Rows of general text that are tokenised at a time, until there are enough.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class ArmTexts:
    """An injection arm's texts as tokens, and the numbers of what was read and checked for them."""

    #: to train on, each once, before repeating or matching
    tokens: list[Tokens]
    held_out: list[Tokens]
    #: of the selected part of the collection
    documents: int
    chunks: int
    marks: Marks
    #: evaluation questions that none of the texts holds
    questions: int
    #: how paraphrases and pairs were searched for questions that they ask; empty where there are none
    asked_checks: list[str]
    #: texts that cannot be learnt
    left_out: int
    #: rows of the data set that hold an evaluation question, and were left out
    leaks: int
    #: texts that spell a control token
    spelling: int


@dataclass(frozen=True, slots=True)
class Arm:
    """An injection arm: what decides which texts are learnt, and by which tokens."""

    data: DataSettings
    #: draws the rows of a data set, and the places of passages
    seed: int
    tokenizer: Tokenizer
    #: tokens in a block
    length: int

    def read(self) -> ArmTexts:
        """The arm's texts, out of its collection and its data set.

        Raises:
            UserError: an evaluation question stands in a training text, or there is less of something than the arm
                asks for; see also `Intake.take`.
        """
        data = self.data
        marks = marks_of(self.tokenizer, joined=data.layout == "joined")
        collection = select_texts(data.collection, data.split)
        questions = Questions(collection.whole, data.held_out or ())
        intake = Intake(
            self.tokenizer,
            marks,
            questions,
            self.length,
            leave_out=data.unfit == "leave_out",
            leave_out_leaks=data.leaks == "leave_out",
        )
        tokens = _Reader(data, self.seed, collection, intake).tokens()
        held_out = intake.take(collection.held_out())
        return ArmTexts(
            tokens=tokens,
            held_out=held_out,
            documents=len({chunk.document_id for chunk in collection.selected.chunks}),
            chunks=len(collection.selected.chunks),
            marks=marks,
            questions=len(questions),
            asked_checks=collection.asked_checks(),
            left_out=len(intake.left_out),
            leaks=len(intake.leaks),
            spelling=len(intake.spelling),
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes the arm's texts out of an open collection."""

    data: DataSettings
    seed: int
    collection: CollectionTexts
    intake: Intake

    def tokens(self) -> list[Tokens]:
        """The texts as tokens, each once."""
        if self.data.arm == "mix":
            return self._mixed()
        texts: Iterable[TrainingText]
        if self.data.arm == "paraphrase":
            texts = self._chunks_and_paraphrases()
        elif self.data.arm == "qa":
            texts = self._pairs()
        elif self.data.arm == "raft":
            texts = raft_texts(self.data, self.collection, self.seed)
        elif self.data.arm == "instruct":
            texts = self._rows("instruction")
        else:  # raw and repeat
            texts = self.collection.chunks()
        return self.intake.take(list(texts))

    def _chunks_and_paraphrases(self) -> list[TrainingText]:
        data = self.data
        taken = self.collection.paraphrases(data.paraphrases, self.seed, takes_fewer=data.fewer == "take")
        return self.collection.chunks() + taken

    def _pairs(self) -> list[TrainingText]:
        return [question_and_answer(pair.id, pair.question, pair.answer, "pair") for pair in self.collection.pairs()]

    def _rows(self, kind: str) -> Iterator[TrainingText]:
        return row_texts(self.data, self.intake.tokenizer, kind, self.seed)

    def _mixed(self) -> list[Tokens]:
        """Chunks and paraphrases, with general text and pairs up to their shares of all tokens."""
        data = self.data
        mixed = self.intake.take(self._chunks_and_paraphrases())
        whole = sum(len(text.input_ids) for text in mixed) / (1 - data.replay_share - data.qa_share)
        if data.replay_share:
            mixed += self._up_to("replay_share", whole, self._rows("replay"), str(data.data))
        if data.qa_share:
            texts = self._pairs()
            pairs = in_order(texts, len(texts), self.seed)
            mixed += self._up_to("qa_share", whole, pairs, f"{self.collection.folder}: pairs.jsonl")
        return mixed

    def _up_to(self, key: str, whole: float, texts: Iterable[TrainingText], source: str) -> list[Tokens]:
        """The first of the texts whose tokens make up the share that the setting `key` gives, to the nearest text.

        Raises:
            UserError: all of them are too few.
        """
        share: float = getattr(self.data, key)
        wanted = share * whole
        taken: list[Tokens] = []
        size = 0
        waiting = iter(texts)
        while batch := list(islice(waiting, _BATCH)):
            for tokens in self.intake.take(batch):
                added = len(tokens.input_ids)
                if size + added / 2 > wanted:
                    return taken
                taken.append(tokens)
                size += added
        if size < wanted * 0.99:
            raise UserError(
                f"{key}: {share}: takes {wanted:.0f} tokens, {source} has {size} for it: lower the share, "
                "or give more of them"
            )
        return taken


def in_order(texts: Sequence[T], count: int, seed: int) -> list[T]:
    """The first `count` of endless copies: all texts in one order drawn from the seed, then in another, and on."""
    return list(islice(_copies(texts, seed), count))


def _copies(texts: Sequence[T], seed: int) -> Iterator[T]:
    copy = 0
    while texts:
        order = list(texts)
        random.Random(f"{seed}:{copy}").shuffle(order)  # noqa: S311  # an experiment's seed, no secret
        yield from order
        copy += 1
