"""`kinj compare --launcher ray` on a local Ray: workers killed, a cluster that is not there, a head that goes."""

import importlib.util
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

log = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray: pip install 'kinj[cluster]'"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]


@pytest.fixture
def plan_file(plan_values, collection, tmp_path):
    """One unit that is asked alone, and one that is trained in two processes; the texts by a name from where one is."""
    towers = {"recipe": str(tmp_path / "towers.yaml"), "settings": {"num_processes": 2, "num_train_epochs": 3}}
    reading = ["none", {"retriever": "bm25", "k": [1, 2]}]
    file = tmp_path / "plan.yaml"
    texts = os.path.relpath(collection, tmp_path)
    file.write_text(yaml.safe_dump(plan_values(injection=["none", towers], reading=reading, limit=6, benchmark=texts)))
    return file


@pytest.fixture
def begin(plan_file, tmp_path):
    """Starts `kinj compare` on that plan, into a folder of that name; two threads to share out."""
    begun = []

    def start(out, *words, **variables):
        command = [sys.executable, "-P", "-m", "kinj.cli", "compare", plan_file, "--output_dir", tmp_path / out, *words]
        env = {**os.environ, "KINJ_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "2", **variables}
        pipe = subprocess.PIPE
        process = subprocess.Popen(list(map(str, command)), stdout=pipe, stderr=pipe, text=True, env=env, cwd=tmp_path)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


def processes(*words):
    """Those whose command has all of the words."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if all(str(word) in command for word in words):
            found.append(process)
    return found


def wait_for(find, process, seconds=240):
    """What `find` gives once it gives anything, while the process lives."""
    end = time.monotonic() + seconds
    while not (found := find()):
        assert process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
    return found


def worker_of(process):
    """Ray's worker above a process, whose command begins with ray::."""
    return next(parent for parent in process.parents() if " ".join(parent.cmdline()).startswith("ray::"))


def kill_worker_of(process):
    """Kills Ray's worker above a process by SIGKILL, and returns once nothing of what it had started lives."""
    worker = worker_of(process)
    family = worker.children(recursive=True)
    assert process in family
    worker.send_signal(signal.SIGKILL)
    started = time.monotonic()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, [(one.pid, one.cmdline()) for one in alive]
    return len(family), time.monotonic() - started


def test_workers_that_are_killed_leave_no_process_and_the_same_bytes_come_out(begin, told, weights, tmp_path):
    undisturbed = begin("undisturbed", "--jobs", "2")
    said = "".join(undisturbed.communicate(timeout=900))
    assert undisturbed.returncode == 0, said
    assert "units at once: 2, with 1 of 2 threads each" in said
    run = begin("killed", "--launcher", "ray", "--jobs", "2")
    asking = wait_for(lambda: processes("kinj_models.evaluate", tmp_path / "killed"), run)
    count, seconds = kill_worker_of(asking[0])
    log.info("evaluation: %d processes gone %.1f s after their worker", count, seconds)
    ranks = wait_for(lambda: two_ranks(tmp_path / "killed"), run)
    assert len({os.getsid(rank.pid) for rank in ranks}) == 2  # each in a session of its own
    count, seconds = kill_worker_of(ranks[0])
    log.info("training: %d processes gone %.1f s after their worker", count, seconds)
    said = "".join(run.communicate(timeout=900))
    assert run.returncode == 0, said
    assert "Ray " in said
    assert "started on this machine: 1 node, 2 CPUs, 0 GPUs" in said
    assert told(tmp_path / "killed") == told(tmp_path / "undisturbed")
    assert weights(tmp_path / "killed") == weights(tmp_path / "undisturbed")
    assert len(weights(tmp_path / "killed")) == 1
    assert not processes(tmp_path / "killed")
    assert not list((tmp_path / "killed").rglob("claim-*.json"))
    assert not list((tmp_path / "killed").rglob("*.part"))


def two_ranks(folder):
    """The two processes of a training, once both compute."""
    found = [one for one in processes("kinj.cli train", folder) if "torch.distributed" not in " ".join(one.cmdline())]
    found = [one for one in found if "guard" not in " ".join(one.cmdline())]
    return found if len(found) == 2 and list(Path(folder).glob("units/*/checkpoint/checkpoint-*")) else []


def test_interrupted_it_leaves_no_process_and_says_what_to_type(begin, tmp_path):
    run = begin("out", "--launcher", "ray", "--jobs", "2")
    wait_for(lambda: processes("kinj_models.evaluate", tmp_path / "out"), run)
    family = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    said = "".join(run.communicate(timeout=60))
    assert run.returncode == 130, said
    assert said.splitlines()[-1].startswith("kinj: interrupted: type the same command to go on")
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not [one for one in alive if one.is_running() and str(tmp_path) in " ".join(one.cmdline())]
    assert not processes("kinj.c", tmp_path / "out")


#: A cluster by itself on a network and among processes of its own: its head dies while a unit is asked.
HEAD = """
ip link set lo up
ray start --head --node-ip-address=127.0.0.1 --port=6379 --num-cpus 2 --disable-usage-stats --include-dashboard=false
export RAY_ADDRESS=127.0.0.1:6379
"$@" & run=$!
while kill -0 $run && ! pgrep -f kinj_models.evaluate; do sleep 0.2; done
pkill -9 gcs_server
wait $run; echo "run ended with $?"
for second in $(seq 120); do pgrep -f -- "kinj_models|--unit" || break; sleep 1; done
pgrep -f -- "kinj_models|--unit" || echo "nothing of it is left"
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "--net", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0,
    reason="no namespaces of its own here",
)
def test_a_head_that_goes_is_one_line_and_its_units_end(plan_file, tmp_path):
    words = [sys.executable, "-P", "-m", "kinj.cli", "compare", plan_file, "--output_dir", tmp_path / "out"]
    # Not over before it is noticed.
    plan_file.write_text(plan_file.read_text().replace("num_train_epochs: 3", "num_train_epochs: 500"))
    (tmp_path / "head.sh").write_text(HEAD)
    command = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "bash", tmp_path / "head.sh", *words]
    env = {**os.environ, "KINJ_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "2", "RAY_AUTH_MODE": "token"}
    env |= {"RAY_AUTH_TOKEN": "0" * 64, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        list(map(str, [*command, "--launcher", "ray", "--jobs", "2"])),
        env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=550,
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert any(one.startswith("Ray ") and "joined at 127.0.0.1:6379: 1 node, 2 CPUs" in one for one in said), (
        done.stdout
    )
    line = "kinj: the head of the Ray cluster at 127.0.0.1:6379 is gone: what is complete stays"
    assert any(one.startswith(line) for one in said), done.stdout
    assert "run ended with 2" in said
    assert said[-1] == "nothing of it is left"
