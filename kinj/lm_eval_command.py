"""Starts `lm_eval` in this very environment: for the file of results that it writes, or to ask which tasks it has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
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
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=None if is_shown else subprocess.PIPE,
        env={**_inherited(), **(environment or {})},
    )
    files = sorted(output.rglob("results*.json"))
    if done.returncode or not files:
        lines = (done.stderr or b"").decode("utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "what it said stands above" if is_shown else "it said nothing"
        raise UserError(f"lm_eval ended with exit code {done.returncode} ({reason})")
    return files[-1]


@cache
def refuse_unknown_task(task: str) -> None:
    """Returns if lm-eval has a task of that name.

    Raises:
        UserError: it has none, or could not say.
    """
    command = [sys.executable, "-m", "lm_eval", "validate", "--tasks", task]
    done = subprocess.run(command, check=False, capture_output=True, env=_inherited())
    said = (done.stdout + done.stderr).decode("utf-8", errors="replace").strip()
    if done.returncode and "Tasks not found" in said:
        raise UserError(f"{task}: lm-eval has no such task: `lm_eval ls tasks` lists them")
    if done.returncode:
        reason = (said or "it said nothing").splitlines()[-1]
        raise UserError(f"{task}: `lm_eval validate` ended with exit code {done.returncode} ({reason})")


def _inherited() -> dict[str, str]:
    """This process's environment without a launcher's words."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHERS)}
