"""What a unit's training left: its manifest, and what a search of its settings tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from kinj.errors import UserError
from kinj.records import Json


def read_training(unit: Path) -> Json:
    """A unit's training manifest, under `search` each run of a search; empty where nothing was trained.

    Raises:
        UserError: a file is no JSON.
    """
    training = json_file(unit / "training.json")
    if search := json_file(unit / "search.json"):
        training["search"] = list(_runs(search))
    return training


def _runs(search: Json) -> Iterator[Json]:
    for run in search["runs"]:
        told = {name: run.get(name) for name in ("settings", "held_out_loss", "tokens", "seconds")}
        yield {**told, "chosen": run["settings"] == search["chosen"]["settings"]}


def json_file(path: Path) -> Json:
    """The object in a file; an empty one where there is no file, or something else in it.

    Raises:
        UserError: no JSON.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    return value if isinstance(value, dict) else {}
