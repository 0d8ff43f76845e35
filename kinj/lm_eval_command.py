"""Starts `lm_eval` in this very environment, and gives the file of results that it wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kinj.errors import UserError

#: A launcher's words to its processes (torchrun, accelerate), which lm_eval would take for its own.
_LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_", "ACCELERATE_", "FSDP_")


def run_lm_eval(
    arguments: Sequence[str], output: Path, environment: Mapping[str, str] | None = None, *, is_shown: bool = False
) -> Path:
    """The result file of `lm_eval run ARGUMENTS --output_path OUTPUT`, run as one process.

    Args:
        arguments: without `--output_path`.
        output: a folder of this run alone.
        environment: variables beside those of this process, of which a launcher's are left out.
        is_shown: lets its errors and progress through to this process's stderr, where they are otherwise kept back.

    Raises:
        UserError: it failed or wrote no results; ends with its last line where that was not shown.
    """
    command = [sys.executable, "-m", "lm_eval", "run", *arguments, "--output_path", str(output)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHERS)}
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=None if is_shown else subprocess.PIPE,
        env={**inherited, **(environment or {})},
    )
    files = sorted(output.rglob("results*.json"))
    if done.returncode or not files:
        lines = (done.stderr or b"").decode("utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "what it said stands above" if is_shown else "it said nothing"
        raise UserError(f"lm_eval ended with exit code {done.returncode} ({reason})")
    return files[-1]
