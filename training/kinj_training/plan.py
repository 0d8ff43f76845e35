"""The plan of a training: its blocks, tokens and steps, known before any weight is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import partial

from rich.markup import escape

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj_training.base import block_length, load_config
from kinj_training.blocks.block import Block, as_json
from kinj_training.blocks.matching import LayOut, Match, Pace, Reference
from kinj_training.blocks.packing import lay_out
from kinj_training.blocks.rates import idle_steps, warmup_steps
from kinj_training.recipe.recipe import Recipe
from kinj_training.recipe.settings import ARM_KEYS, Json
from kinj_training.texts.arms import Arm, ArmTexts, in_order
from kinj_training.texts.chat import prints_date
from kinj_training.texts.tokens import Tokenizer, Tokens


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be trained, block by block."""

    #: the training set in its own order; each epoch draws another order from data_seed
    blocks: list[Block]
    #: what the held-out loss is taken over; may be empty
    held_out: list[Block]
    #: optimizer steps in all
    steps: int
    #: for printing and for the manifest
    counts: Json
    #: over the blocks and all that shapes the training, but for the model's weights; 64 hex digits
    sha256: str

    def as_data(self) -> Json:
        """The plan as the manifest has it: its counts, and the SHA-256 of its blocks."""
        return {
            "sha256": sha256_json(as_json(self.blocks)),
            "held_out_sha256": sha256_json(as_json(self.held_out)),
            **self.counts,
        }


def make_plan(recipe: Recipe, tokenizer: Tokenizer, world_size: int) -> Plan:
    """The plan of one training; the same recipe gives the same plan in every process.

    Args:
        recipe: of one training; a recipe of stages has one plan a stage (`recipe.stages`).
        tokenizer: the base model's.
        world_size: how many processes train together.

    Raises:
        UserError: an evaluation question stands in a training text, there is less to train on than asked for, or the
            arm cannot be matched as asked, or the model has no embedding for a token of the texts.
    """
    data, training = recipe.data, recipe.training
    length = block_length(recipe.base, training.max_length, is_given="max_length" in recipe.given)
    texts = _read_texts(recipe, tokenizer, length)
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps * world_size
    pace = Pace(int(training.num_train_epochs), int(batch), world_size, recipe.seed)
    to_blocks: LayOut = partial(lay_out, data.layout, length=length)
    if recipe.reference is None or data.match is None:
        reference, chosen = None, in_order(texts.tokens, len(texts.tokens), pace.seed)
    else:
        # Planned with the same tokenizer: what is to be equal are steps or tokens of this very model.
        other = make_plan(recipe.reference, tokenizer, world_size)
        reference = Reference.of(recipe.reference.name, other.counts)
        chosen = Match(data.match, reference, pace).choose(texts.tokens, to_blocks)
    blocks, held_out = to_blocks(chosen), to_blocks(texts.held_out)
    _refuse_lost_tokens(data.layout, chosen, blocks)
    steps = _step_counts(pace, len(blocks))
    warmup = warmup_steps(training, steps["steps"])
    counts = {
        "arm": data.arm,
        "collection": data.collection,
        "split": data.split,
        "documents": texts.documents,
        "chunks": texts.chunks,
        "layout": data.layout,
        "block_length": length,
        "marks": asdict(texts.marks),
        "chat_form": _chat_form(data.arm, tokenizer),
        "chat_date": data.chat_date,
        "questions_checked": texts.questions,
        "asked_checks": texts.asked_checks,
        "left_out": texts.left_out,
        "leaks_left_out": texts.leaks,
        "spelling_control_tokens": texts.spelling,
        **_text_counts(texts.tokens, chosen),
        **_block_counts(chosen, blocks, length),
        **steps,
        "warmup_steps": warmup,
        "idle_steps": idle_steps(training, steps["steps"]),
        "matched": None if reference is None else {"by": data.match, **asdict(reference)},
        "held_out": {"texts": len(texts.held_out), **_block_counts(texts.held_out, held_out, length)},
    }
    shape = recipe.shape
    if warmup != training.get_warmup_steps(steps["steps"]):
        shape = {**shape, "warmup_steps": warmup}
    digest = sha256_json([as_json(blocks), as_json(held_out), shape, world_size])
    return Plan(blocks, held_out, counts["steps"], counts, digest)


