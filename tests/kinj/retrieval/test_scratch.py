from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinj.retrieval.scratch import scratch_folder


def make_old(folder):
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_folder_is_gone_however_the_work_ends(tmp_path, error):
    def work():
        with scratch_folder(tmp_path, "index") as folder:
            (folder / "lines").write_text("half")
            raise error

    with pytest.raises(error):
        work()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    left, young = tmp_path / ".index.sorting-left", tmp_path / ".index.sorting-young"
    for folder in (left, young):
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "lines").write_text("half")
    make_old(left)
    with scratch_folder(tmp_path, "index"):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == [young]


def test_the_folder_of_a_process_is_kept_until_it_is_killed(tmp_path):
    script = f"""
import time
from pathlib import Path
from kinj.retrieval.scratch import scratch_folder
with scratch_folder(Path({str(tmp_path)!r}), "index") as folder:
    print(folder, flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with process:
        folder = Path(process.stdout.readline().strip())
        make_old(folder)
        with scratch_folder(tmp_path, "index"):
            assert folder.exists()
        process.kill()
    make_old(folder)
    with scratch_folder(tmp_path, "index"):
        assert not folder.exists()


def test_a_folder_in_use_and_one_of_another_name_are_left_alone(tmp_path):
    other = tmp_path / ".other.sorting-x"
    other.mkdir()
    make_old(other)
    with scratch_folder(tmp_path, "index") as first:
        make_old(first)
        with scratch_folder(tmp_path, "index") as second:
            assert first.exists()
            assert second != first
    assert list(tmp_path.iterdir()) == [other]
