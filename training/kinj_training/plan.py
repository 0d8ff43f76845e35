"""The plan of a training: its blocks, tokens and steps, known before any weight is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj_training.base import block_length
from kinj_training.blocks.block import Block
from kinj_training.blocks.matching import Target, match_steps, match_tokens
from kinj_training.blocks.packing import lay_out
from kinj_training.recipe.fingerprint import shape_of
from kinj_training.recipe.recipe import Recipe, find_recipe, load_recipe, seed_of
from kinj_training.recipe.settings import ARM_KEYS
from kinj_training.texts.arms import arm_tokens, in_order
from kinj_training.texts.intake import Intake
from kinj_training.texts.leakage import Questions
from kinj_training.texts.texts import open_collection
from kinj_training.texts.tokens import Tokenizer, Tokens, marks_of
from kinj_training.words import without

LayOut = Callable[[Sequence[Tokens]], list[Block]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be trained, block by block."""

    #: the training set in its own order; each epoch draws another order from data_seed
    blocks: list[Block]
    #: what the held-out loss is taken over; may be empty
    held_out: list[Block]
    #: optimizer steps in all
    steps: int
    #: JSON values, for printing and for the manifest
    counts: dict[str, Any]  # Any: JSON values
    #: over the blocks and all that shapes the training, but for the model's weights; 64 hex digits
    sha256: str


def make_plan(recipe: Recipe, tokenizer: Tokenizer, world_size: int) -> Plan:
    """The plan of one training; the same recipe gives the same plan in every process.

    Args:
        recipe: of one training; a recipe of stages has one plan a stage (`recipe.stages`).
        tokenizer: the base model's.
        world_size: how many processes train together.

    Raises:
        UserError: an evaluation question stands in a training text, there is less to train on than asked for, or the
            arm cannot be matched as asked.
    """
    data, length = recipe.data, block_length(recipe)
    marks = marks_of(tokenizer, joined=data.layout == "joined")
    collection = open_collection(data.collection, data.split)
    questions = Questions(collection.whole, data.held_out or ())
    intake = Intake(tokenizer, marks, questions, length, leave_out=data.unfit == "leave_out")
    tokens, held_out_tokens = arm_tokens(data, collection, intake, seed_of(recipe)), intake.take(collection.held_out())
    laid: LayOut = partial(lay_out, data.layout, length=length)
    target = _target(recipe, tokenizer, world_size)
    chosen = _chosen(recipe, tokens, target, _batch(recipe, world_size), laid)
    blocks, held_out = laid(chosen), laid(held_out_tokens)
    _refuse_lost_tokens(data.layout, chosen, blocks)
    counts = {
        "arm": data.arm,
        "collection": data.collection,
        "split": data.split,
        "chunks": len(collection.part.chunks),
        "layout": data.layout,
        "block_length": length,
        "marks": asdict(marks),
        "questions_checked": len(questions),
        "left_out": len(intake.left_out),
        **_texts_counted(tokens, chosen),
        **_blocks_counted(chosen, blocks, length),
        **_steps_counted(recipe, len(blocks), world_size),
        "matched": None if target is None else {"by": data.match, **asdict(target)},
        "held_out": {"texts": len(held_out_tokens), **_blocks_counted(held_out_tokens, held_out, length)},
    }
    digest = sha256_json([_spelled(blocks), _spelled(held_out), shape_of(recipe), world_size])
    return Plan(blocks, held_out, counts["steps"], counts, digest)


def _batch(recipe: Recipe, world_size: int) -> int:
    """The optimizer batch, in blocks."""
    training = recipe.training
    return int(training.per_device_train_batch_size * training.gradient_accumulation_steps * world_size)


def _target(recipe: Recipe, tokenizer: Tokenizer, world_size: int) -> Target | None:
    """The numbers of the arm to match, planned with the same tokenizer and the command line's same words."""
    data = recipe.data
    if data.arm == "repeat":
        other = replace(recipe, data=replace(data, arm="paraphrase", match=None))
        name = f"paraphrase-{data.paraphrases}"
    elif data.match_to is not None:
        ours = {"arm", "match", "match_to", "output_dir", *(key for keys in ARM_KEYS.values() for key in keys)}
        path = find_recipe(recipe.path.parent / data.match_to)
        other, name = load_recipe(path, without(recipe.overrides, ours)), path.stem
        if other.stages or other.data.match_to is not None:
            raise UserError(f"match_to: {path}: is matched itself, or has stages; name a recipe of one plain arm")
    else:
        return None
    counts = make_plan(other, tokenizer, world_size).counts
    epochs = counts["epochs"]
    return Target(name, counts["steps"], counts["tokens"] * epochs, counts["blocks"], counts["batch"], epochs)


def _chosen(recipe: Recipe, tokens: Sequence[Tokens], target: Target | None, batch: int, laid: LayOut) -> list[Tokens]:
    """The texts of one epoch in the order in which they are laid out, copies among them where the arm is matched."""
    seed, epochs = seed_of(recipe), int(recipe.training.num_train_epochs)
    if target is None:
        return in_order(tokens, len(tokens), seed)
    if recipe.data.match == "tokens":
        return match_tokens(tokens, target, epochs=epochs, seed=seed)
    return match_steps(tokens, target, epochs=epochs, batch=batch, seed=seed, lay_out=laid)


def _refuse_lost_tokens(layout: str, texts: Sequence[Tokens], blocks: Sequence[Block]) -> None:
    """Raises `RuntimeError`, our own fault, where the blocks do not hold exactly what was given."""
    given = sum(text.targets for text in texts)
    learnt = sum(block.targets for block in blocks)
    if layout != "joined" and given != learnt:
        raise RuntimeError(f"{given} tokens are to be learnt, the blocks hold {learnt}")
    marked = sum(label >= 0 for text in texts for label in text.labels)
    held = sum(label >= 0 for block in blocks for label in block.labels)
    if marked != held:
        raise RuntimeError(f"{marked} labels were given, the blocks hold {held}")


def _texts_counted(tokens: Sequence[Tokens], chosen: Sequence[Tokens]) -> dict[str, Any]:  # Any: JSON values
    kinds: dict[str, dict[str, int]] = {}
    for text in chosen:
        kind = kinds.setdefault(text.kind, {"texts": 0, "tokens": 0})
        kind["texts"] += 1
        kind["tokens"] += len(text.input_ids)
    return {"texts": len(chosen), "distinct_texts": min(len(tokens), len(chosen)), "kinds": kinds}


def _blocks_counted(texts: Sequence[Tokens], blocks: Sequence[Block], length: int) -> dict[str, Any]:
    """Numbers of one epoch: tokens given; read again at the start of a continued text; learnt; and the fill ratio."""
    tokens, held = sum(len(text.input_ids) for text in texts), sum(len(block.input_ids) for block in blocks)
    return {
        "tokens": tokens,
        "tokens_read_again": held - tokens,
        "targets": sum(block.targets for block in blocks),
        "blocks": len(blocks),
        "fill_ratio": held / (len(blocks) * length) if blocks else None,
    }


def _steps_counted(recipe: Recipe, blocks: int, world_size: int) -> dict[str, int]:
    batch, epochs = _batch(recipe, world_size), int(recipe.training.num_train_epochs)
    steps = math.ceil(blocks / batch)
    return {
        "epochs": epochs,
        "world_size": world_size,
        "batch": batch,
        "steps_per_epoch": steps,
        "steps": steps * epochs,
    }


def _spelled(blocks: Sequence[Block]) -> list[list[Any]]:  # Any: JSON values
    return [[block.text_ids, block.input_ids, block.labels, block.lengths] for block in blocks]
