"""A full disk is said in one line, with what is needed and what is free."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from kinj.errors import UserError

#: A disk with less is full: whatever failed to be written failed for that.
_NOTHING = 2**20


@contextmanager
def room(folder: Path, name: str, needed: int) -> Iterator[None]:
    """Lets something be written into `folder` if there is room for it.

    Args:
        folder: where it is written.
        name: what it is, for messages.
        needed: bytes, at least.

    Raises:
        UserError: there is not, before or while it is written.
    """
    if shutil.disk_usage(folder).free < needed:
        raise _full(folder, name, needed)
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # PyTorch and safetensors have errors of their own
        is_said = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if is_said or shutil.disk_usage(folder).free < _NOTHING:
            raise _full(folder, name, needed) from error
        raise


def _full(folder: Path, name: str, needed: int) -> UserError:
    free = shutil.disk_usage(folder).free
    return UserError(
        f"{folder}: disk full: {name} needs {needed / 1e9:.3f} GB, {free / 1e9:.3f} GB are free: make room (or keep "
        "fewer checkpoints by save_total_limit) and type the same command to go on from the last checkpoint"
    )
