"""A simulated plan of a thousand units of a second each: which of kinj's own parts takes how long, and grows how.

    python benchmarks/scale.py OUT                    # minutes on two cores
    python benchmarks/scale.py OUT --units 100 --at-once 20

SIMULATED: in the place of training and evaluation each unit waits a second and writes empty cells. All else is kinj's
own: the plan, its units and cells, reading the questions, claims, guards, the queue, the listing, and the command that
does one unit. CPU seconds are those of this process and all that it started. Files opened are counted by Python's
audit events (open, listdir, scandir) below OUT, in the process of the command alone.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import yaml

from kinj.cli.app import build_app
from kinj.compare import running
from kinj.compare.apart.listing import states
from kinj.compare.apart.prepared import find_prepared, mark_prepared
from kinj.compare.cells import expand
from kinj.compare.files import load_plan
from kinj.compare.folder import OutputFolder
from kinj.compare.launching.machine import SideBySide, this_machine
from kinj.compare.processes import PYTHON
from kinj.compare.units import Comparison, Unit
from kinj.records import Json
from kinj_training.recipe import files

#: Waits, and publishes a unit's cells by one renaming each, as an evaluation does.
WORK = """
import json, sys, time
from pathlib import Path
time.sleep(1)
for cell in json.loads(Path(sys.argv[1]).read_text())["cells"]:
    folder = Path(cell["folder"])
    part = folder.with_name(folder.name + ".part")
    part.mkdir(parents=True)
    (part / "manifest.json").write_text("{}")
    part.rename(folder)
"""


def main() -> None:
    """Prints each step with its seconds."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path, help="a folder that is not there yet")
    options.add_argument("--units", type=int, default=1000)
    options.add_argument("--at-once", type=int, default=100)
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True)
    for count in [count for count in (10, 100) if count < chosen.units]:
        read(write_plan(chosen.out / f"{count}", count))
    plan = write_plan(chosen.out / "plan", chosen.units)
    comparison = read(plan)
    out = OutputFolder(chosen.out / "out")
    out.path.mkdir()
    comparison = timed("read the questions, retrieve (once for all units)", lambda: prepare(plan, comparison, out))
    size = (out.path / "cells.jsonl").stat().st_size
    print(f"cells.jsonl: {size:,} bytes for {len(comparison.cells):,} cells")
    timed("list the units, none begun", lambda: states(comparison, out))
    at_once = min(chosen.at_once, chosen.units)
    ideal = chosen.units / at_once
    print(
        f"units: {chosen.units}, {at_once} at once on this machine: {ideal:.0f} s if they took nothing but their second"
    )
    sharing = SideBySide(this_machine(), at_once)
    with patch.object(running, "_commands", stand_in):
        failures = timed("do all units (simulated)", lambda: running.run(comparison, out, side_by_side=sharing))
    print(f"failed: {len(failures)}; complete: {len(out.complete()):,} of {len(comparison.cells):,} cells")
    timed("list the units, all done", lambda: states(comparison, out))
    timed("find prepared, as each unit does", lambda: find_prepared(comparison, out, ""))
    words = ["compare", str(plan), "--output_dir", str(out.path), "--unit", "1"]
    command = [*PYTHON, "kinj.cli", *words]
    timed("--unit 1, which is done: what a unit costs besides its work", lambda: subprocess.run(command, check=True))
    count_files("--unit 1, which is done", words, out)
    count_files("--units", [*words[:4], "--units"], out)


def write_plan(folder: Path, units: int) -> Path:
    """A plan of so many trainings of a model that is none."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(bytes(1000))
    values = {
        "models": {"none": {"pretrained": str(model)}},
        "benchmark": "current_events",
        "tasks": ["kinj_current_events_option"],
        "splits": ["test"],
        "injection": [{"recipe": "raw", "search": False}],
        "reading": ["none", {"retriever": "bm25", "k": [1, 3]}],
        "seeds": list(range(units)),
        "controls": [],
        "forgetting": [],
        "limit": 8,
        "keep": "all",
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(values))
    return folder / "plan.yaml"


def read(plan: Path) -> Comparison:
    """The plan's units and cells, as every command makes them first."""
    loaded = load_plan(str(plan))
    return timed(
        f"plan of {len(loaded.seeds):,} units: its cells and their ids", lambda: expand(loaded, plan.parent, files)
    )


def prepare(plan: Path, comparison: Comparison, out: OutputFolder) -> Comparison:
    """As `--prepare` does it."""
    with out.alone():
        out.claim(load_plan(str(plan)), comparison)
        settled = running.retrieve(comparison, out)
        out.begin(load_plan(str(plan)), settled)
        mark_prepared(settled, out)
    return settled


def stand_in(unit: Unit, out: OutputFolder) -> list[Json]:
    """In the place of a training and an evaluation."""
    return [{"words": [sys.executable, "-S", "-c", WORK, str(out.unit(unit.id) / "unit.json")], "done": None}]


def timed(what: str, work: Callable[[], object]) -> object:
    """What the work gave; prints what it took."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    given = work()
    print(f"{what}: {time.perf_counter() - wall:.2f} s, {cpu_seconds() - cpu:.2f} CPU s", flush=True)
    return given


def cpu_seconds() -> float:
    """Of this process and its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def count_files(what: str, words: list[str], out: OutputFolder) -> None:
    """Prints how often a command opens a file or looks through a folder below OUT."""
    seen: dict[str, int] = {}

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(str(out.path)):
            seen[event] = seen.get(event, 0) + 1

    sys.addaudithook(hook)
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        build_app()(words)
    print(f"{what}: below OUT {json.dumps(seen)}")
    seen.clear()


if __name__ == "__main__":
    main()
