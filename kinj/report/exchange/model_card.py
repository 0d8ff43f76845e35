"""A model card with `model-index` beside each checkpoint of a comparison: what the hub shows as its scores."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, write_whole
from kinj.records import Cell, Json
from kinj.report.reading import Result, Run, read_runs
from kinj.report.reading.plain import plain
from kinj.report.reading.runs import CONTRADICTED

log = logging.getLogger(__name__)

_NAME = "README.md"
#: The first line of a card that kinj may replace; any other README.md keeps its text.
_OURS = "<!-- written by kinj -->"


def write_model_cards(comparison: Path) -> list[Path]:
    """Writes README.md into each trained checkpoint of a folder of `kinj compare`, with its cells' scores.

    Of a README.md that is somebody else's the text stays, and `model-index` alone is replaced. Where the weights were
    not kept, or the training's manifest seals a README.md of PEFT's, the card lies in the unit's folder.

    Returns:
        The cards, one for each training that has a cell that can be read.

    Raises:
        UserError: no such comparison, nothing in it was trained, or a README.md whose head is no YAML.
    """
    if not (comparison / "cells.jsonl").is_file():
        raise UserError(f"{comparison}: no folder of `kinj compare` (it has no cells.jsonl)")
    units: dict[str, list[Cell]] = defaultdict(list)
    for cell in read_records(comparison / "cells.jsonl", Cell):
        if cell.injection != "none" and (comparison / "cells" / cell.id / MANIFEST).is_file():
            units[cell.unit].append(cell)
    if not units:
        raise UserError(f"{comparison}: no trained model has a complete cell; model cards are written beside those")
    cards = (_write(comparison, unit, cells) for unit, cells in units.items())
    return [card for card in cards if card is not None]


def model_index(name: str, runs: Iterable[tuple[Cell, Run]]) -> Json:
    """The hub's `model-index` of one model: each cell's scores, named by how the model read."""
    return {"name": name, "results": [_entry(cell, result) for cell, run in runs for result in run.results
                                      if result.checked != CONTRADICTED]}  # fmt: skip


def _write(comparison: Path, unit: str, cells: list[Cell]) -> Path | None:
    from huggingface_hub import ModelCardData

    runs: list[tuple[Cell, Run]] = []
    for cell in cells:
        found, problems = read_runs([comparison / "cells" / cell.id])
        runs += [(cell, run) for run in found]
        for problem in problems:
            log.warning("not in the model card of %s: %s", cell.unit, problem)
    folder = comparison / "units" / unit
    weights = folder / "checkpoint"
    training = read_manifest(weights, "train anew") if (weights / MANIFEST).is_file() else None
    card = (folder if training is None or _NAME in training.get("files", {}) else weights) / _NAME
    if not runs:
        if card.is_file():
            log.warning("%s: as it was; no cell of this training can be read now", card)
        return None
    first = cells[0]
    seed = f", seed {first.seed}" if first.seed is not None else ""
    index = model_index(plain(f"{first.model}, {first.injection}{seed}"), runs)
    if card.is_file() and _OURS.encode() not in card.read_bytes():
        write_whole(card, _with_index(card, index))
        return card
    data = ModelCardData(library_name="transformers", tags=["kinj"])
    data["model-index"] = [index]
    write_whole(card, f"---\n{data.to_yaml()}\n---\n\n{_OURS}\n{_text(training or {}, first, index)}")
    return card


def _with_index(card: Path, index: Json) -> str:
    """Somebody's card with its `model-index` made anew."""
    import yaml  # type: ignore[import-untyped]  # its types are a package of their own
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import model_index_to_eval_results

    try:
        kept = ModelCard.load(card)
    except (ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{card}: its head cannot be read ({why}); mend its YAML, or move the file away") from error
    # What it had is read into these two, which stand before a `model-index` that is set.
    kept.data.model_name, kept.data.eval_results = model_index_to_eval_results([index])
    return str(kept)


def _text(training: Json, cell: Cell, index: Json) -> str:
    lines = [
        f"# {index['name']}",
        "",
        f"The model `{plain(cell.model)}` after the injection `{plain(cell.injection)}`.",
    ]
    facts = [f"{training[name]} {name}" for name in ("steps", "tokens") if name in training]
    lines[-1] += f" Trained by kinj: {', '.join(facts)}." if facts else ""
    lines += ["", "| task | metric | read | score | questions |", "| --- | --- | --- | --- | --- |"]
    for entry in index["results"]:
        metric = entry["metrics"][0]
        named = (entry["dataset"]["name"], metric["type"], metric["args"]["reading"])
        cells = [*(name.replace("|", "\\|") for name in named), f"{metric['value']:.4f}", metric["args"]["questions"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def _entry(cell: Cell, result: Result) -> Json:
    reading = "closed book" if cell.reading == "none" else plain(cell.reading)
    arguments = {"reading": reading, "num_fewshot": cell.num_fewshot, "filter": result.filter}
    arguments |= {"questions": result.n, "checked": result.checked}
    dataset = {"name": result.task, "type": result.task, **({"split": cell.split} if cell.split else {})}
    metric = {"type": result.metric, "name": f"{result.metric} ({reading})", "value": result.value, "args": arguments}
    return {"task": {"type": "question-answering"}, "dataset": dataset, "metrics": [metric]}
