"""Where downloaded and built things are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """`$KINJ_CACHE`, else `$XDG_CACHE_HOME/kinj`, else `~/.cache/kinj`, joined with `parts`; not created."""
    if given := os.environ.get("KINJ_CACHE"):
        root = Path(given)
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kinj"
    return root.joinpath(*parts)
