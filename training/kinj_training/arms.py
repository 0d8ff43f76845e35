"""The injection arms: which training texts each one is made of."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from kinj_training.settings import DataSettings
from kinj_training.texts import Collection, TrainingText, question_and_answer

T = TypeVar("T")


def arm_texts(data: DataSettings, collection: Collection) -> list[TrainingText]:
    """The arm's training texts, each once, before repeating or matching."""
    if data.arm in ("raw", "repeat"):
        return collection.chunks()
    if data.arm == "paraphrase":
        return collection.chunks() + collection.paraphrases(data.paraphrases)
    if data.arm == "qa":
        return [question_and_answer(p.id, p.question, p.answer, "pair") for p in collection.pairs()]
    raise NotImplementedError(data.arm)


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
