"""What a stage read and wrote. Written last, so a folder that has one is complete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kinj.errors import UserError

NAME = "manifest.json"


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def sha256_files(folder: Path, names: Sequence[str] | None = None) -> str:
    """SHA-256 over the names and contents of a folder's own files (no subfolders), or of those named; 64 hex digits."""
    chosen = sorted(names) if names is not None else sorted(p.name for p in folder.iterdir() if p.is_file())
    return sha256_json([[name, sha256_file(folder / name)] for name in chosen])


def sha256_json(value: object) -> str:
    """SHA-256 of a JSON value in one fixed spelling (sorted keys, no spaces), 64 hex digits."""
    spelled = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(spelled.encode()).hexdigest()


@contextmanager
def replacing(path: Path, *, to_disk: bool = False) -> Iterator[Path]:
    """Gives the path of a file to write, which takes the place of `path` at the end: a reader sees all of it or none.

    Args:
        path: the file; its folder exists. Where the block raises, it stays what it was.
        to_disk: end only once the content would survive a loss of power.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        if to_disk:
            sync_to_disk(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, to_disk: bool = False) -> None:
    """Writes a text file by `replacing`."""
    with replacing(path, to_disk=to_disk) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def sync_to_disk(path: Path) -> None:
    """Returns once a file, or the names in a folder, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_manifest(folder: Path, values: dict[str, Any]) -> None:  # Any: JSON values
    """Marks `folder` complete."""
    write_whole(folder / NAME, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_manifest(folder: Path, remedy: str) -> dict[str, Any]:  # Any: JSON values
    """The manifest of a complete folder.

    Raises:
        UserError: no such folder, or one without a readable manifest; the message ends with `remedy`, what to type.
    """
    path = folder / NAME
    if not path.is_file():
        why = "has no manifest.json: it is unfinished, or not made by kinj" if folder.is_dir() else "does not exist"
        raise UserError(f"{folder} {why}; {remedy}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not JSON ({error}); {remedy}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a manifest; {remedy}")
    return value
