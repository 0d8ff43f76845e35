"""What a recipe would train, shown without loading a weight: numbers, memory, and two blocks as they will be learnt."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from kinj_training.base import load_tokenizer
from kinj_training.blocks.block import Block
from kinj_training.blocks.rates import saved_steps
from kinj_training.memory import Memory, estimate_memory
from kinj_training.plan import Plan, make_plan, plan_lines, with_chat_date
from kinj_training.recipe.recipe import Recipe
from kinj_training.recipe.settings import Json
from kinj_training.texts.tokens import NO_LOSS, Tokenizer


def dry_run(recipe: Recipe, *, as_json: bool = False) -> None:
    """Prints the plan of each stage, its memory and two of its blocks; with `as_json` as one JSON object.

    Raises:
        UserError: what `make_plan` refuses.
    """
    tokenizer = load_tokenizer(recipe.base)
    today = date.today().isoformat()
    stages = [_stage(with_chat_date(stage, tokenizer, today), tokenizer) for stage in recipe.stages or (recipe,)]
    if as_json:
        print(json.dumps({"recipe": str(recipe.path), "stages": stages}, default=str))  # noqa: T201
        return
    console = Console(highlight=False, soft_wrap=True)
    for number, stage in enumerate(stages, 1):
        if len(stages) > 1:
            console.rule(f"stage {number} of {len(stages)}: {stage['plan']['arm']}")
        for line in _lines(stage):
            console.print(line)


def _stage(recipe: Recipe, tokenizer: Tokenizer) -> Json:
    """Everything that is shown of a stage; what `--json` prints."""
    devices = recipe.data.num_processes or 1
    plan = make_plan(recipe, tokenizer, devices)
    memory = estimate_memory(recipe.base, recipe.training, recipe.model, plan.counts["block_length"], devices)
    return {
        "plan": plan.counts,
        "sha256": plan.sha256,
        "memory": _memory(memory),
        "disk": _disk(memory, recipe, plan.counts),
        "settings": {"given": recipe.given, "decided": recipe.decided},
        "marks": {
            name: None if token is None else tokenizer.decode([token]) for name, token in plan.counts["marks"].items()
        },
        "blocks": [_block(block, tokenizer) for block in _two(plan)],
    }


def _two(plan: Plan) -> list[Block]:
    """The first block, and one from the middle, where copies and other kinds of text stand."""
    return [plan.blocks[number] for number in sorted({0, len(plan.blocks) // 2})]


def _memory(memory: Memory) -> Json:
    return {
        "parts": [{"name": i.name, "bytes": i.bytes, "arithmetic": i.arithmetic} for i in memory.items],
        "one_device": memory.alone,
        "sharded_over": memory.devices,
        "sharded": memory.sharded,
    }


def _disk(memory: Memory, recipe: Recipe, counts: Json) -> Json:
    """Bytes on disk at the highest moment, and those that are free where the training writes."""
    training = recipe.training
    saved, kept = len(saved_steps(training, counts)), training.save_total_limit or 0
    # The oldest checkpoint goes only once the newest is there.
    checkpoints = min(saved, kept + 1) if kept > 0 else saved
    folder = Path(str(training.output_dir)).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "finished": memory.finished,
        "adapter": memory.adapter,
        "checkpoint": memory.checkpoint,
        "checkpoints": checkpoints,
        "in_all": memory.finished + checkpoints * memory.checkpoint,
        # Each run of a search keeps its weights.
        "search_runs": math.prod(map(len, recipe.search.values())) if recipe.search else 0,
        "free": shutil.disk_usage(there).free,
    }


def _block(block: Block, tokenizer: Tokenizer) -> list[Json]:
    """Each part of a block: the text it comes from, its tokens, and its runs of learnt and of read text."""
    parts = []
    start = 0
    # A joined block's one part holds several texts.
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


def _lines(stage: Json) -> Iterator[str]:
    yield from plan_lines(stage["plan"], stage["settings"])
    yield from _memory_lines(stage["memory"])
    yield from _disk_lines(stage["disk"])
    yield "[bold]marks[/]  " + escape("  ".join(f"{name}: {mark}" for name, mark in stage["marks"].items()))
    yield "[bold]two blocks[/]  learnt text is plain, ⟦text in brackets⟧ is only read"
    for number, block in enumerate(stage["blocks"], 1):
        for count, part in enumerate(block, 1):
            head = f"block {number}, part {count} of {len(block)}: {part['text_id']}"
            yield f"[bold cyan]── {escape(head)}, {part['targets']} of {part['tokens']} tokens learnt[/]"
            yield "".join(
                escape(run["text"]) if run["learnt"] else f"[dim]⟦{escape(run['text'])}⟧[/]" for run in part["runs"]
            )


def _memory_lines(memory: Json) -> Iterator[str]:
    for part in memory["parts"]:
        yield f"[bold]memory[/]  {_gigabytes(part['bytes'])}  {part['name']}: {part['arithmetic']}"
    yield f"[bold]memory[/]  {_gigabytes(memory['one_device'])}  on one device, estimated"
    if memory["sharded_over"] > 1:
        yield (
            f"[bold]memory[/]  {_gigabytes(memory['sharded'])}  on each of {memory['sharded_over']} devices where "
            "FSDP shards weights, gradients and states"
        )


def _disk_lines(disk: Json) -> Iterator[str]:
    of = f"{disk['checkpoints']} checkpoints of {_gigabytes(disk['checkpoint'])} (save_total_limit keeps fewer)"
    parts = f"{_gigabytes(disk['finished'])} finished weights and {of}; {_gigabytes(disk['free'])} are free"
    yield f"[bold]disk[/]  {_gigabytes(disk['in_all'])}  {parts}"
    if runs := disk["search_runs"]:
        yield f"[bold]disk[/]  {_gigabytes(runs * disk['finished'])}  finished weights of the {runs} runs of --search"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
