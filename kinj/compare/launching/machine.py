"""What this machine has for units that run side by side: its threads and devices, a share of them for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from kinj.compare.launching.devices import devices_of
from kinj.compare.units import Unit
from kinj.errors import UserError
from kinj.hardware import device_memory

_VISIBLE = "CUDA_VISIBLE_DEVICES"
Result = TypeVar("Result")


class StoppedError(Exception):
    """A run was interrupted, and its units in other threads end."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one unit has of a machine; nothing: all of it, as its environment says."""

    threads: int | None = None
    #: as CUDA_VISIBLE_DEVICES names them
    devices: tuple[str, ...] = ()
    #: set where the run ends before the unit does
    stop: Event | None = None

    def refuse_stopped(self) -> None:
        """Returns while the run goes on.

        Raises:
            StoppedError: it was interrupted: the unit ends too.
        """
        if self.stop is not None and self.stop.is_set():
            raise StoppedError

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep a unit's processes to it."""
        threads = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        return threads | ({_VISIBLE: ",".join(self.devices)} if self.devices else {})


#: of a machine that does one unit
ALL = Share()


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to share out."""

    #: that its processes may compute with
    threads: int
    #: as CUDA_VISIBLE_DEVICES names them, and the bytes of each
    devices: tuple[str, ...] = ()
    memory: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A machine, and how many units it runs at once at most."""

    machine: Machine
    jobs: int

    @property
    def threads(self) -> int:
        """What each unit computes with."""
        return max(1, self.machine.threads // self.jobs)

    def __str__(self) -> str:
        devices = f"; {len(self.machine.devices)} devices, each unit its own" if self.machine.devices else ""
        return f"units at once: {self.jobs}, with {self.threads} of {self.machine.threads} threads each{devices}"


def share_out(jobs: str) -> SideBySide:
    """This machine for so many units at once; `auto`: one a device, or one where there is none.

    Raises:
        UserError: neither a number from 1 on nor `auto`.
    """
    machine = this_machine()
    if jobs == "auto":
        return SideBySide(machine, max(1, len(machine.devices)))
    if not jobs.isdecimal() or int(jobs) < 1:
        raise UserError(f"--jobs {jobs}: say how many units run at once, from 1 on, or `auto`: one a device")
    return SideBySide(machine, int(jobs))


def this_machine() -> Machine:
    """Of it what this process may use: its processors or OMP_NUM_THREADS, and the devices it sees."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    memory = tuple(device_memory())
    named = os.environ.get(_VISIBLE)
    devices = tuple(named.split(",")) if named else tuple(map(str, range(len(memory))))
    return Machine(int(given) if given.isdigit() and int(given) else usable_cpus(), devices[: len(memory)], memory)


def usable_cpus() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_too_few(unit: Unit, machine: Machine) -> None:
    """Returns where a machine has as many devices as a unit takes, or none, where processors do it.

    Raises:
        UserError: it has fewer.
    """
    if machine.devices and devices_of(unit) > len(machine.devices):
        raise UserError(
            f"{unit}: takes {devices_of(unit)} devices, and {len(machine.devices)} are here: run it where there are "
            f"more, or say `devices` under models.{unit.model}, or num_processes in its recipe"
        )


def run_side_by_side(units: Sequence[Unit], sharing: SideBySide, do: Callable[[Unit, Share], Result]) -> list[Result]:
    """What `do` gave for each unit, in the order in which they ended.

    The units with most devices begin, and whatever has devices left goes ahead: a device waits for nobody but a search
    that has to choose a training's settings.

    Args:
        units: each is done once.
        sharing: the machine whose threads are divided, and whose devices each unit has for itself.
        do: does one, in a thread; it ends soon once its share says that the run is stopped.

    Raises:
        UserError: a unit takes more devices than there are.
    """
    machine = sharing.machine
    for unit in units:
        refuse_too_few(unit, machine)
    free, waiting = list(machine.devices), sorted(units, key=devices_of, reverse=True)
    running: dict[Future[Result], tuple[Unit, Share]] = {}
    results, stop = [], Event()
    with ThreadPoolExecutor(sharing.jobs) as pool:
        try:
            while waiting or running:
                at_work = {unit.id for unit in waiting} | {unit.id for unit, _ in running.values()}
                for unit in list(waiting):
                    needed = devices_of(unit) if machine.devices else 0
                    if unit.searcher not in at_work and len(running) < sharing.jobs and needed <= len(free):
                        waiting.remove(unit)
                        share = Share(sharing.threads, tuple(free.pop(0) for _ in range(needed)), stop)
                        running[pool.submit(do, unit, share)] = unit, share
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    free += running.pop(ended)[1].devices
                    results.append(ended.result())
        finally:
            stop.set()  # interrupted, or one raised: the others end too
    return results
