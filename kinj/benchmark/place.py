"""Where a benchmark lies: the ones that ship with the project go by name, all others by path."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from kinj.errors import UserError


def collection_folder(name_or_path: str | Path) -> Path:
    """The folder of a shipped benchmark (by name), else the folder at that path; a name wins.

    Raises:
        UserError: neither a shipped name nor a folder.
    """
    shipped = shipped_collections()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if not path.is_dir():
        known = ", ".join(sorted(shipped)) or "none is installed"
        raise UserError(f"benchmark {str(name_or_path)!r} is neither a folder nor one that ships with kinj ({known})")
    return path


def shipped_collections() -> dict[str, Path]:
    """Name to folder of the benchmarks that ship with the project; empty where `kinj_tasks` is not installed."""
    # By its name as text, not by an import statement: kinj also works without kinj_tasks.
    try:
        package = importlib.resources.files("kinj_tasks")
    except ModuleNotFoundError:
        return {}
    root = Path(str(package)) / "collections"
    return {folder.name: folder for folder in root.iterdir() if folder.is_dir()} if root.is_dir() else {}
