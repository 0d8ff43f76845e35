"""Where a benchmark lies, and what it is called without saying where.

Rows name their benchmark by name and SHA-256, so that they are the same on every machine. Whoever makes rows of a
folder registers it here, and whoever needs its chunks finds it by what the rows say.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, sha256_files

#: The file of each form of questions (see `records.Question`), and of those that the documents do not answer.
FORM_FILES = {"direct": "questions.jsonl", "indirect": "questions_indirect.jsonl", "two": "questions_two.jsonl"}
UNANSWERABLE_FILE = "questions_unanswerable.jsonl"
QUESTION_FILES = (*FORM_FILES.values(), UNANSWERABLE_FILE)
#: The files that make a benchmark what it is; the others are about it.
DATA_FILES = ("documents.jsonl", "chunks.jsonl", *QUESTION_FILES, "paraphrases.jsonl", "pairs.jsonl", "sources.jsonl")


@dataclass(frozen=True, slots=True)
class BenchmarkIdentity:
    """What tells a benchmark from all others, wherever its folder lies."""

    #: its manifest's, else its folder's
    name: str
    #: its manifest's, else empty
    version: str
    #: over names and contents of its data files, 64 hex digits
    sha256: str


#: Those that this process has opened or looked for.
_registered: dict[BenchmarkIdentity, Path] = {}


def register(folder: Path) -> BenchmarkIdentity:
    """The identity of the benchmark in `folder`, under which this process finds it from now on.

    Raises:
        UserError: the folder's manifest is none.
    """
    manifest = {}
    if (folder / MANIFEST).is_file():
        manifest = read_manifest(folder, "restore the file or delete it")
    identity = BenchmarkIdentity(
        name=str(manifest.get("name") or folder.resolve().name),
        version=str(manifest.get("version") or ""),
        sha256=sha256_files(folder, [name for name in DATA_FILES if (folder / name).is_file()]),
    )
    _registered[identity] = folder
    return identity


def find_registered(name: str, sha256: str) -> tuple[BenchmarkIdentity, Path] | None:
    """Identity and folder of a benchmark that this process has registered, or that ships; None where there is none."""
    for identity, folder in _registered.items():
        if (identity.name, identity.sha256) == (name, sha256):
            return identity, folder
    shipped = shipped_collections().get(name)
    if shipped is None:
        return None
    identity = register(shipped)
    return (identity, shipped) if identity.sha256 == sha256 else None


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
