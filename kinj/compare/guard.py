"""`python -m kinj.compare.guard FOLDER`: does what the folder's unit.json says, and leaves no process behind.

`-- WORDS` in the folder's place: does that command. All that it starts ends with it, and with `--with-starter` it ends
with whoever holds its standard input open: also children in sessions of their own, as torch makes for its ranks, and
those whose parent has gone.
"""

from __future__ import annotations

import ctypes
import json
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
from filelock import FileLock, Timeout

#: linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: How long the processes of an earlier run, whose starter was killed, may take to end.
_PATIENCE_SECONDS = 60
_ENDED = 128 + signal.SIGTERM


def main(words: Sequence[str]) -> int:
    """The exit code of the first command that failed; 0 where all were done."""
    end = list(words).index("--") if "--" in words else len(words)
    ours, command = words[:end], words[end + 1 :]
    with_starter = "--with-starter" in ours
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_ENDED))
    try:
        if command:
            return _run(command, with_starter=with_starter)
        [folder] = (Path(word) for word in ours if not word.startswith("--"))
        return _do_unit(folder, with_starter=with_starter)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        end_descendants()


def _do_unit(folder: Path, *, with_starter: bool) -> int:
    try:
        with FileLock(folder / ".lock", timeout=_PATIENCE_SECONDS):
            for command in json.loads((folder / "unit.json").read_text(encoding="utf-8"))["commands"]:
                if command["done"] is not None and Path(command["done"]).is_file():
                    continue
                if code := _run(command["words"], with_starter=with_starter):
                    return code
    except Timeout:
        print(f"kinj: {folder}: other processes are at work there", file=sys.stderr)  # noqa: T201  # a command
        return 1
    return 0


def _run(words: Sequence[str], *, with_starter: bool) -> int:
    """Its exit code; above 128, as shells say it, where a signal killed it."""
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent)  # one thread
    while True:
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(timeout=0.2)
            return code if code >= 0 else 128 - code
        # Nobody writes there: it is readable once the other end is closed.
        if with_starter and select.select([sys.stdin], [], [], 0)[0]:
            return _ENDED


def end_descendants() -> None:
    """Kills all that this process has started and adopted, and returns once they are gone."""
    while children := psutil.Process().children(recursive=True):
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=5)


def _end_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """On Linux alone; elsewhere orphans are not adopted, and only children whose parent lives are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
