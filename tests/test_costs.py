"""What tests/conftest.py says of a run: its seconds of a processor, and which tests are long."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Three ways to use a second of a processor: a child that ends, one that goes on, and a server that is no child.
TESTS = """
import os, signal, subprocess, sys

BURN = "import os, time\\nwhile time.process_time() < 1: pass\\nprint(os.getpid(), flush=True)\\n"

def burn(after="", *launcher):
    process = subprocess.Popen([*launcher, sys.executable, "-c", BURN + after], stdout=subprocess.PIPE)
    return process, int(process.stdout.readline())

def test_child():
    assert burn()[0].wait() == 0

def test_left_behind():
    burn("time.sleep(3)")

def test_server(request):
    plugins = request.config.pluginmanager.get_plugins()
    [processor] = [plugin.PROCESSOR for plugin in plugins if hasattr(plugin, "PROCESSOR")]
    _, pid = burn("time.sleep(60)", "setsid", "--fork")
    processor.started(pid)
    processor.stopping(pid)
    os.kill(pid, signal.SIGKILL)

def test_real_server(start_elasticsearch):
    raise AssertionError("not to be run here")
"""


@pytest.fixture
def run(tmp_path):
    """Runs pytest over `TESTS`, with the conftest of our tests."""
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_small.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *("-m", "not long")]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)


def test_a_run_says_what_it_has_used_of_a_processor_with_its_children_and_servers(run):
    assert "3 passed, 1 deselected" in run.stdout.splitlines()[-1], run.stdout
    [total] = re.findall(r"=+ (\d+) processor seconds \(\d\.\d minutes\) =+", run.stdout)
    assert int(total) >= 3
    costs = re.findall(r"^ +([\d.]+) test_small.py::(\w+)$", run.stdout, re.MULTILINE)
    assert {test for _, test in costs} == {"test_child", "test_left_behind", "test_server"}
    assert all(float(seconds) >= 1 for seconds, _ in costs)
