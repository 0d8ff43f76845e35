"""Which units become tasks of a cluster, and what is kept of those that failed."""

import json

import pytest
import yaml

from kinj.compare.folder import OutputFolder
from kinj.compare.launching.on_cluster import run_on
from kinj.compare.launching.on_node import do_unit, look
from kinj.compare.plan import make_plan


class Cluster:
    """Says of every task that it ended, and of those named why it failed."""

    def __init__(self, *, has_devices=False, meanwhile=lambda: None, **failed):
        self.has_devices = has_devices
        self.meanwhile = meanwhile
        self.failed = failed
        self.tasks = {}

    def cpus_of(self, devices, jobs):
        return 10 * devices + jobs

    def memory_of(self, memory):
        return min(memory, 900)

    def run(self, tasks):
        self.tasks = dict(tasks)
        yield None
        self.meanwhile()
        yield from ((name, self.failed.get(f"unit{name}")) for name in tasks)


@pytest.fixture
def begun(comparison, plan_values, tmp_path):
    """A comparison of one untrained unit and two trained ones, on the first GPU there is, and its begun folder."""
    models = {"tiny": {**plan_values()["models"]["tiny"], "device": None}}
    found, out = comparison(models=models, seeds=[0, 1]), OutputFolder(tmp_path / "out")
    out.path.mkdir()
    out.begin(make_plan("plan.yaml", plan_values(models=models)), found)
    return found, out


def test_each_unit_that_is_not_done_is_a_task_that_does_it_by_its_number(begun):
    comparison, out = begun
    for planned in comparison.units[0].cells:
        out.cell(planned.cell.id).mkdir(parents=True)
        (out.cell(planned.cell.id) / "manifest.json").write_text("{}")
    cluster = Cluster()
    run_on(cluster, comparison, out, ["compare", "plan"], jobs=2)
    assert {name: (task.words, task.cpus, task.devices) for name, task in cluster.tasks.items()} == {
        "2": (("compare", "plan", "--unit", "2"), 2, 0),
        "3": (("compare", "plan", "--unit", "3"), 2, 0),
    }


def test_a_unit_whose_settings_another_searches_is_a_task_after_it(begun, tmp_path, comparison):
    _, out = begun
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump({**recipe, "search": {"learning_rate": [1e-3, 2e-3]}}))
    made, cluster = comparison(seeds=[0, 1]), Cluster()
    run_on(cluster, made, out, ["compare", "plan"])
    assert {name: task.after for name, task in cluster.tasks.items()} == {"1": None, "2": None, "3": "2"}
    search = out.unit(made.units[1].id) / "search.json"
    search.parent.mkdir(parents=True, exist_ok=True)
    search.write_text(json.dumps({"chosen": {"settings": {}}}))
    run_on(cluster, made, out, ["compare", "plan"])
    assert cluster.tasks["3"].after is None


def test_a_unit_asks_for_the_memory_that_it_takes_as_far_as_a_node_offers_it(begun):
    comparison, out = begun
    small, large, _ = (unit.id for unit in comparison.units)
    cluster = Cluster()
    run_on(cluster, comparison, out, ["compare", "plan"], memory={small: 300, large: 5000})
    assert [task.memory for task in cluster.tasks.values()] == [300, 900, 0]


def test_where_nodes_have_devices_each_takes_its_own(begun):
    comparison, out = begun
    cluster = Cluster(has_devices=True)
    run_on(cluster, comparison, out, ["compare", "plan"])
    assert [(task.cpus, task.devices) for task in cluster.tasks.values()] == [(11, 1)] * 3


def test_what_a_unit_said_itself_goes_before_what_the_cluster_knows(begun):
    comparison, out = begun
    first, second, third = comparison.units
    out.unit_to_write(second.id)
    out.unit_to_write(third.id)
    out.keep_failure(third, "of an earlier try")
    cluster = Cluster(
        unit2="exit 1", unit3="its worker died", meanwhile=lambda: out.keep_failure(second, "its own word")
    )
    run_on(cluster, comparison, out, ["compare"])
    assert [out.failure(unit) for unit in (first, second, third)] == [None, "its own word", "its worker died"]


def test_a_node_that_does_not_see_the_folder_or_cannot_write_there_says_so(tmp_path, monkeypatch):
    (tmp_path / "mark").touch()
    assert look(tmp_path, "mark", tmp_path).trouble is None
    assert [file.name for file in tmp_path.iterdir()] == ["mark"]
    assert look(tmp_path / "elsewhere", "mark", tmp_path).trouble.endswith("name a folder that all nodes share")

    assert look(tmp_path, "mark", tmp_path / "away").trouble.startswith(f"does not see {tmp_path / 'away'}: type")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    assert look(tmp_path, "mark", tmp_path).trouble == f"cannot write in {tmp_path}: No space left on device"


def test_a_unit_is_a_process_that_is_told_its_threads_and_no_token(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    show = "import os; print(os.environ['OMP_NUM_THREADS'], 'RAY_AUTH_TOKEN' in os.environ, os.getcwd()); exit(7)"
    monkeypatch.setattr("kinj.compare.launching.on_node.UNIT", ("python3", "-c"))
    assert do_unit([show], 3, tmp_path) == (7, f"3 False {tmp_path}")
