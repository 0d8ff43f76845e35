"""What a recipe would train, shown without loading a weight: numbers, memory, and two blocks as they will be learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape

from kinj_training.base import load_tokenizer
from kinj_training.blocks.block import Block
from kinj_training.memory import Memory, estimate_memory
from kinj_training.plan import Plan, make_plan
from kinj_training.recipe.recipe import Recipe
from kinj_training.texts.tokens import NO_LOSS, Tokenizer


def dry_run(recipe: Recipe, *, as_json: bool = False) -> None:
    """Prints the plan of each stage, its memory and two of its blocks; with `as_json` as one JSON object.

    Raises:
        UserError: what `make_plan` refuses.
    """
    tokenizer = load_tokenizer(recipe)
    stages = [_stage(stage, tokenizer) for stage in recipe.stages or (recipe,)]
    if as_json:
        print(json.dumps({"recipe": str(recipe.path), "stages": stages}, default=str))  # noqa: T201
        return
    console = Console(highlight=False, soft_wrap=True)
    for number, stage in enumerate(stages, 1):
        if len(stages) > 1:
            console.rule(f"stage {number} of {len(stages)}: {stage['plan']['arm']}")
        for line in _lines(stage):
            console.print(line)


def _stage(recipe: Recipe, tokenizer: Tokenizer) -> dict[str, Any]:  # Any: JSON values
    devices = recipe.data.num_processes or 1
    plan = make_plan(recipe, tokenizer, devices)
    memory = estimate_memory(recipe, plan.counts["block_length"], devices)
    return {
        "plan": plan.counts,
        "sha256": plan.sha256,
        "memory": _memory(memory),
        "settings": {"given": recipe.given, "decided": recipe.decided},
        "marks": {name: None if one is None else tokenizer.decode([one]) for name, one in plan.counts["marks"].items()},
        "blocks": [_block(block, tokenizer) for block in _two(plan)],
    }


def _two(plan: Plan) -> list[Block]:
    """The first block, and one from the middle, where copies and other kinds of text stand."""
    return [plan.blocks[number] for number in sorted({0, len(plan.blocks) // 2})]


def _memory(memory: Memory) -> dict[str, Any]:  # Any: JSON values
    return {
        "parts": [{"name": p.name, "bytes": p.bytes, "arithmetic": p.arithmetic} for p in memory.parts],
        "one_device": memory.alone,
        "sharded_over": memory.devices,
        "sharded": memory.sharded,
    }


def _block(block: Block, tokenizer: Tokenizer) -> list[dict[str, Any]]:  # Any: JSON values
    """Each part of a block: the text it comes from, its tokens, and its runs of learnt and of read text."""
    parts = []
    start = 0
    texts = iter(block.text_ids) if len(block.text_ids) == len(block.lengths) else None
    for length in block.lengths:
        places = range(start, start + length)
        learnt = [place > start and block.labels[place] != NO_LOSS for place in places]
        runs = [
            {"learnt": is_learnt, "text": tokenizer.decode([block.input_ids[place] for _, place in group])}
            for is_learnt, group in groupby(zip(learnt, places, strict=True), key=lambda pair: pair[0])
        ]
        name = next(texts) if texts is not None else " + ".join(block.text_ids)
        parts.append({"text_id": name, "tokens": length, "targets": sum(learnt), "runs": runs})
        start += length
    return parts


def _lines(stage: dict[str, Any]) -> Iterator[str]:
    yield from plan_lines(stage["plan"], stage["settings"])
    yield from _memory_lines(stage["memory"])
    yield "[bold]marks[/]  " + escape("  ".join(f"{name}: {mark}" for name, mark in stage["marks"].items()))
    yield "[bold]two blocks[/]  learnt text is plain, ⟦text in brackets⟧ is only read"
    for number, block in enumerate(stage["blocks"], 1):
        for part, said in enumerate(block, 1):
            head = f"block {number}, part {part} of {len(block)}: {said['text_id']}"
            yield f"[bold cyan]── {escape(head)}, {said['targets']} of {said['tokens']} tokens learnt[/]"
            yield "".join(
                escape(run["text"]) if run["learnt"] else f"[dim]⟦{escape(run['text'])}⟧[/]" for run in said["runs"]
            )


def plan_lines(plan: dict[str, Any], settings: dict[str, dict[str, Any]]) -> Iterator[str]:  # Any: JSON values
    """Which texts, tokens and steps a plan has, and by which settings, a line each, in rich's markup."""
    yield from _text_lines(plan)
    yield from _step_lines(plan)
    for title, values in settings.items():
        yield f"[bold]{title}[/]  " + escape("  ".join(f"{key}={_plain(value)}" for key, value in values.items()))


def _text_lines(plan: dict[str, Any]) -> Iterator[str]:
    where = f"{plan['collection']}, {plan['split'] or 'all splits'}, {plan['chunks']} chunks"
    yield f"[bold]arm[/]  {plan['arm']}  ({escape(where)}; {plan['layout']}, blocks of {plan['block_length']} tokens)"
    for kind, count in plan["kinds"].items():
        share = count["tokens"] / plan["tokens"]
        yield f"[bold]texts[/]  {count['texts']:,} x {kind}: {count['tokens']:,} tokens, {share:.1%}"
    copies = plan["texts"] / plan["distinct_texts"]
    yield f"[bold]texts[/]  {plan['texts']:,} in all, {plan['distinct_texts']:,} different ({copies:.2f} copies)"
    if plan["left_out"]:
        yield f"[bold]left out[/]  {plan['left_out']:,} texts that cannot be learnt"
    yield f"[bold]held out[/]  {plan['held_out']['texts']} texts, {plan['held_out']['tokens']:,} tokens"
    yield f"[bold]leaks[/]  none of {plan['questions_checked']:,} evaluation questions, by id and by their words"


def _step_lines(plan: dict[str, Any]) -> Iterator[str]:
    fill = f"{plan['fill_ratio']:.1%} full"
    yield (
        f"[bold]an epoch[/]  {plan['tokens']:,} tokens given, {plan['tokens_read_again']:,} read again, "
        f"{plan['targets']:,} learnt, {plan['blocks']:,} blocks, {fill}"
    )
    yield (
        f"[bold]steps[/]  {plan['steps']:,} = {plan['epochs']} epochs x {plan['steps_per_epoch']:,} "
        f"({plan['batch']} blocks a step, {plan['world_size']} processes)"
    )
    yield f"[bold]in all[/]  {plan['tokens'] * plan['epochs']:,} tokens, {plan['targets'] * plan['epochs']:,} learnt"
    if matched := plan["matched"]:
        yield (
            f"[bold]matched[/]  by {matched['by']} to {escape(matched['name'])}: {matched['steps']:,} steps, "
            f"{matched['tokens']:,} tokens"
        )


def _memory_lines(memory: dict[str, Any]) -> Iterator[str]:
    for part in memory["parts"]:
        yield f"[bold]memory[/]  {_gigabytes(part['bytes'])}  {part['name']}: {part['arithmetic']}"
    yield f"[bold]memory[/]  {_gigabytes(memory['one_device'])}  on one device, estimated"
    if memory["sharded_over"] > 1:
        yield (
            f"[bold]memory[/]  {_gigabytes(memory['sharded'])}  on each of {memory['sharded_over']} devices where "
            "FSDP shards weights, gradients and states"
        )


def _plain(value: object) -> object:
    """TRL's settings hold some words as an enumeration's members."""
    return value.value if isinstance(value, Enum) else value


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
