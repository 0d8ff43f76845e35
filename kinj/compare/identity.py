"""What shapes answers, weights and passages, as JSON values: ids are hashes over these."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Protocol

from kinj.benchmark import collection_folder, register
from kinj.checkpoint import fingerprint
from kinj.compare.plan import InjectionArm, ModelSettings, ReadingArm
from kinj.errors import UserError
from kinj.hub.find import commit_in_cache, commit_on_hub, find_demo_model, hub_errors
from kinj.manifest import sha256_file, sha256_json
from kinj.passages import load_template
from kinj.records import Json
from kinj.retrieval import open_index
from kinj.retrieval.index import Method
from kinj.settings_file import read_settings

#: lm-eval's models that load weights out of a folder or from the hub, a tokenizer and a configuration beside them.
LOADERS = ("hf", "hf-auto", "huggingface", "vllm", "sglang")
#: Keys of a recipe that say where something is written.
_PLACES = ("output_dir", "logging_dir", "run_name")
#: Keys of a recipe that may name a file, or a list of them.
_FILES = ("data", "template", "held_out")
_METHODS: dict[str, list[Method]] = {
    "bm25": ["bm25"],
    "dense": ["dense"],
    "hybrid": ["bm25", "dense"],
    "gold": [],
    "gold+distractors": ["bm25"],
    "distractors": ["bm25"],
    "all": [],
}


class RecipeFiles(Protocol):
    """Finds recipes; the trainer's, which this package does not import."""

    def find_recipe(self, path: Path, beside: Path | None = None) -> Path:
        """The recipe's file, or the shipped one of that name."""
        ...


def id_of(content: object) -> str:
    """The hash that names a cell, a unit or a pass, 16 hex digits."""
    return sha256_json(content)[:16]


def full_path(name: str) -> str:
    """The name, as it reads from every folder where it is a file or folder here."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def weights_of(model: ModelSettings) -> Json:
    """Which weights a model has: by content (a folder), commit (a hub name) or label (the demo model).

    Raises:
        UserError: a folder without a model, no demo model to be had, or a hub name of which no commit is known.
    """
    if model.pretrained is None:
        return {"demo": find_demo_model().label} if model.base == "hf" else {}
    if Path(model.pretrained).is_dir():
        return {"fingerprint": fingerprint(Path(model.pretrained))}
    revision = model.revision or "main"
    commit = commit_in_cache(model.pretrained, revision)
    if commit is None:
        commit = _commit_on_hub(model.pretrained, revision) if model.base in LOADERS else revision
    return {"name": model.pretrained, "commit": commit}


@cache
def _commit_on_hub(name: str, revision: str) -> str:
    """What the hub's cache will say once the model is there: an id must not change when it comes.

    Raises:
        UserError: the hub does not say.
    """
    from huggingface_hub.errors import HFValidationError

    if re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    try:
        return commit_on_hub(name, revision)
    except hub_errors() + (HFValidationError,) as error:  # noqa: RUF005  # mypy knows the types of a sum
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(
            f"{name}: not on this machine, and the hub does not say which commit {revision} is, by which its cells are "
            f"named ({reason}): bring it with `kinj compare PLAN --fetch`, or name a folder"
        ) from error


def asked_as(model: ModelSettings) -> Json:
    """How a model is asked: all that shapes its answers besides weights and prompts."""
    return model.model_dump(exclude={"pretrained", "revision", "device", "devices"})


@cache
def benchmark_sha256(name: str) -> str:
    """Over the data files of a benchmark, by its shipped name or folder.

    Raises:
        UserError: neither is there.
    """
    return register(collection_folder(name)).sha256


def results_sha256(folder: Path) -> str:
    """Over lm-eval's results and samples in a folder and those below it."""
    files = sorted([*folder.rglob("results_*.json"), *folder.rglob("samples_*.jsonl")])
    return sha256_json([[path.relative_to(folder).as_posix(), sha256_file(path)] for path in files])


def training_of(arm: InjectionArm, file: Path, collection: str | None, recipes: RecipeFiles) -> Json:
    """What a training is made of, besides model and seed: the recipe with all it names, by content.

    Args:
        arm: with a recipe.
        file: that recipe's.
        collection: the plan's benchmark; None: the recipe's own.
        recipes: reads them.

    Raises:
        UserError: a recipe or a collection that is not there.
    """
    over = {**({} if collection is None else {"collection": collection}), **arm.settings}
    content = _by_content(read_settings(file), file, recipes)
    return {"recipe": content, "settings": _by_content(over, file, recipes), "search": arm.search}


def _by_content(values: Json, file: Path, recipes: RecipeFiles) -> Json:
    """The values with content in the place of every name of a collection, a recipe or a file."""
    content: Json = {key: value for key, value in values.items() if key not in _PLACES}
    content = {key: str(value) if not isinstance(value, (list, dict)) else value for key, value in content.items()}
    for key in ("match_to", "recipe"):
        if isinstance(values.get(key), str):
            other = recipes.find_recipe(Path(values[key]), file.parent)
            content[key] = _by_content(read_settings(other), other, recipes)
    if isinstance(values.get("stages"), list):
        content["stages"] = [_by_content(stage, file, recipes) for stage in values["stages"] if isinstance(stage, dict)]
    if isinstance(values.get("collection"), str):
        content["collection"] = benchmark_sha256(values["collection"])
    for key in _FILES:
        named = values.get(key)
        if named is not None:
            content[key] = [_content_of(str(name)) for name in (named if isinstance(named, list) else [named])]
    return content


def _content_of(name: str) -> str:
    path = Path(name)
    if path.is_dir():
        return sha256_json([[p.relative_to(path).as_posix(), sha256_file(p)] for p in _files_in(path)])
    return sha256_file(path) if path.is_file() else name


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def ranking_of(arm: ReadingArm) -> Json:
    """What of a reading arm decides which passages are found, k apart.

    Raises:
        UserError: its index is not there, or has no vectors where they are asked for.
    """
    settings = arm.model_dump(include={"retriever", "query", "embedder", "filter"})
    return settings | {"index": None if arm.index is None else index_identity(arm.index, arm.retriever)}


@cache
def index_identity(name: str, retriever: str) -> str:
    """Over what of an index a retriever reads.

    Raises:
        UserError: it is not there, or has no vectors where they are asked for.
    """
    index = open_index(name)
    methods = _METHODS[retriever]
    if "dense" in methods and index.manifest.get("embedder") is None:
        raise UserError(
            f"retriever {retriever}: the index {name} has no vectors: build it with `kinj index build … --embedder`"
        )
    return index.identity(methods)


def placing_of(arm: ReadingArm) -> Json:
    """What of a reading arm decides how its passages are shown."""
    if arm.retriever == "none":
        return {}
    return arm.model_dump(include={"placement", "order"}) | {"template": load_template(arm.template).sha256}
