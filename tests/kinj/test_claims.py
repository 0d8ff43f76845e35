"""Claims on a folder: one holder at a time, a dead one's taken over, and what it started told so."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from kinj import claims
from kinj.claims import Claim, ClaimLostError, Holder, take
from kinj.errors import UserError


@pytest.fixture
def elsewhere(tmp_path):
    """Leaves a claim of a process on another machine, that many seconds without a sign of life: its number is 3."""

    def leave(quiet, **changes):
        holder = {"token": "abc", "host": "node7", "machine": "another", "pid": 1, "started": 0.0, "since": "noon"}
        file = tmp_path / "claim-3.json"
        file.write_text(json.dumps({**holder, "job": "17_3", **changes}))
        os.utime(file, (time.time() - quiet,) * 2)
        return file

    return leave


@pytest.fixture
def under(monkeypatch):
    """Works under a claim, as a process does that was started with its environment."""

    def work(claim):
        for name, value in claim.environment.items():
            monkeypatch.setenv(name, value)

    return work


def test_a_second_one_is_told_who_is_at_work(tmp_path):
    with take(tmp_path):
        holder = take(tmp_path)
        assert isinstance(holder, Holder)
        assert str(holder).startswith(f"{os.uname().nodename} (process {os.getpid()})")
        assert claims.look(tmp_path) == holder
    assert list(tmp_path.iterdir()) == []
    assert isinstance(take(tmp_path), Claim)


def taken_at_once(folder):
    """What twelve get that ask at the same moment."""
    taken, start = [], threading.Barrier(12)

    def run():
        start.wait()
        taken.append(take(folder))

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def test_of_many_at_once_one_has_it(tmp_path):
    assert sum(isinstance(one, Claim) for one in taken_at_once(tmp_path)) == 1


def test_one_that_gives_signs_of_life_on_another_machine_is_left_alone(tmp_path, elsewhere):
    elsewhere(quiet=claims.QUIET - 60)
    holder = take(tmp_path)
    assert isinstance(holder, Holder)
    assert str(holder) == "node7 (process 1, job 17_3) since noon"


def test_many_that_find_a_quiet_one_take_it_over_once(tmp_path, elsewhere):
    old = elsewhere(quiet=claims.QUIET + 60)
    assert claims.look(tmp_path) is None
    [claim] = [one for one in taken_at_once(tmp_path) if isinstance(one, Claim)]
    assert not old.exists()
    claim.refuse_lost()


def test_a_quiet_time_is_told_by_the_file_servers_clock(tmp_path, elsewhere, monkeypatch):
    elsewhere(quiet=claims.QUIET - 60)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert isinstance(take(tmp_path), Holder)


def test_a_dead_process_of_this_machine_is_taken_over_at_once(tmp_path):
    code = "import os, sys; from pathlib import Path; from kinj.claims import take\n"
    code += "take(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, cwd=Path(__file__).parents[2])
    [left] = tmp_path.iterdir()
    assert claims.last(tmp_path) is not None
    assert isinstance(take(tmp_path), Claim)
    assert not left.exists()


def test_who_was_taken_over_publishes_nothing_and_leaves_the_new_claim_alone(tmp_path, under):
    with take(tmp_path) as first:
        under(first)
        claims.refuse_lost()
        [file] = tmp_path.iterdir()
        os.utime(file, (0, 0))
        second = take(tmp_path)
        assert isinstance(second, Claim)
        for look in (claims.refuse_lost, first.refuse_lost):
            with pytest.raises(ClaimLostError, match=r"gave no sign of life, and was taken over by .* it ends here"):
                look()
    second.refuse_lost()


def test_a_claim_is_kept_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    with take(tmp_path):
        [file] = tmp_path.iterdir()
        os.utime(file, (0, 0))
        end = time.monotonic() + 10
        while file.stat().st_mtime == 0:
            assert time.monotonic() < end, "no sign of life"
            time.sleep(0.01)


def test_what_works_under_a_claim_hears_that_it_is_to_stop(tmp_path, under):
    assert not claims.is_asked_to_stop()
    with take(tmp_path) as claim:
        under(claim)
        assert not claims.is_asked_to_stop()
        claim.ask_to_stop()
        assert claims.is_asked_to_stop()
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_is_set_makes_nobody_gone(tmp_path, monkeypatch):
    class Process(psutil.Process):
        def create_time(self):
            return super().create_time() - 3600

    since = psutil.boot_time()
    with take(tmp_path):
        monkeypatch.setattr(psutil, "Process", Process)
        monkeypatch.setattr(psutil, "boot_time", lambda: since - 3600)
        assert isinstance(take(tmp_path), Holder)


def test_where_numbers_have_begun_anew_a_living_claim_is_left_alone(tmp_path, elsewhere, monkeypatch):
    elsewhere(quiet=claims.QUIET + 60)
    make = claims._make

    def make_late(file, holder):
        """All others have come and gone since this one looked, and one has come again."""
        monkeypatch.setattr(claims, "_make", make)
        (tmp_path / "claim-3.json").unlink()
        others.append(take(tmp_path))
        make(file, holder)

    others = []
    monkeypatch.setattr(claims, "_make", make_late)
    assert isinstance(take(tmp_path), Holder)
    [other] = others
    other.refuse_lost()
    assert [file.name for file in tmp_path.iterdir()] == ["claim-1.json"]


def test_a_server_that_does_not_answer_is_forgiven_until_it_is_quiet_for_too_long(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle")

    claim = take(tmp_path)
    monkeypatch.setattr(Path, "read_text", fail)
    claim.refuse_lost()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + claims.QUIET + 1)
    with pytest.raises(ClaimLostError, match="not reached for 180 s"):
        claim.refuse_lost()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"cannot write there: No such file or directory$"):
        take(tmp_path / "gone")
