"""The first prompt of each model, as it was sent, and whether its chat template was put to use."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kinj.compare.folder import OutputFolder
from kinj.compare.units import Comparison
from kinj.jsonl import read_objects
from kinj.records import Cell


def first_prompts(comparison: Comparison, out: OutputFolder) -> Iterator[str]:
    """Lines for a person: of each model of the plan the first prompt of its first complete cell."""
    seen: set[str] = set()
    for planned in (planned for unit in comparison.units if unit.results is None for planned in unit.cells):
        cell = planned.cell
        if cell.model not in seen and out.is_complete(cell.id):
            seen.add(cell.model)
            yield from _lines(cell, out)


def _lines(cell: Cell, out: OutputFolder) -> Iterator[str]:
    folder = out.cell(cell.id)
    _, row = next(read_objects(folder / "trace.jsonl"))
    yield f"{cell.model}: its first prompt as sent ({cell.task}, {cell.reading}):"
    yield from (f"  | {line}" for line in str(row["prompts"][0] if row["prompts"] else "").splitlines())
    [file] = folder.glob("results_*.json")
    results = json.loads(file.read_text(encoding="utf-8"))
    has_template = "chat_template_sha256" in results["config"]["kinj"]["base"]
    if has_template and not results.get("chat_template"):
        yield f"{cell.model}: its tokenizer has a chat template, which was not used; chat_template: true applies it"
