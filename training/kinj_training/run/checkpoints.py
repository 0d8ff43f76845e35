"""Checkpoints that are known to be whole: each carries a record, written last, of what it must hold."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinj.manifest import sync_to_disk, write_whole

COMPLETE = "kinj_complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, slots=True)
class Completion:
    """The record of a whole checkpoint."""

    #: SHA-256 of all that shapes the training; another training's checkpoint is not resumed
    plan: str
    step: int
    #: what went through the model so far, all processes together
    tokens: int
    targets: int
    #: wall time so far, of all runs that led here
    seconds: float
    #: path inside the checkpoint -> bytes
    files: dict[str, int]


def folder_of(output_dir: Path, step: int) -> Path:
    """Where transformers' Trainer saves the checkpoint of a step."""
    return output_dir / f"checkpoint-{step}"


def record_completion(folder: Path, **progress: Any) -> None:  # Any: the fields of `Completion` but its files
    """Records that `folder` is complete: everything in it is on the disk before the record is."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != COMPLETE)
    for path in files:
        sync_to_disk(path)
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        sync_to_disk(inner)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    record = asdict(Completion(files=sizes, **progress))
    write_whole(folder / COMPLETE, json.dumps(record, indent=1) + "\n", to_disk=True)
    sync_to_disk(folder)
    sync_to_disk(folder.parent)


def newest_complete(output_dir: Path, plan: str) -> tuple[Path, Completion] | None:
    """The complete checkpoint of the highest step that belongs to this training; None where there is none."""
    for folder in reversed(_all(output_dir)):
        if (completion := read_completion(folder)) is not None and completion.plan == plan:
            return folder, completion
    return None


def remove_incomplete(output_dir: Path) -> list[str]:
    """Removes what an interrupted save left behind, and says which; their names will be written again."""
    broken = [folder for folder in _all(output_dir) if read_completion(folder) is None]
    for folder in broken:
        shutil.rmtree(folder)
    return [folder.name for folder in broken]


def keep_newest(output_dir: Path, count: int, besides: str | None) -> None:
    """Removes all complete checkpoints but the newest `count` and the one named `besides`."""
    complete_ones = [folder for folder in _all(output_dir) if read_completion(folder) is not None]
    for folder in complete_ones[:-count]:
        if besides is None or folder.name != Path(besides).name:
            # The record goes first: a folder that is half removed is not complete.
            (folder / COMPLETE).unlink()
            shutil.rmtree(folder)


def read_completion(folder: Path) -> Completion | None:
    """The record of a checkpoint that is whole; None if it has none, or a file is absent or of another size."""
    path = folder / COMPLETE
    if not path.is_file():
        return None
    completion = Completion(**json.loads(path.read_text(encoding="utf-8")))
    files = [(folder / name, size) for name, size in completion.files.items()]
    return completion if all(file.is_file() and file.stat().st_size == size for file, size in files) else None


def _all(output_dir: Path) -> list[Path]:
    """Every checkpoint folder, by step."""
    folders = output_dir.glob("checkpoint-*")
    steps = [(int(match[1]), path) for path in folders if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(steps) if path.is_dir()]
