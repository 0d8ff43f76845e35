"""What a node of a cluster is asked to do, in plain Python: to say who it is, and to do a unit in a process of its own.

A unit is not done in the cluster's own process: lm-eval ends Ray where it finds it, and a process that dies takes its
worker with it.
"""

from __future__ import annotations

import os
import platform
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kinj.compare.processes import PYTHON, last_line
from kinj.hardware import device_memory

#: What does a unit.
UNIT = (*PYTHON, "kinj.cli")
#: What a node has to be able to write into the shared folder.
_TRIAL_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a cluster, by its own word."""

    host: str
    kinj: str
    python: str
    #: bytes of each GPU
    memory: tuple[int, ...]
    #: why it cannot work in the shared folder; None: it can
    trouble: str | None


def look(folder: Path, mark: str, typed_in: Path) -> Node:
    """Who this machine is, and whether it can work in a folder.

    Args:
        folder: the shared one.
        mark: name of a file that was made there for this.
        typed_in: where the command was typed, from which the plan's names may be read.
    """
    trouble = _try(folder, mark, typed_in)
    return Node(platform.node(), version("kinj"), platform.python_version(), tuple(device_memory()), trouble)


def _try(folder: Path, mark: str, typed_in: Path) -> str | None:
    if not typed_in.is_dir():
        return f"does not see {typed_in}: type the command in a folder that all nodes share"
    if not (folder / mark).is_file():
        return f"does not see {folder} as it is here: name a folder that all nodes share"
    trial = folder / f"{mark}-{secrets.token_hex(8)}"
    try:
        trial.write_bytes(bytes(_TRIAL_BYTES))
    except OSError as error:
        return f"cannot write in {folder}: {error.strerror}"
    finally:
        with suppress(OSError):
            trial.unlink()
    return None


def do_unit(words: Sequence[str], threads: int, typed_in: Path) -> tuple[int, str]:
    """The exit code of a `kinj` command, and the last line that it said. It ends with this process, all it starts too.

    Args:
        words: of the command.
        threads: that it computes with: told outright, as Ray says 1 to every task of one CPU.
        typed_in: its working directory.
    """
    guarded = [*PYTHON, "kinj.compare.guard", "--with-starter", "--", *UNIT, *words]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    env.pop("RAY_AUTH_TOKEN", None)  # no business of the models that it loads
    with tempfile.TemporaryDirectory(prefix="kinj-unit-") as scratch:
        log = Path(scratch, "log.txt")
        with log.open("wb") as sink:
            process = subprocess.Popen(
                guarded,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=env,
                cwd=typed_in,
            )
            try:
                code = process.wait()
            finally:
                if process.stdin is not None:
                    process.stdin.close()
                process.wait()
        return code, last_line(log, code)
