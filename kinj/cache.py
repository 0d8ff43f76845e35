"""Where downloaded and built things are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from kinj.errors import UserError


def cache_folder(*parts: str) -> Path:
    """`$KINJ_CACHE`, else `$XDG_CACHE_HOME/kinj`, else `~/.cache/kinj`, joined with `parts`; not created.

    Raises:
        UserError: neither is set, and the account has no home.
    """
    if given := os.environ.get("KINJ_CACHE"):
        root = Path(given)
    elif given := os.environ.get("XDG_CACHE_HOME"):
        root = Path(given) / "kinj"
    else:
        root = _home() / ".cache" / "kinj"
    return root.joinpath(*parts)


def made_cache_folder(*parts: str) -> Path:
    """The same, created.

    Raises:
        UserError: it cannot be written, as in a read-only home.
    """
    folder = cache_folder(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise _unwritable(folder, PermissionError("no permission"))
    return folder


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a user id without an account, and no HOME
        raise UserError("this account has no home folder: set KINJ_CACHE to a folder that can be written") from error


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"what is built is kept in {folder}, which cannot be written ({error.strerror or error}): set KINJ_CACHE to a "
        "folder that can"
    )
