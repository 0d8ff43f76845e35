"""Working folders that end with the work, however it ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_LOCK = "lock"
#: A folder younger than this may belong to a process that is about to lock it.
_SECONDS_TO_LOCK = 10.0


@contextmanager
def scratch_folder(home: Path, name: str) -> Iterator[Path]:
    """Gives an empty folder `.NAME.sorting-…` in `home`, which is removed at the end.

    What killed processes left there under that name is removed first; what living ones use is not.
    """
    home.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}.sorting-"
    for folder in home.iterdir():
        if folder.name.startswith(prefix):
            _remove_if_left(folder)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
    try:
        with FileLock(folder / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder)


def _remove_if_left(folder: Path) -> None:
    """The lock of a process that ended, even by a kill, is free."""
    try:
        if time.time() - folder.stat().st_mtime < _SECONDS_TO_LOCK:
            return
        with FileLock(folder / _LOCK, timeout=0):
            shutil.rmtree(folder)
    except (Timeout, FileNotFoundError):
        return  # it is in use, or its owner has just removed it
