"""A full disk, and a full memory, are each said in one line, with what is needed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from kinj.errors import UserError

#: A disk with less is full: whatever failed to be written failed for that.
_NOTHING = 2**20
_MEMORY_WORDS = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


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


@contextmanager
def memory(device: str, estimate: Callable[[], int]) -> Iterator[None]:
    """Lets something be computed if the device has the memory for it.

    Linux often ends a process that takes too much of a computer's memory before it is told so, without a word.

    Args:
        device: what it is computed on, for messages.
        estimate: gives the bytes that it takes, as the dry run says; asked where they are too many.

    Raises:
        UserError: it has not.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_memory(error):
            raise
        raise UserError(
            f"out of memory on {device}: this training takes {estimate() / 1e9:.2f} GB or more (--dry-run has the "
            "sum): lower per_device_train_batch_size and raise gradient_accumulation_steps by as much, lower "
            "per_device_eval_batch_size, or take gradient_checkpointing: true or use_peft: true"
        ) from error


def _is_memory(error: RuntimeError) -> bool:
    """Of GPUs PyTorch has an error of its own; CUDA, cuBLAS and the processor's allocator tell by their words alone."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _MEMORY_WORDS)


def _full(folder: Path, name: str, needed: int) -> UserError:
    free = shutil.disk_usage(folder).free
    return UserError(
        f"{folder}: disk full: {name} needs {needed / 1e9:.3f} GB, {free / 1e9:.3f} GB are free: make room (or keep "
        "fewer checkpoints by save_total_limit) and type the same command to go on from the last checkpoint"
    )
