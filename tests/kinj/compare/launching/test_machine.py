"""Units side by side on one machine: how many at once, each with its part of it."""

import os
import threading
import time
from dataclasses import dataclass

import pytest

from kinj.compare.launching import machine as machines
from kinj.compare.launching.machine import Machine, SideBySide, StoppedError, run_side_by_side, share_out
from kinj.errors import UserError


@dataclass(frozen=True)
class Unit:
    """As much of one as is looked at."""

    name: str
    devices: int = 1
    model: str = "big"
    training: None = None
    searcher: str | None = None

    @property
    def id(self):
        """Of its name."""
        return self.name

    def __str__(self):
        return self.name


class Recorder:
    """Does units by waiting a moment, and knows which were at work at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.at_work = {}
        self.together = []
        self.shares = {}

    def __call__(self, unit, share):
        with self.lock:
            self.at_work[unit.name] = share
            self.shares[unit.name] = share
            self.together.append(dict(self.at_work))
        time.sleep(0.03)
        with self.lock:
            del self.at_work[unit.name]
        return unit.name


def test_so_many_run_at_once_and_divide_the_threads():
    do = Recorder()
    names = [f"u{number}" for number in range(5)]
    ended = run_side_by_side([Unit(name) for name in names], SideBySide(Machine(threads=8), 2), do)
    assert sorted(ended) == names
    assert max(map(len, do.together)) == 2
    assert {share.environment["OMP_NUM_THREADS"] for share in do.shares.values()} == {"4"}
    assert "CUDA_VISIBLE_DEVICES" not in do.shares["u0"].environment


def test_no_device_is_two_units_at_once_and_one_of_two_devices_begins():
    do = Recorder()
    units = [Unit("a"), Unit("b"), Unit("large", devices=2), Unit("c"), Unit("server", devices=0)]
    whole = Machine(threads=4, devices=("4", "6", "7"), memory=(1, 1, 1))
    assert sorted(run_side_by_side(units, SideBySide(whole, 3), do)) == ["a", "b", "c", "large", "server"]
    assert "large" in do.together[0]
    for together in do.together:
        taken = [device for share in together.values() for device in share.devices]
        assert len(set(taken)) == len(taken)
    assert [len(do.shares[unit.name].devices) for unit in units] == [1, 1, 2, 1, 0]
    assert do.shares["large"].environment["CUDA_VISIBLE_DEVICES"] == "4,6"


def test_a_unit_whose_settings_another_searches_begins_after_it():
    do = Recorder()
    units = [Unit("b", searcher="a"), Unit("c", searcher="gone"), Unit("a"), Unit("d", searcher="a")]
    assert sorted(run_side_by_side(units, SideBySide(Machine(threads=4), 4), do)) == ["a", "b", "c", "d"]
    assert set(do.together[1]) == {"a", "c"}
    assert all("a" not in together for together in do.together[2:])


def test_a_unit_that_takes_more_devices_than_there_are_is_refused_before_any_begins():
    do = Recorder()
    sharing = SideBySide(Machine(threads=4, devices=("0", "1"), memory=(1, 1)), 2)
    with pytest.raises(UserError, match=r"large: takes 3 devices, and 2 are here: .*`devices` under models\.big"):
        run_side_by_side([Unit("a"), Unit("large", devices=3)], sharing, do)
    assert not do.shares


def test_where_one_raises_the_others_are_told_to_stop():
    stopped = []

    def do(unit, share):
        if unit.name == "bad":
            time.sleep(0.05)
            raise ValueError("bad")
        while True:
            try:
                share.refuse_stopped()
            except StoppedError:
                stopped.append(unit.name)
                raise
            time.sleep(0.01)

    with pytest.raises(ValueError, match="bad"):
        run_side_by_side([Unit("good"), Unit("bad")], SideBySide(Machine(threads=2), 2), do)
    assert stopped == ["good"]


@pytest.mark.parametrize(
    ("visible", "devices"), [(None, ("0", "1")), ("3,5", ("3", "5")), ("GPU-aa,GPU-bb", ("GPU-aa", "GPU-bb"))]
)
def test_the_devices_are_those_that_this_process_sees(monkeypatch, visible, devices):
    monkeypatch.setattr(machines, "device_memory", lambda: [80, 80])
    monkeypatch.setenv("OMP_NUM_THREADS", "12")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    shared = share_out("auto")
    assert (shared.machine.devices, shared.jobs, shared.threads) == (devices, 2, 6)
    assert str(shared) == "units at once: 2, with 6 of 12 threads each; 2 devices, each unit its own"


def test_without_devices_auto_is_one_and_the_threads_are_those_of_the_processors(monkeypatch):
    monkeypatch.setattr(machines, "device_memory", list)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share_out("auto").jobs == 1
    assert share_out("2").machine.threads == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_another_word_for_jobs_is_refused(jobs):
    with pytest.raises(UserError, match=r"from 1 on, or `auto`: one a device"):
        share_out(jobs)