def _read_texts(recipe: Recipe, tokenizer: Tokenizer, length: int) -> ArmTexts:
    """The texts of the recipe's arm: at least one, of tokens that the model has.

    Raises:
        UserError: there is none, or the tokenizer was given tokens that the model was not.
    """
    texts = Arm(recipe.data, recipe.seed, tokenizer, length).read()
    if not texts.tokens:
        raise UserError(
            f"nothing is left to learn: all {texts.left_out + texts.leaks} texts were left out ({texts.left_out} by "
            f"unfit: leave_out, {texts.leaks} by leaks: leave_out)"
        )
    rows = load_config(recipe.base).get_text_config().vocab_size
    largest = max(max(text.input_ids) for text in (*texts.tokens, *texts.held_out))
    if largest >= rows:
        spelling = tokenizer.decode([largest])
        raise UserError(
            f"model_name_or_path: {recipe.base.name}: its tokenizer gives token {largest} ({spelling!r}), but its "
            f"embeddings have {rows} rows: add the missing ones by resize_token_embeddings, and save both together"
        )
    return texts


def with_chat_date(recipe: Recipe, tokenizer: Tokenizer, day: str) -> Recipe:
    """The recipe with that day for its chats, and those of the recipe that it is matched to, where nobody chose one.

    As it is where no chat is rendered, or the tokenizer's template prints no date.

    Raises:
        UserError: the template asks for the time in a form that cannot be told.
    """
    reference = None if recipe.reference is None else with_chat_date(recipe.reference, tokenizer, day)
    data = recipe.data
    if "chat_date" in ARM_KEYS[str(data.arm)] and data.chat_date is None and prints_date(tokenizer):
        data = replace(data, chat_date=day)
    return replace(recipe, data=data, reference=reference)


def _chat_form(arm: str | None, tokenizer: Tokenizer) -> str | None:
    """How chats of a data set are written; None where the arm reads no data set."""
    if "data" not in ARM_KEYS[str(arm)]:
        return None
    return "chat template" if tokenizer.chat_template else "plain words"


def plan_lines(plan: Json, settings: dict[str, Json]) -> Iterator[str]:
    """Which texts, tokens and steps a plan has, and by which settings, a line each, in rich's markup.

    Args:
        plan: its counts.
        settings: title -> settings.
    """
    yield from _text_lines(plan)
    if plan["chat_form"] == "plain words":
        base = settings.get("given", {}).get("model_name_or_path", "the model")
        yield (
            f"[bold]chats[/]  as Question: and Answer:, since {escape(str(base))} has no chat template: to train in "
            "turns, put its chat_template.jinja into a copy of its folder"
        )
    yield from _step_lines(plan)
    for title, values in settings.items():
        # TRL's settings hold some words as an enumeration's members.
        plain = {key: value.value if isinstance(value, Enum) else value for key, value in values.items()}
        yield f"[bold]{title}[/]  " + escape("  ".join(f"{key}={value}" for key, value in plain.items()))


def _refuse_lost_tokens(layout: str, texts: Sequence[Tokens], blocks: Sequence[Block]) -> None:
    """Raises `RuntimeError`, our own fault, where the blocks do not hold exactly the texts."""
    to_learn = sum(text.targets for text in texts)
    learnt = sum(block.targets for block in blocks)
    if layout != "joined" and to_learn != learnt:
        raise RuntimeError(f"{to_learn} tokens are to be learnt, the blocks hold {learnt}")
    labelled = sum(label >= 0 for text in texts for label in text.labels)
    held = sum(label >= 0 for block in blocks for label in block.labels)
    if labelled != held:
        raise RuntimeError(f"the texts have {labelled} labels, the blocks hold {held}")


def _text_counts(tokens: Sequence[Tokens], chosen: Sequence[Tokens]) -> Json:
    kinds: dict[str, dict[str, int]] = {}
    for text in chosen:
        kind = kinds.setdefault(text.kind, {"texts": 0, "tokens": 0})
        kind["texts"] += 1
        kind["tokens"] += len(text.input_ids)
    return {"texts": len(chosen), "distinct_texts": min(len(tokens), len(chosen)), "kinds": kinds}


