"""What is decided about a Ray cluster without asking it; test_ray.py asks a real one."""

import platform
import socket
import sys
from dataclasses import replace
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from kinj.compare.launching.machine import Machine
from kinj.compare.launching.on_node import Node
from kinj.compare.launching.ray_cluster import Cluster, Task, _trouble, joined
from kinj.errors import MissingExtraError, UserError


def cluster_of(*nodes):
    """A cluster of nodes with so many (CPUs, GPUs), one more having gone."""
    told = [{"Alive": True, "NodeID": "n", "Resources": {"CPU": cpus, "GPU": gpus}} for cpus, gpus in nodes]
    gone = {"Alive": False, "NodeID": "gone", "Resources": {"CPU": 1}}
    return Cluster(SimpleNamespace(nodes=lambda: [*told, gone], __version__="2"), "head:6379", is_own=False)


@pytest.mark.parametrize(
    ("nodes", "devices", "jobs", "cpus"),
    [
        ([(8, 0)], 0, 1, 8),
        ([(8, 0), (16, 0)], 0, 2, 4),
        ([(2, 0)], 0, 4, 1),
        ([(32, 8), (64, 8)], 1, 1, 4),
        ([(32, 8), (64, 8)], 2, 1, 8),
        ([(4, 1), (64, 8)], 2, 1, 16),
    ],
)
def test_a_unit_takes_its_part_of_the_smallest_node_that_can_do_it(nodes, devices, jobs, cpus):
    assert cluster_of(*nodes).cpus_of(devices, jobs) == cpus


def test_a_unit_that_no_node_can_do_is_refused():
    with pytest.raises(UserError, match=r"takes 2 GPUs, and no node .* joined at head:6379: 2 nodes, 16 CPUs, 2 GPUs"):
        cluster_of((8, 1), (8, 1)).cpus_of(2, 1)


def test_a_unit_asks_for_no_more_memory_than_every_node_offers():
    sizes = ((1, 3e9), (1, 8e9), (0, 1e9))  # the last takes no units
    nodes = [{"Alive": True, "NodeID": "n", "Resources": {"CPU": cpus, "memory": size}} for cpus, size in sizes]
    cluster = Cluster(SimpleNamespace(nodes=lambda: nodes), "head:6379", is_own=False)
    assert [cluster.memory_of(size) for size in (0, 5_000_000_000, 9_000_000_000)] == [0, 3_000_000_000, 3_000_000_000]


def test_a_node_of_another_kinj_or_python_is_refused():
    same = Node("here", version("kinj"), platform.python_version(), (), None)
    assert _trouble(same) is None
    assert _trouble(replace(same, kinj="0.0.1")).startswith("has kinj 0.0.1, and this machine ")
    assert _trouble(replace(same, python="3.9.1")).startswith("has Python 3.9.1, and this machine ")
    assert _trouble(replace(same, trouble="cannot write")) == "cannot write"


def test_where_nothing_answers_it_is_said_before_ray_tries_for_minutes(monkeypatch):
    with socket.socket() as taken:  # bound, and nobody listens there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(UserError, match=r"no cluster to join: .*refused"), joined(Machine(1)):
            pass


@pytest.mark.parametrize("address", ["", "local"])
def test_an_address_that_names_no_cluster_is_none(monkeypatch, address):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "4")
    with pytest.raises(UserError, match="4 nodes, and RAY_ADDRESS does not say where"), joined(Machine(1)):
        pass


def test_a_task_begins_once_the_one_before_it_has_ended(monkeypatch):
    begun = []

    class Remote:
        def options(self, *, name, **_):
            return SimpleNamespace(remote=lambda *_: begun.append(name) or name)

    cluster = cluster_of((4, 0))
    cluster._ray.remote = lambda **_: lambda _: Remote()
    cluster._ray.wait = lambda waiting, timeout: ([waiting[0]], waiting[1:])
    cluster._ray.get = lambda _: (0, "")
    cluster._ray.exceptions = SimpleNamespace(RayError=OSError, RayTaskError=KeyError)
    tasks = {"1": Task((), 1, 0, after="2"), "2": Task((), 1, 0), "3": Task((), 1, 0), "4": Task((), 1, 0, after="2")}
    ended = [name for name, _ in filter(None, cluster.run(tasks))]
    assert begun == ["kinj 2", "kinj 3", "kinj 1", "kinj 4"]
    assert ended == ["2", "3", "1", "4"]


def test_what_was_raised_on_a_node_is_told_from_a_worker_that_died():
    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        pass

    def get(error):
        raise error

    cluster = cluster_of((1, 0))
    cluster._ray.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    cluster._ray.get = get
    assert cluster._reason(RayTaskError("ray::do_unit() (pid=1)\n  File …\nOSError: No space left\n")) == (
        "its node could not do it: OSError: No space left"
    )
    assert cluster._reason(RayError("node died")).endswith("no worker lived to its end: node died")


def test_in_slurm_with_several_nodes_the_cluster_has_to_be_named(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "4")
    with pytest.raises(UserError, match="4 nodes, and RAY_ADDRESS does not say where"), joined(Machine(1)):
        pass


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_ADDRESS", "SLURM_JOB_NUM_NODES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED", "RAY_task_oom_retries"):
        monkeypatch.setenv(name, "set anew, and given back after the test")
    with pytest.raises(MissingExtraError, match=r"--launcher ray needs ray, .*kinj\[cluster\]"), joined(Machine(1)):
        pass
