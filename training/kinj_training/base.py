"""The model to start from: its files, only ever read as safetensors; its tokenizer, configuration and window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.hub.find import find_demo_model, hub_errors
from kinj.hub.packaged import DEMO
from kinj.manifest import sha256_files
from kinj_training.recipe.recipe import Recipe

#: what a model is made of; records that lie beside it (manifest.json, results) are not
_PATTERNS = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "chat_template*"),
)
_CODE = "*.py"


@dataclass(frozen=True, slots=True)
class Base:
    """A model's files on this machine."""

    #: as the recipe names it
    name: str
    folder: Path
    #: over the names and contents of its files, 64 hex digits
    sha256: str
    #: the hub's commit; None for a folder
    commit: str | None


def find_base(name: str, revision: str = "main", *, trust_remote_code: bool = False) -> Base:
    """The model's files: a folder's own, the demo model's, or the hub's, fetched where they are not in its cache.

    Raises:
        UserError: it is neither here nor on the hub, or holds no safetensors.
    """
    patterns = [*_PATTERNS, *([_CODE] if trust_remote_code else [])]
    folder, commit = _locate(name, revision, patterns)
    names = sorted({path.name for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    if "config.json" not in names or not any(file.endswith(".safetensors") for file in names):
        raise UserError(
            f"model_name_or_path: {name}: {folder} lacks config.json or *.safetensors; other formats of weights can "
            "run code and are not read: convert them with transformers' save_pretrained"
        )
    return Base(name, folder, sha256_files(folder, names), commit)


def where(name: str, revision: str) -> tuple[str, str]:
    """The name and revision to load: those given, or for the demo model its converted copy where the hub's is not here.

    Raises:
        UserError: the demo model is nowhere; names both ways to get it.
    """
    if name != DEMO.hub_name or revision != "main":
        return name, revision
    found = find_demo_model().arguments
    return found["pretrained"], found.get("revision", "main")


def _locate(name: str, revision: str, patterns: list[str]) -> tuple[Path, str | None]:
    name, revision = where(name, revision)
    if Path(name).is_dir():
        return Path(name), None
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except hub_errors() as error:
        why = " ".join(str(error).split())[:300]
        raise UserError(f"model_name_or_path: {name}: no such folder, and the hub did not give it ({why})") from error
    return folder, folder.name


def load_tokenizer(recipe: Recipe) -> Any:  # Any: transformers' tokenizers have no common public type
    """The base model's tokenizer.

    Raises:
        UserError: there is none at that name or in that folder.
    """
    from transformers import AutoTokenizer

    return _loaded(AutoTokenizer, recipe)


def load_config(recipe: Recipe) -> Any:  # Any: each architecture has its own configuration class
    """The base model's configuration.

    Raises:
        UserError: there is none at that name or in that folder.
    """
    from transformers import AutoConfig

    return _loaded(AutoConfig, recipe)


def _loaded(kind: Any, recipe: Recipe) -> Any:
    name, revision = where(recipe.base, recipe.model.model_revision)
    try:
        return kind.from_pretrained(name, revision=revision, trust_remote_code=recipe.training.trust_remote_code)
    except hub_errors() as error:
        why = " ".join(str(error).split())[:300]
        raise UserError(f"model_name_or_path: {recipe.base}: cannot be read ({why})") from error


def block_length(recipe: Recipe) -> int:
    """Tokens in a block: `max_length`, or the model's window where that is none, or less and max_length not given.

    Raises:
        UserError: max_length is larger than the model's window, or too small to learn from.
    """
    window = getattr(load_config(recipe).get_text_config(), "max_position_embeddings", None)
    length = recipe.training.max_length
    if window is not None and (length is None or (length > window and "max_length" not in recipe.given)):
        return int(window)
    if length is None:
        raise UserError(f"max_length: none: {recipe.base} does not state its window; give a number")
    if window is not None and length > window:
        raise UserError(f"max_length: {length}: more than the {window} positions of {recipe.base}")
    if length < 2:
        raise UserError(f"max_length: {length}: a block needs two tokens, one to read and one to learn")
    return int(length)
