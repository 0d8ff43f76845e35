"""What the Elasticsearch benchmarks measure with: seconds of both sides, memory, and a clean end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from kinj.retrieval.elastic.connection import connect
from kinj.retrieval.elastic.generations import builds_of, find_generation

P = ParamSpec("P")
T = TypeVar("T")
WHAT = "measure"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that a piece of work took."""

    #: what one waits for
    wall: float
    #: of this process and of the server together, which hardly depend on who else works on the machine
    cpu: float


def timed(work: Callable[[], object], repeats: int = 1) -> Cost:
    """The least that the work took in so many runs."""
    server_cpu()  # once before the clocks run: it imports the client and asks who the server is
    runs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time() + server_cpu()
        work()
        runs.append(Cost(time.perf_counter() - wall, time.process_time() + server_cpu() - cpu))
    return least(runs)


def least(runs: Sequence[Cost]) -> Cost:
    """The least of each clock: what the work takes where nothing else gets in its way."""
    return Cost(min(run.wall for run in runs), min(run.cpu for run in runs))


def server_cpu() -> float:
    """CPU seconds of the first node so far; NaN where it does not run on this machine.

    Read from the system: Elasticsearch's own figure is up to a second old.
    """
    status = Path(f"/proc/{_server()}/stat")
    if not status.is_file():
        return math.nan
    fields = status.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_memory() -> float:
    """MB that the first node has resident; NaN where it does not run on this machine."""
    return memory(_server())


@cache
def _server() -> int:
    """The process of the first node."""
    answer = connect().request("GET", "/_nodes/_local/process", what=WHAT)
    return int(next(iter(answer["nodes"].values()))["process"]["id"])


def memory(process: int) -> float:
    """MB that a process has resident; NaN where there is none of that number."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return math.nan
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmRSS"))


def in_a_process(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> tuple[T, float]:
    """What the work gives in a process of its own, and the MB that are resident there when it is done."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_memory, work, *arguments, **named).result()


def _with_memory(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> tuple[T, float]:
    return work(*arguments, **named), memory(os.getpid())


def size_on_cluster(name: str) -> tuple[float, int]:
    """MB on disk and the number of segments of an index of kinj's."""
    connection = connect()
    found = find_generation(connection, name)
    index = found.index if found else name
    said = connection.request("GET", f"/{index}/_stats/store,segments", what=WHAT)["indices"][index]["primaries"]
    return said["store"]["size_in_bytes"] / 1e6, said["segments"]["count"]


@contextmanager
def removed_after(name: str) -> Iterator[str]:
    """The name of an index of kinj's, all of whose builds are removed at the end."""
    try:
        yield name
    finally:
        remove(name)


def remove(name: str) -> None:
    """Removes all builds of an index of kinj's."""
    connection = connect()
    for build in builds_of(connection, name):
        connection.request("DELETE", f"/{build.index}", what="remove the benchmark's index")
