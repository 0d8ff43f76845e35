"""The model to start from: its files, only ever read as safetensors; its tokenizer, configuration and window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinj.checkpoint import fingerprint, refuse_without_model
from kinj.errors import UserError
from kinj.hub.find import DemoModel, find_demo_model, hub_errors
from kinj.hub.packaged import DEMO
from kinj_training.recipe.recipe import ModelSource

#: what is fetched of a model on the hub
_PATTERNS = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "chat_template*"),
)
_CODE = "*.py"


@dataclass(frozen=True, slots=True)
class Base:
    """A model's files on this machine."""

    #: as the recipe names it; the demo model's packaged copy by its label, as its weights are not the hub's
    name: str
    #: what loads these very files: a hub name, or a folder
    address: str
    folder: Path
    #: over what shapes its answers, 64 hex digits
    fingerprint: str
    #: the hub's commit; None for a folder
    commit: str | None


def find_base(source: ModelSource) -> Base:
    """The model's files: a folder's own, the demo model's, or the hub's, fetched where they are not in its cache.

    Raises:
        UserError: it is neither here nor on the hub, or holds no safetensors.
    """
    patterns = [*_PATTERNS, *([_CODE] if source.trust_remote_code else [])]
    folder, commit = _locate(source, patterns)
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise UserError(
            f"model_name_or_path: {source.name}: {folder} lacks config.json or *.safetensors; other formats of weights "
            "can run code and are not read: convert them with transformers' save_pretrained"
        )
    packaged = _demo_copy(source)
    name, address = (source.name, source.name) if packaged is None else (packaged.label, str(folder))
    return Base(name, address, folder, fingerprint(folder), commit)


def resolve_name(source: ModelSource) -> tuple[str, str]:
    """The name and revision to load: the source's, or the demo model's converted copy where the hub's is not here.

    Raises:
        UserError: the demo model is nowhere; names both ways to get it.
    """
    if source.name != DEMO.hub_name or source.revision != "main":
        return source.name, source.revision
    arguments = find_demo_model().arguments
    return arguments["pretrained"], arguments.get("revision", "main")


def _demo_copy(source: ModelSource) -> DemoModel | None:
    """The demo model's packaged copy where the source means that; None for any other model."""
    if source.name != DEMO.hub_name or source.revision != "main":
        return None
    found = find_demo_model()
    return None if "revision" in found.arguments else found


def _locate(source: ModelSource, patterns: list[str]) -> tuple[Path, str | None]:
    """The model's folder, and its commit where it comes from the hub."""
    name, revision = resolve_name(source)
    if Path(name).is_dir():
        return Path(name), None
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except hub_errors() as error:
        raise _not_found(name, error) from error
    return folder, folder.name


def load_tokenizer(source: ModelSource) -> Any:  # Any: transformers' tokenizers have no common public type
    """The model's tokenizer.

    Raises:
        UserError: there is none at that name or in that folder.
    """
    from transformers import AutoTokenizer

    return _load(AutoTokenizer, source)


def load_config(source: ModelSource) -> Any:  # Any: each architecture has its own configuration class
    """The model's configuration.

    Raises:
        UserError: there is none at that name or in that folder.
    """
    from transformers import AutoConfig

    return _load(AutoConfig, source)


def _load(loader: Any, source: ModelSource) -> Any:  # Any: transformers' loaders have no common type
    name, revision = resolve_name(source)
    if Path(name).is_dir():
        refuse_without_model(Path(name), "model_name_or_path")
    try:
        return loader.from_pretrained(name, revision=revision, trust_remote_code=source.trust_remote_code)
    except hub_errors() as error:
        if Path(name).is_dir():
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"model_name_or_path: {source.name}: cannot be read ({reason})") from error
        raise _not_found(source.name, error) from error


def _not_found(name: str, error: Exception) -> UserError:
    """Whether a folder is meant or a name on the hub is told by the form of the name."""
    if Path(name).is_file():
        return UserError(f"model_name_or_path: {name}: is a file: name the folder that it lies in")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return UserError(f"model_name_or_path: {name}: no such folder; seen from {Path.cwd()}")
    reason = " ".join(str(error).split())[:300]
    return UserError(f"model_name_or_path: {name}: no such folder, and the hub did not give it ({reason})")


def block_length(source: ModelSource, max_length: int | None, *, is_given: bool) -> int:
    """Tokens in a block: `max_length`, or the model's window where that is none, or less and max_length not given.

    Raises:
        UserError: max_length is larger than the model's window, or too small to learn from.
    """
    window = getattr(load_config(source).get_text_config(), "max_position_embeddings", None)
    if window is not None and (max_length is None or (max_length > window and not is_given)):
        return int(window)
    if max_length is None:
        raise UserError(f"max_length: none: {source.name} does not state its window; give a number")
    if window is not None and max_length > window:
        raise UserError(f"max_length: {max_length}: more than the {window} positions of {source.name}")
    if max_length < 2:
        raise UserError(f"max_length: {max_length}: a block needs two tokens, one to read and one to learn")
    return int(max_length)
