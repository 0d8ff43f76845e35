"""The injection arms: which training texts each one is made of."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from kinj.errors import UserError
from kinj_training.recipe.settings import DataSettings
from kinj_training.texts.dataset import row_texts
from kinj_training.texts.intake import Intake
from kinj_training.texts.raft import raft_texts
from kinj_training.texts.texts import Collection, TrainingText, question_and_answer
from kinj_training.texts.tokens import Tokens

T = TypeVar("T")

#: Rows of general text that are tokenised at a time, until there are enough.
_BATCH = 256


def arm_tokens(data: DataSettings, collection: Collection, intake: Intake, seed: int) -> list[Tokens]:
    """The arm's training texts as tokens, each once, before repeating or matching.

    Raises:
        UserError: there is less of something than the arm asks for; see also `Intake.take`.
    """
    if data.arm == "mix":
        return _mixed(data, collection, intake, seed)
    texts: Iterable[TrainingText]
    if data.arm == "paraphrase":
        texts = collection.chunks() + collection.paraphrases(data.paraphrases)
    elif data.arm == "qa":
        texts = _pairs(collection)
    elif data.arm == "raft":
        texts = raft_texts(data, collection, seed)
    elif data.arm == "instruct":
        texts = row_texts(data, intake.tokenizer, "instruction", seed)
    else:  # raw and repeat
        texts = collection.chunks()
    return intake.take(list(texts))


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


def _pairs(collection: Collection) -> list[TrainingText]:
    return [question_and_answer(pair.id, pair.question, pair.answer, "pair") for pair in collection.pairs()]


def _mixed(data: DataSettings, collection: Collection, intake: Intake, seed: int) -> list[Tokens]:
    """Chunks and paraphrases, with general text and pairs up to their shares of all tokens."""
    core = intake.take(collection.chunks() + collection.paraphrases(data.paraphrases))
    whole = _size(core) / (1 - data.replay_share - data.qa_share)
    mixed = list(core)
    if data.replay_share:
        replay = row_texts(data, intake.tokenizer, "replay", seed)
        mixed += _up_to(data.replay_share, whole, replay, intake, "replay_share", str(data.data))
    if data.qa_share:
        pairs = in_order(_pairs(collection), len(collection.pairs()), seed)
        mixed += _up_to(data.qa_share, whole, pairs, intake, "qa_share", f"{collection.folder}: pairs.jsonl")
    return mixed


def _up_to(
    share: float, whole: float, texts: Iterable[TrainingText], intake: Intake, key: str, source: str
) -> list[Tokens]:
    """The first of the texts whose tokens make up the share, to the nearest text.

    Raises:
        UserError: all of them are too few.
    """
    wanted = share * whole
    taken: list[Tokens] = []
    size = 0
    waiting = iter(texts)
    while batch := list(islice(waiting, _BATCH)):
        for tokens in intake.take(batch):
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


def _size(texts: Iterable[Tokens]) -> int:
    return sum(len(tokens.input_ids) for tokens in texts)
