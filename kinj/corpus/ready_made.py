"""Collections that tasks search without being told where: made once, or named once, and found by their name.

Beside each collection in the cache lies a file that says in which folder it is, so that one made elsewhere serves too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kinj.cache import cache_folder
from kinj.errors import UserError
from kinj.manifest import write_whole

CHUNKS = "chunks.jsonl"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a collection is about: Wikipedia around one page."""

    #: its title on English Wikipedia
    page: str
    depth: int = 2


#: The subjects of Ovadia et al. 2023, whose knowledge base was Wikipedia around each subject's central page; how far
#: around it is not said there.
SUBJECTS = {
    "mmlu_anatomy": Subject("Anatomy"),
    "mmlu_astronomy": Subject("Astronomy"),
    "mmlu_college_biology": Subject("Biology"),
    "mmlu_college_chemistry": Subject("Chemistry"),
    "mmlu_prehistory": Subject("Prehistory"),
}


def default_folder(name: str) -> Path:
    """Where a collection is made that nobody gave a folder."""
    return cache_folder("collections", name)


def use_collection(name: str, folder: Path) -> None:
    """From now on the tasks of that name search this collection.

    Raises:
        UserError: it is no collection, or one that is not finished.
    """
    _refuse(folder)
    place = _place(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, json.dumps({"folder": str(folder.resolve())}, ensure_ascii=False) + "\n")


def find_collection(name: str) -> Path:
    """The folder of the collection that the tasks of that name search.

    Raises:
        UserError: none was made or named yet, or it has gone; the message has the commands.
    """
    place = _place(name)
    if not place.is_file():
        raise UserError(f"the collection {name} is not there yet: {_ways(name)}")
    try:
        folder = Path(json.loads(place.read_text(encoding="utf-8"))["folder"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{place} is broken: delete it, then {_ways(name)}") from error
    try:
        _refuse(folder)
    except UserError as error:
        raise UserError(f"the collection {name}: {error}, or {_ways(name)}") from error
    return folder


def _place(name: str) -> Path:
    return cache_folder("collections", f"{name}.json")


def _ways(name: str) -> str:
    return (
        f"`kinj corpus {name} --contact YOU@EXAMPLE.ORG` makes it of Wikipedia, "
        f"`kinj corpus {name} --collection FOLDER` takes one of yours"
    )


def _refuse(folder: Path) -> None:
    # Here, since who searches a collection needs nothing of what builds one.
    from kinj.corpus.build import is_unfinished

    if is_unfinished(folder):
        raise UserError(f"{folder} is a collection that is not finished: type its `kinj corpus` command again")
    if not (folder / CHUNKS).is_file():
        raise UserError(f"{folder} is no collection, since it has no {CHUNKS}: name a folder that `kinj corpus` wrote")
