"""Slurm: the script that runs a plan's units as an array of jobs, and what Slurm says of those jobs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.compare.apart.listing import UnitState
from kinj.compare.folder import OutputFolder
from kinj.compare.processes import PYTHON
from kinj.compare.settings import SlurmSettings
from kinj.errors import UserError

_ANSWER_SECONDS = 60.0
_BODY = Path(__file__).with_name("array.sh")


@dataclass(frozen=True, slots=True)
class Command:
    """What the jobs run: `kinj compare` of a plan, without the options that say which part of it."""

    #: as it is found from every folder
    plan: str
    out: OutputFolder
    #: where it was typed: a plan's relative paths begin there
    folder: Path

    @property
    def words(self) -> list[str]:
        """By this Python."""
        return [*PYTHON, "kinj.cli", "compare", self.plan, "--output_dir", str(self.out.path)]


def array_script(command: Command, settings: SlurmSettings | None, units: Sequence[UnitState]) -> str:
    """A bash script that submits what is not done yet, and that Slurm's jobs run.

    Args:
        command: what they run.
        settings: the plan's.
        units: all of the plan's own units.

    Raises:
        UserError: the plan has no settings for Slurm, or every unit is done.
    """
    if settings is None:
        raise UserError(
            f'--slurm: {command.plan} has no key `slurm`: add slurm: {{ time: "24:00:00" }}, the time a unit may take, '
            "with partition, account, memory, gpus and cpus as your cluster wants them"
        )
    waiting = [unit for unit in units if unit.state != "done"]
    searching = {unit.number for unit in waiting}
    later = [unit for unit in waiting if unit.waits_for in searching]
    if not waiting:
        raise UserError(f"--slurm: all {len(units)} units are done: {shlex.join(command.words)} --finish reports")
    first = [unit for unit in waiting if unit not in later]
    return "\n".join(_head(command, settings, first, later)) + "\n" + _BODY.read_text(encoding="utf-8")


def _head(
    command: Command, settings: SlurmSettings, units: Sequence[UnitState], later: Sequence[UnitState]
) -> Iterator[str]:
    given = {"mem": settings.memory, "gres": _gres(settings), "cpus-per-task": settings.cpus}
    common = {"partition": settings.partition, "account": settings.account, "time": settings.time}
    yield "#!/bin/bash"
    count = len(units) + len(later)
    yield f"# Does {count} units of a plan on Slurm. Submit it by `bash`, not by `sbatch`: it makes jobs that run one"
    yield "# after another: what all units share, an array of the units, and what is missing and failed in the end."
    yield f"# Printed by `{shlex.join(command.words)} --slurm`."
    yield 'script=$(realpath -- "$0")'
    yield f"cd -- {shlex.quote(str(command.folder))} || exit"
    yield _array("compare", command.words)
    yield f"logs={shlex.quote(str(command.out.slurm))}"
    name = f"kinj-{re.sub('[^A-Za-z0-9_.-]', '_', Path(command.plan).stem)}"
    yield _array("options", [f"--job-name={name}", "--open-mode=append", *_options(common), *settings.options])
    yield _array("resources", _options(given))
    yield _array("array_options", ["--requeue", "--kill-on-invalid-dep=yes", f"--signal=B:USR1@{settings.stop_before}"])
    yield "# NUMBER:FOLDER of each unit that was not done when this was printed"
    yield _array("units", [f"{unit.number}:{unit.unit}" for unit in units])
    yield "# those whose training's settings are searched by one of these: an array of its own, after the other"
    yield _array("later", [f"{unit.number}:{unit.unit}" for unit in later])
    if settings.cpus is not None:
        yield f"export OMP_NUM_THREADS={settings.cpus}"


def _gres(settings: SlurmSettings) -> str | None:
    return f"gpu:{settings.gpus}" if settings.gpus else None


def _options(values: Mapping[str, str | int | None]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def _array(name: str, words: Sequence[str]) -> str:
    return f"{name}=({shlex.join(words)})"


def job_states(out: OutputFolder) -> dict[str, tuple[str, str]]:
    """By a unit's folder, its last job and that job's state in Slurm's words; only those that Slurm still knows."""
    file = out.slurm / "jobs.txt"
    if not file.is_file():
        return {}
    jobs = dict(line.split() for line in file.read_text(encoding="utf-8").splitlines())
    known: dict[str, str] = {}
    for array in {job.partition("_")[0] for job in jobs.values()}:
        known |= _ask(array)
    return {unit: (job, known[job]) for unit, job in jobs.items() if job in known}


def _ask(array: str) -> dict[str, str]:
    """Task to state, from the accounts where they are kept, else from what the controller remembers."""
    accounts = _said("sacct", "--noheader", "--allocations", "--parsable2", "--jobs", array, "--format", "JobID,State")
    if accounts:
        rows = [line.split("|") for line in accounts]
        return {job: state.split()[0] for job, state in rows}
    found = {}
    for line in _said("scontrol", "--oneliner", "show", "job", array):
        told = dict(word.split("=", 1) for word in line.split() if "=" in word)
        found[f"{told.get('ArrayJobId', '')}_{told.get('ArrayTaskId', '')}"] = told.get("JobState", "")
    return found


def _said(*words: str) -> list[str]:
    """The lines that a command of Slurm says; none where it is not here, does not answer, or knows nothing."""
    if shutil.which(words[0]) is None:
        return []
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
