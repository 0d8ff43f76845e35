"""The guard of a unit's processes: none of them outlives it, and it outlives nobody who started it."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from filelock import FileLock

GUARD = [sys.executable, "-P", "-m", "kinj.compare.guard"]
#: Starts a child in a session of its own, as torchrun starts its ranks, and an orphan; says who they are; waits.
FAMILY = """
import os, subprocess, sys, time
from pathlib import Path
sleep = [sys.executable, "-c", "import time; time.sleep(120)"]
child = subprocess.Popen(sleep, start_new_session=True)
between = "import subprocess, sys; p = subprocess.Popen(%r, stdout=-3, start_new_session=True); print(p.pid)" % sleep
orphan = subprocess.run([sys.executable, "-c", between], stdout=-1, text=True, check=True).stdout
part = Path(sys.argv[1] + ".part")
part.write_text(f"{os.getpid()} {child.pid} {orphan}")
part.rename(sys.argv[1])
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def write_unit(tmp_path):
    """Writes the unit.json of commands given as (words, done)."""

    def write(*commands):
        values = [{"words": [str(word) for word in words], "done": done} for words, done in commands]
        (tmp_path / "unit.json").write_text(json.dumps({"commands": values}))
        return tmp_path

    return write


def python(code, *words):
    return [sys.executable, "-c", code, *words]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def read_family(file):
    wait_for(file.is_file)
    return [int(pid) for pid in file.read_text().split()]


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_when_its_starter_goes_all_go_children_of_other_sessions_and_orphans_too(write_unit, tmp_path):
    folder = write_unit((python(FAMILY, str(tmp_path / "pids"), "120"), None))
    code = f"import subprocess, time; subprocess.Popen({[*GUARD, str(folder), '--with-starter']}, stdin=-1,"
    code += " start_new_session=True); time.sleep(120)"
    starter = subprocess.Popen(python(code), env=os.environ)
    pids = read_family(tmp_path / "pids")
    assert len(pids) == 3
    assert not any(map(is_gone, pids))
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_for(lambda: all(map(is_gone, pids)))


def _hear_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_when_it_is_told_to_end_it_leaves_nothing(write_unit, tmp_path, number):
    folder = write_unit((python(FAMILY, str(tmp_path / "pids"), "120"), None))
    # What a shell starts in the background is deaf to Ctrl-C, these tests too; a guard at a terminal is not.
    guard = subprocess.Popen([*GUARD, str(folder)], stderr=subprocess.DEVNULL, preexec_fn=_hear_ctrl_c)
    pids = read_family(tmp_path / "pids")
    guard.send_signal(number)
    assert guard.wait(timeout=30) == 128 + number
    assert all(map(is_gone, pids))


def test_a_command_in_the_folders_place_is_guarded_alike(tmp_path):
    words = [*GUARD, "--with-starter", "--", *python(FAMILY, str(tmp_path / "pids"), "120")]
    guard = subprocess.Popen(words, stdin=subprocess.PIPE)
    pids = read_family(tmp_path / "pids")
    guard.stdin.close()  # as where its starter is gone
    assert guard.wait(timeout=30) == 128 + signal.SIGTERM
    assert all(map(is_gone, pids))
    assert subprocess.run([*GUARD, "--", *python("raise SystemExit(7)")], check=False).returncode == 7


def test_its_command_dies_with_it(write_unit, tmp_path):
    folder = write_unit((python(FAMILY, str(tmp_path / "pids"), "120"), None))
    guard = subprocess.Popen([*GUARD, str(folder)])
    first, *others = read_family(tmp_path / "pids")
    guard.kill()
    guard.wait()
    wait_for(lambda: is_gone(first))
    for pid in others:
        os.kill(pid, signal.SIGKILL)


def test_what_a_command_leaves_running_is_ended(write_unit, tmp_path):
    folder = write_unit((python(FAMILY, str(tmp_path / "pids"), "0"), None))
    assert subprocess.run([*GUARD, str(folder)], check=False).returncode == 0
    assert all(map(is_gone, read_family(tmp_path / "pids")))


def test_the_first_failure_is_its_exit_code_and_the_rest_is_not_done(write_unit, tmp_path):
    touch = python("import sys; open(sys.argv[1], 'w')", tmp_path / "touched")
    folder = write_unit((python("raise SystemExit(7)"), None), (touch, None))
    assert subprocess.run([*GUARD, str(folder)], check=False).returncode == 7
    assert not (tmp_path / "touched").exists()


def test_what_is_done_is_passed_over(write_unit, tmp_path):
    (tmp_path / "finished").touch()
    folder = write_unit((python("raise SystemExit(7)"), str(tmp_path / "finished")))
    assert subprocess.run([*GUARD, str(folder)], check=False).returncode == 0


def test_two_do_not_work_in_one_folder(write_unit, tmp_path):
    folder = write_unit((python("import time; time.sleep(0)"), None))
    with FileLock(folder / ".lock"):
        waiting = subprocess.Popen([*GUARD, str(folder)])
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=2)
    assert waiting.wait(timeout=30) == 0
