"""Checkpoints that are known to be whole: each carries a mark, written last, of what it must hold."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MARK = "kinj_complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a checkpoint's mark says."""

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


def mark_complete(folder: Path, **said: Any) -> None:  # Any: the fields of `Mark` but its files
    """Marks `folder` complete: everything in it is on the disk before the mark is, so a mark is never ahead."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    for path in files:
        to_disk(path)
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        to_disk(inner)
    mark = Mark(files={path.relative_to(folder).as_posix(): path.stat().st_size for path in files}, **said)
    part = folder / (MARK + ".part")
    part.write_text(json.dumps(asdict(mark), indent=1) + "\n", encoding="utf-8")
    to_disk(part)
    part.rename(folder / MARK)
    to_disk(folder)
    to_disk(folder.parent)


def newest_complete(output_dir: Path, plan: str) -> tuple[Path, Mark] | None:
    """The complete checkpoint of the highest step that belongs to this training; None where there is none."""
    for folder in reversed(_all(output_dir)):
        if (mark := read_mark(folder)) is not None and mark.plan == plan:
            return folder, mark
    return None


def remove_incomplete(output_dir: Path) -> list[str]:
    """Removes what an interrupted save left behind, and says which; their names will be written again."""
    broken = [folder for folder in _all(output_dir) if read_mark(folder) is None]
    for folder in broken:
        shutil.rmtree(folder)
    return [folder.name for folder in broken]


def keep_newest(output_dir: Path, count: int, besides: str | None) -> None:
    """Removes all complete checkpoints but the newest `count` and the one named `besides`."""
    complete = [folder for folder in _all(output_dir) if read_mark(folder) is not None]
    for folder in complete[:-count]:
        if besides is None or folder.name != Path(besides).name:
            # The mark goes first: a folder that is half removed is not complete.
            (folder / MARK).unlink()
            shutil.rmtree(folder)


def read_mark(folder: Path) -> Mark | None:
    """The mark of a checkpoint that is whole; None if it has none, or a file is absent or of another size."""
    path = folder / MARK
    if not path.is_file():
        return None
    mark = Mark(**json.loads(path.read_text(encoding="utf-8")))
    whole = all((folder / name).is_file() and (folder / name).stat().st_size == n for name, n in mark.files.items())
    return mark if whole else None


def _all(output_dir: Path) -> list[Path]:
    """Every checkpoint folder, by step."""
    found = [(int(match[1]), path) for path in output_dir.glob("checkpoint-*") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found) if path.is_dir()]


def to_disk(path: Path) -> None:
    """Returns once a file, or the names in a folder, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
