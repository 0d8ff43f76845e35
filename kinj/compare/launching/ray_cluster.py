"""`kinj compare --launcher ray`: each unit is a task of the cluster that RAY_ADDRESS names, or of one of its own."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kinj.compare.launching.machine import Machine
from kinj.compare.launching.on_node import Node, do_unit, look
from kinj.errors import MissingExtraError, UserError

log = logging.getLogger(__name__)

#: How often a unit is begun anew whose worker or machine died.
_RETRIES = 3
_TICK_SECONDS = 5.0
#: How long nothing may answer where the cluster's head was.
_HEAD_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
_CHECK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Task:
    """A unit on a cluster."""

    #: of its `kinj` command
    words: tuple[str, ...]
    cpus: int
    devices: int
    #: bytes of main memory; 0: as much as there is
    memory: int = 0
    #: name of the task that has to end before it begins
    after: str | None = None


class Cluster:
    """A Ray cluster that this process has joined, from `joined`."""

    def __init__(self, ray: Any, address: str, *, is_own: bool) -> None:  # Any: the library, which has no types here
        self._ray = ray
        self._address = address
        self._is_own = is_own
        alive = [node for node in ray.nodes() if node["Alive"]]
        self._ids = [str(node["NodeID"]) for node in alive]
        self._cpus = [int(node["Resources"].get("CPU", 0)) for node in alive]
        self._devices = [int(node["Resources"].get("GPU", 0)) for node in alive]
        # Of nodes that can do a unit: a head often has no CPUs to give.
        self._memory = [int(node["Resources"].get("memory", 0)) for node in alive if node["Resources"].get("CPU")]

    @property
    def size(self) -> int:
        """How many nodes it has."""
        return len(self._ids)

    @property
    def has_devices(self) -> bool:
        """Whether a node has a GPU."""
        return any(self._devices)

    def __str__(self) -> str:
        where = "started on this machine" if self._is_own else f"joined at {self._address}"
        nodes = f"{self.size} node{'s' if self.size > 1 else ''}"
        return f"Ray {self._ray.__version__}, {where}: {nodes}, {sum(self._cpus)} CPUs, {sum(self._devices)} GPUs"

    def cpus_of(self, devices: int, jobs: int) -> int:
        """How many CPUs a unit takes, so that the smallest node that can do it runs as many at once as it is to.

        Args:
            devices: that the unit takes.
            jobs: units at once on a node, where devices do not say it.

        Raises:
            UserError: no node has so many devices.
        """
        able = [(cpus, has) for cpus, has in zip(self._cpus, self._devices, strict=True) if has >= devices and cpus]
        if not able:
            raise UserError(f"a unit takes {devices} GPUs, and no node of the cluster has so many: {self}")
        return max(1, min(cpus * devices // has if devices else cpus // jobs for cpus, has in able))

    def memory_of(self, memory: int) -> int:
        """What a unit asks of a node's main memory: what it takes, or all that the smallest offers where that is less.

        So that each node can do it: what only one can waits for ever once that one is gone.
        """
        return min([memory, *self._memory])

    def check(self, folder: Path) -> list[Node]:
        """The nodes, each of which works with this kinj and this Python, and reads and writes in the folder.

        Raises:
            UserError: one does not; names each and why.
        """
        mark = f"seen-by-ray-{secrets.token_hex(8)}"
        (folder / mark).touch()
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        asked = self._ray.remote(num_cpus=0, max_retries=0)(look)
        try:
            answers = [
                asked.options(scheduling_strategy=affinity(node, soft=False)).remote(folder, mark, Path.cwd())
                for node in self._ids
            ]
            nodes: list[Node] = self._ray.get(answers, timeout=_CHECK_SECONDS)
        except self._ray.exceptions.RayError as error:
            raise UserError(f"{self}: a node does not start our Python code: {_first_line(error)}") from error
        finally:
            (folder / mark).unlink()
        if troubles := [f"node {node.host}: {why}" for node in nodes if (why := _trouble(node)) is not None]:
            raise UserError("; ".join(troubles))
        return nodes

    def run(self, tasks: Mapping[str, Task]) -> Iterator[tuple[str, str | None] | None]:
        """As they end, each task's name and why it failed, or None; and None now and then meanwhile.

        Raises:
            UserError: the cluster is gone.
        """
        do, waiting = self._ray.remote(max_retries=_RETRIES)(do_unit), {}

        def begin(after: str | None) -> None:
            for name, task in tasks.items():
                if task.after == after:
                    takes: dict[str, Any] = {"num_cpus": task.cpus, "num_gpus": task.devices, "memory": task.memory}
                    needs = do.options(name=f"kinj {name}", **takes)
                    waiting[needs.remote(list(task.words), task.cpus, Path.cwd())] = name

        begin(None)
        unanswered = 0.0
        try:
            while waiting:
                ended, _ = self._ray.wait(list(waiting), timeout=_TICK_SECONDS)
                unanswered = 0.0 if ended or self._answers() else unanswered + _TICK_SECONDS
                if unanswered > _HEAD_SECONDS:
                    raise UserError(
                        f"the head of the Ray cluster at {self._address} is gone: what is complete stays; start it "
                        "again and type the same command"
                    )
                for task in ended:
                    name = waiting.pop(task)
                    yield name, self._reason(task)
                    begin(name)
                yield None
        finally:
            if unanswered <= _HEAD_SECONDS:
                for task in waiting:
                    self._ray.cancel(task, force=True)

    def _reason(self, task: Any) -> str | None:  # Any: Ray's reference to what a task gives
        try:
            code, said = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:  # its words end with what was raised there
            return f"its node could not do it: {str(error).strip().splitlines()[-1]}"
        except self._ray.exceptions.RayError as error:
            return f"begun {_RETRIES + 1} times at most, and no worker lived to its end: {_first_line(error)}"
        return said if code else None

    def _answers(self) -> bool:
        return _refusal(self._address) is None


@contextmanager
def joined(machine: Machine) -> Iterator[Cluster]:
    """The cluster that RAY_ADDRESS names, or one of its own with what this machine has, which ends with it.

    Raises:
        MissingExtraError: Ray is not installed.
        UserError: nothing to join there, or not all nodes of this Slurm job.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address in ("", "local"):  # as Ray itself takes them: there is none to join
        address = None
    nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    if address is None and nodes > 1:
        raise UserError(
            f"this Slurm job has {nodes} nodes, and RAY_ADDRESS does not say where their cluster is: start it by "
            "`ray symmetric-run` and set RAY_ADDRESS to its --address (docs/scale.md)"
        )
    if address is not None and address.startswith("ray://"):
        raise UserError(f"RAY_ADDRESS={address}: name the head itself, as head:6379: nothing is told to a client of it")
    # Ray itself tries for minutes, and says on many lines that it does.
    if address is not None and ":" in address and (reason := _refusal(address)) is not None:
        raise UserError(f"RAY_ADDRESS={address}: no cluster to join: {reason}")
    ray = _library(is_own=address is None)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"num_cpus": machine.threads, "num_gpus": len(machine.devices), "include_dashboard": False}
    try:
        context = ray.init(address=address or "local", **({} if address else own), **quiet)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what = f"RAY_ADDRESS={address}: no cluster to join" if address else "no Ray cluster could be started here"
        raise UserError(f"{what}: {_first_line(error)}") from error
    try:
        cluster = Cluster(ray, context.address_info["gcs_address"], is_own=address is None)
        if address is not None and cluster.size < nodes:
            raise UserError(f"{cluster}, but this Slurm job has {nodes}: not all have joined it")
        yield cluster
    finally:
        ray.shutdown()


def _refusal(address: str) -> str | None:
    """Why nothing answers at an address; None: something does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        return str(error)
    return None


def _library(*, is_own: bool) -> Any:  # Any: the library, which has no types here
    # Ray reads all of these when it is imported. No report of its use; a worker that was ended because memory ran out
    # counts as one that died, not as one to begin anew for ever.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": str(_RETRIES)}
    if is_own:
        # A token of its own: without one Ray leaves one in the home folder, and other clusters then refuse it.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingExtraError("ray", "cluster", "--launcher ray") from error
    return ray


def _trouble(node: Node) -> str | None:
    for name, its, ours in (
        ("kinj", node.kinj, version("kinj")),
        ("Python", node.python, platform.python_version()),
    ):
        if its != ours:
            return f"has {name} {its}, and this machine {ours}: take the same environment everywhere"
    return node.trouble


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
