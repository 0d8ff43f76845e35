"""The processes of a comparison: each in a guard's care, so that none outlives the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

#: Without the working directory on Python's path, where a folder called `kinj` may lie.
PYTHON = (sys.executable, "-P", "-m")
_POLL_SECONDS = 0.5
#: Between two looks at what they have written: each asks a file server, and a hundred machines may ask at once.
_LOOK_SECONDS = 5.0
#: As shells have it: a process that a signal killed has the signal's number above this for an exit code.
_SIGNALS = 128
#: For processes that take what is on this machine, and ask no hub.
_HUB_OFF = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def run_guarded(
    folder: Path,
    meanwhile: Callable[[], None],
    *,
    hub_off: bool = False,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> int:
    """The exit code of a folder's commands, which end with this process, however it ends.

    Args:
        folder: holds their unit.json; they write its log.txt.
        meanwhile: is called now and then, and once more at the end.
        hub_off: whether they have to do with what was fetched before.
        environment: variables beside those of this process.
        watch: is called twice a second; what it raises ends them.
    """
    words = [*PYTHON, "kinj.compare.guard", str(folder), "--with-starter"]
    env = {**os.environ, **(_HUB_OFF if hub_off else {}), **(environment or {})}
    env.pop("RAY_AUTH_TOKEN", None)  # no business of the models that they load
    with (folder / "log.txt").open("ab") as sink:
        guard = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True, env=env
        )
        try:
            looked = time.monotonic()
            while True:
                try:
                    code = guard.wait(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    watch()
                    if time.monotonic() - looked > _LOOK_SECONDS:
                        meanwhile()
                        looked = time.monotonic()
                else:
                    meanwhile()
                    return code
        finally:
            # Closing it tells the guard that its starter is gone; interrupted, nothing of it may outlive this run.
            if guard.stdin is not None:
                guard.stdin.close()
            guard.wait()


def last_line(file: Path, code: int) -> str:
    """The last line that the processes of a log said; with the exit code where they did not end by themselves."""
    lines = file.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    shown = said[-1].removeprefix("kinj: ") if said else "it said nothing"
    if code < _SIGNALS:
        return shown
    out_of_memory = ", as by a system out of memory" if code - _SIGNALS == signal.SIGKILL else ""
    return f"killed by signal {code - _SIGNALS}{out_of_memory}; last it said: {shown}"
