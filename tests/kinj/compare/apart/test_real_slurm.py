"""A plan on a real one-node Slurm: six units, one killed, one cancelled, one over its time, slurmd killed under one."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.long

SLURM = Path(__file__).resolve().parents[4].parent / "shared" / "slurm"


@pytest.fixture
def slurm(monkeypatch):
    """A cluster of this test's own: its folder. It is gone when the test ends."""
    if not (SLURM / "start").is_file():
        pytest.skip("no Slurm: ../shared/slurm is not beside this checkout")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))

    def start():
        with (folder / "start.txt").open("w+") as said:  # no pipe, which its daemons would keep open
            options = ["--dir", folder, "--cpus", "2", "--gpus", "2", "--set", "SlurmdTimeout=10"]
            done = subprocess.run([SLURM / "start", *options], stdout=said, stderr=said, check=False)
            said.seek(0)
            text = said.read()
        if done.returncode == 3:
            pytest.skip(text)
        assert done.returncode == 0, text

    start()
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    try:
        yield folder, start
    finally:
        subprocess.run([SLURM / "stop", "--dir", folder, "--wipe"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def said(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def wait_for(condition, seconds=420):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.3)
    return value


def state_of(job):
    for line in said("scontrol", "-o", "show", "job", job.partition("_")[0]).splitlines():
        told = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if f"{told.get('ArrayJobId')}_{told.get('ArrayTaskId')}" == job:
            return told["JobState"]
    return "PENDING"


def submit(text, folder):
    (folder / "units.sh").write_text(text)
    told = said("bash", str(folder / "units.sh"))
    return re.search(r"jobs (\d+)_0 to", told)[1], re.search(r"job (\d+) reports", told)[1]


def test_an_array_in_which_four_units_are_disturbed_ends_with_the_bytes_of_a_run_of_one_process(
    start, compare, slurm, told, weights, tmp_path, monkeypatch
):
    cluster, start_again = slurm
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    steps = {"num_train_epochs": 150, "save_strategy": "steps", "save_steps": 20}
    plan = {
        "injection": ["none", {"recipe": str(tmp_path / "towers.yaml"), "settings": steps}],
        "reading": ["none"],
        "seeds": [0, 1, 2, 3, 4],
        "slurm": {"time": "30:00", "stop_before": 60, "cpus": 1, "gpus": 1, "memory": "100M"},
    }
    out = tmp_path / "out"
    script = start("out", "--slurm", **plan).communicate(timeout=120)[0]
    array, finish = submit(script, tmp_path)
    said("scontrol", "hold", f"{array}_5")
    units = re.search(r"^units=\((.*)\)$", script, re.MULTILINE)[1].split()
    folders = [out / "units" / unit.partition(":")[2] for unit in units]

    def holder(task):
        """Who has the task's unit, once it trains."""
        claims = list(folders[task].glob("claim-*.json"))
        is_training = any(folders[task].glob("checkpoint/checkpoint-*/kinj_complete.json"))
        return json.loads(claims[0].read_text()) if claims and is_training else None

    os.kill(wait_for(lambda: holder(1))["pid"], signal.SIGKILL)
    wait_for(lambda: holder(2))
    said("scancel", f"{array}_2")
    unit = psutil.Process(wait_for(lambda: holder(3))["pid"])
    for process in (unit, *unit.children(recursive=True)):  # so that it neither ends in time nor saves when asked to
        process.suspend()
    said("scontrol", "update", f"JobId={array}_3", "TimeLimit=1")
    wait_for(lambda: state_of(f"{array}_3") == "TIMEOUT")
    wait_for(lambda: state_of(f"{array}_4") == "COMPLETED")

    said("scontrol", "release", f"{array}_5")
    first = wait_for(lambda: holder(5))
    at_work = psutil.Process(first["pid"]).children(recursive=True)
    for process in at_work:  # or it might be done before Slurm sees that its daemon is gone
        process.suspend()
    os.kill(int((cluster / "slurmd.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: state_of(f"{array}_5") == "PENDING")  # requeued, while its first process is at work
    assert psutil.pid_exists(first["pid"])
    for process in at_work:
        process.resume()
    start_again()
    wait_for(lambda: state_of(f"{array}_5") == "COMPLETED")

    wait_for(lambda: state_of_job(finish) in ("FAILED", "COMPLETED"))
    assert state_of_job(finish) == "FAILED"
    report = (out / "slurm" / f"finish_{finish}.txt").read_text()
    assert f"failed: tiny, towers, seed 0: FAILED, job {array}_1: its process is gone without a word" in report
    assert f"failed: tiny, towers, seed 1: CANCELLED, job {array}_2" in report
    assert f"failed: tiny, towers, seed 2: TIMEOUT, job {array}_3" in report
    assert "3 of 6 cells are complete" in report

    script = start("out", "--slurm", **plan).communicate(timeout=120)[0]
    assert re.search(r"^units=\((.*)\)$", script, re.MULTILINE)[1].split() == units[1:4]
    _, finish = submit(script, tmp_path)
    wait_for(lambda: state_of_job(finish) in ("FAILED", "COMPLETED"), 900)
    assert state_of_job(finish) == "COMPLETED"
    assert "6 of 6 cells are complete" in (out / "slurm" / f"finish_{finish}.txt").read_text()
    assert not [*out.rglob("claim-*"), *out.rglob("stop-*"), *out.rglob("*.part")]
    assert len([file for folder in folders for file in folder.glob("log.txt")]) == 6

    code, all_said = compare("whole", **plan)
    assert code == 0, all_said
    assert told(out) == told(tmp_path / "whole")
    assert weights(out) == weights(tmp_path / "whole")


def state_of_job(job):
    return re.search(r"JobState=(\w+)", said("scontrol", "-o", "show", "job", job))[1]