def _block_counts(texts: Sequence[Tokens], blocks: Sequence[Block], length: int) -> Json:
    """Numbers of one epoch: tokens given; read again at the start of a continued text; learnt; and the fill ratio."""
    tokens, held = sum(len(text.input_ids) for text in texts), sum(len(block.input_ids) for block in blocks)
    return {
        "tokens": tokens,
        "tokens_read_again": held - tokens,
        "targets": sum(block.targets for block in blocks),
        "blocks": len(blocks),
        "fill_ratio": held / (len(blocks) * length) if blocks else None,
    }


def _step_counts(pace: Pace, blocks: int) -> dict[str, int]:
    steps = pace.steps_per_epoch(blocks)
    return {
        "epochs": pace.epochs,
        "world_size": pace.world_size,
        "batch": pace.batch,
        "steps_per_epoch": steps,
        "steps": steps * pace.epochs,
    }


def _text_lines(plan: Json) -> Iterator[str]:
    part = f"{plan['collection']}, {plan['split'] or 'all splits'}, "
    part += f"{plan['chunks']:,} chunks of {plan['documents']:,} documents"
    yield f"[bold]arm[/]  {plan['arm']}  ({escape(part)}; {plan['layout']}, blocks of {plan['block_length']} tokens)"
    for kind, count in plan["kinds"].items():
        share = count["tokens"] / plan["tokens"]
        yield f"[bold]texts[/]  {count['texts']:,} x {kind}: {count['tokens']:,} tokens, {share:.1%}"
    copies = plan["texts"] / plan["distinct_texts"]
    yield f"[bold]texts[/]  {plan['texts']:,} in all, {plan['distinct_texts']:,} different ({copies:.2f} copies)"
    if plan["chat_date"]:
        yield f"[bold]chats[/]  as of {plan['chat_date']}, which their template prints"
    if plan["left_out"]:
        yield f"[bold]left out[/]  {plan['left_out']:,} texts that cannot be learnt"
    if plan["leaks_left_out"]:
        yield f"[bold]left out[/]  {plan['leaks_left_out']:,} texts from outside that hold an evaluation question"
    if plan["spelling_control_tokens"]:
        yield (
            f"[bold]control tokens[/]  {plan['spelling_control_tokens']:,} texts spell one of the tokenizer's, "
            "which is encoded as text"
        )
    yield f"[bold]held out[/]  {plan['held_out']['texts']} texts, {plan['held_out']['tokens']:,} tokens"
    yield (
        f"[bold]leaks[/]  none of {plan['questions_checked']:,} evaluation questions, by their words and, within the "
        "collection, by id"
    )
    if plan["asked_checks"]:
        yield f"[bold]asked in texts[/]  none of them, {' and '.join(plan['asked_checks'])}"


def _step_lines(plan: Json) -> Iterator[str]:
    fill = f"{plan['fill_ratio']:.1%} full"
    yield (
        f"[bold]an epoch[/]  {plan['tokens']:,} tokens given, {plan['tokens_read_again']:,} read again, "
        f"{plan['targets']:,} learnt, {plan['blocks']:,} blocks, {fill}"
    )
    yield (
        f"[bold]steps[/]  {plan['steps']:,} = {plan['epochs']} epochs x {plan['steps_per_epoch']:,} "
        f"({plan['batch']} blocks a step, {plan['world_size']} processes)"
    )
    idle = f", {plan['idle_steps']:,} at learning rate 0" if plan["idle_steps"] else ""
    yield f"[bold]warm-up[/]  {plan['warmup_steps']:,} steps{idle}"
    yield f"[bold]in all[/]  {plan['tokens'] * plan['epochs']:,} tokens, {plan['targets'] * plan['epochs']:,} learnt"
    if matched := plan["matched"]:
        yield (
            f"[bold]matched[/]  by {matched['by']} to {escape(matched['name'])}: {matched['steps']:,} steps, "
            f"{matched['tokens']:,} tokens"
        )
