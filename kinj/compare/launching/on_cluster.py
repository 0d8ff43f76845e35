"""The units of a plan as tasks of a cluster: which, with how much of a node, and what became of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from kinj.compare.folder import OutputFolder
from kinj.compare.launching.devices import devices_of
from kinj.compare.launching.ray_cluster import Task
from kinj.compare.running import in_order, waits_for
from kinj.compare.units import Comparison
from kinj.progress import progress


class Cluster(Protocol):
    """What runs tasks on many machines."""

    @property
    def has_devices(self) -> bool:
        """Whether a node has a GPU."""
        ...

    def cpus_of(self, devices: int, jobs: int) -> int:
        """How many CPUs a unit takes."""
        ...

    def memory_of(self, memory: int) -> int:
        """How much of a node's main memory a unit asks for."""
        ...

    def run(self, tasks: Mapping[str, Task]) -> Iterator[tuple[str, str | None] | None]:
        """As they end, each task's name and why it failed, or None; and None now and then meanwhile."""
        ...


def run_on(
    cluster: Cluster,
    comparison: Comparison,
    out: OutputFolder,
    words: Sequence[str],
    *,
    jobs: int = 1,
    memory: Mapping[str, int] | None = None,
) -> None:
    """Does all units that are not done; why one was given up is left in its folder.

    Args:
        cluster: whose nodes see the folder.
        comparison: prepared.
        out: its folder.
        words: the `kinj` command that does a unit, without its number.
        jobs: units at once on a node, where devices do not say it.
        memory: bytes of main memory that units take, by their id; those that are not named ask for none.

    Raises:
        UserError: the cluster is gone, or no node has enough devices.
    """
    units = {
        str(number): unit
        for number, unit in enumerate(in_order(comparison), 1)
        if unit.results is None and not out.is_done(unit, comparison.general_text)
    }
    tasks = {}
    for number, unit in units.items():
        out.keep_failure(unit, None)  # of an earlier try
        devices = devices_of(unit) if cluster.has_devices else 0
        after = str(waits_for(unit, comparison, out))
        tasks[number] = Task(
            words=(*words, "--unit", number),
            cpus=cluster.cpus_of(devices, jobs),
            devices=devices,
            memory=cluster.memory_of((memory or {}).get(unit.id, 0)),
            after=after if after in units else None,
        )
    planned = {cell.cell.id for cell in comparison.cells}
    done = len(planned & _published(out))
    with progress("cells", len(planned), done=done) as advance:
        for ended in cluster.run(tasks):
            now = len(planned & _published(out))
            advance(now - done, "" if ended is None else str(units[ended[0]]))
            done = now
            if ended is not None and ended[1] is not None and out.failure(units[ended[0]]) is None:
                out.unit_to_write(units[ended[0]].id)
                out.keep_failure(units[ended[0]], ended[1])


def _published(out: OutputFolder) -> set[str]:
    """The names of cells that are there, by one look at their folder: a cell gets its name last."""
    return {entry.name for entry in os.scandir(out.path / "cells")}
