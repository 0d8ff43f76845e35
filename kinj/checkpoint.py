"""A model's folder: its one fingerprint, and what the trainer wrote down about it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from kinj.cache import cache_folder
from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file, sha256_json, write_whole

#: What shapes a model's answers: weights and adapter, configuration, tokenizer, chat template, its own code.
_SHAPING = (
    *("*.safetensors", "*.index.json", "*.bin", "*.pt", "*.pth", "*.gguf"),
    *("config.json", "generation_config.json", "adapter_config.json", "*quant*config.json", "params.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "*.model", "*.tiktoken"),
    *("tekken.json", "chat_template*", "*.jinja", "additional_chat_templates/*", "*.py"),
)
#: What `kinj train --search` leaves: each run's settings and losses, and which was chosen.
SEARCH = "search.json"
#: Of the same endings, but only read when a training goes on.
_TRAINING_STATE = ("training_args.bin", "optimizer*", "scheduler*", "scaler*", "rng_state*")
#: Smaller files are hashed again each time: that is quicker than to look them up.
_REMEMBERED_BYTES = 1_000_000
#: A file changed so shortly ago could change once more without its time telling.
_SETTLED_SECONDS = 2.0


def fingerprint(folder: Path) -> str:
    """SHA-256 over names and contents of the files that shape the model's answers, 64 hex digits.

    A README, a manifest or an optimizer's state changes nothing in it, and the same files give the same fingerprint
    wherever they lie. Hashes of large files are remembered in the cache, by path, size and time of change.

    Raises:
        UserError: the folder holds no file of a model.
    """
    files = _shaping_files(folder)
    if not files:
        raise UserError(f"{folder} holds no file of a model (weights, config.json, tokenizer): name its folder")
    return sha256_json([[name, remembered_sha256(path)] for name, path in files])


def refuse_without_model(folder: Path, key: str) -> None:
    """Returns where the folder holds a model that transformers loads.

    Args:
        folder: that of a model.
        key: by which it was named, for the message.

    Raises:
        UserError: it holds an adapter alone, a training that is not finished, a search, or no model.
    """
    if (folder / "config.json").is_file():
        return
    if (folder / "adapter_config.json").is_file():
        why = "holds an adapter without its base: name the merged model's folder, or for lm_eval the base and peft=DIR"
    elif (folder / SEARCH).is_file():
        why = f"holds a search, not a model: the chosen training is in {finished_model(folder)}"
    elif (folder / "training.json").is_file():
        command = _read_object(folder / "training.json").get("command") or "its `kinj train` command"
        why = f"holds a training that is not finished: {command}, typed again where it was begun, goes on with it"
    else:
        why = "holds no model (no config.json): name a folder that save_pretrained or kinj train wrote"
    raise UserError(f"{key}={folder}: {why}")


def finished_model(folder: Path) -> Path:
    """Where the model lies in what `kinj train` wrote: of a search in the chosen training, also once all was moved.

    Without a search that has ended it is the folder itself, whatever is in it.

    Raises:
        UserError: the search's table names no choice.
    """
    search = folder / SEARCH
    if not search.is_file():
        return folder
    chosen = _read_object(search).get("chosen", {}).get("folder")
    if not isinstance(chosen, str):
        raise UserError(f"{search}: names no chosen training: remove it, and the same command ends the search again")
    return folder / "search" / Path(chosen).name


def read_training(folder: Path) -> dict[str, Any] | None:  # Any: JSON values
    """The manifest that `kinj train` left in the folder; None where it made none of it, or has not finished."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # somebody else's file of that name, in whatever form
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == "kinj train" else None


def remembered_sha256(path: Path) -> str:
    """SHA-256 of the file, out of the cache where its size and time of change are those it was hashed at."""
    place = path.resolve()
    state = place.stat()
    if state.st_size < _REMEMBERED_BYTES:
        return sha256_file(place)
    key = {"path": str(place), "bytes": state.st_size, "changed_ns": state.st_mtime_ns}
    try:
        memory = cache_folder("hashes", f"{sha256_json(str(place))[:32]}.json")
    except UserError:  # an account without a home: nowhere to remember it
        return sha256_file(place)
    known = _read_object(memory)
    if {name: known.get(name) for name in key} == key:
        return str(known["sha256"])
    digest = sha256_file(place)
    if time.time() - state.st_mtime > _SETTLED_SECONDS and place.stat().st_mtime_ns == state.st_mtime_ns:
        _remember(memory, {**key, "sha256": digest})
    return digest


def _shaping_files(folder: Path) -> list[tuple[str, Path]]:
    """(name inside the folder, file), sorted by name."""
    found = {path for pattern in _SHAPING for path in folder.glob(pattern)}
    found -= {path for pattern in _TRAINING_STATE for path in folder.glob(pattern)}
    return sorted((path.relative_to(folder).as_posix(), path) for path in found if path.is_file())


def _read_object(path: Path) -> dict[str, Any]:  # Any: JSON values
    """What the file holds; nothing where it is not there, cut short or somebody else's: no result rests on it."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(path: Path, known: dict[str, Any]) -> None:  # Any: JSON values
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(known) + "\n")
    except OSError:  # a cache that cannot be written costs time, nothing else
        return
