"""What continuous integration runs: both suites whatever the first one finds, and a close that says how they ended."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"


@pytest.fixture
def ci(tmp_path):
    """Runs the script with a stand-in for `make` that prints what pytest would and ends with the code given to each."""
    if not SCRIPT.is_file():
        pytest.skip(".ci/run is only in a checkout")
    make = tmp_path / "make"

    def run(test, test_long):
        make.write_text(
            "#!/bin/sh\n"
            'for target; do :; done; code=$([ "$target" = test ] && echo $TEST || echo $TEST_LONG)\n'
            'echo "====== 7$code processor seconds (1.2 minutes) ======"\n'
            'echo "====== $code failed, 3 passed in $target 4.5s ======" | sed "s/ test\\(-long\\)\\? / /"\n'
            'echo "make: $target ended with $code"; exit $code\n'
        )
        make.chmod(0o755)
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TEST": str(test), "TEST_LONG": str(test_long)}
        return subprocess.run([SCRIPT], capture_output=True, text=True, env=env, check=False)

    return run


@pytest.mark.parametrize(("test", "test_long"), [(0, 0), (2, 0), (0, 2), (2, 1)])
def test_both_suites_run_and_either_ones_failure_is_the_runs(ci, test, test_long):
    done = ci(test, test_long)
    assert f"make: test ended with {test}" in done.stdout
    assert f"make: test-long ended with {test_long}" in done.stdout
    assert (done.returncode == 0) == (test == test_long == 0)


def test_it_ends_with_both_costs_and_pytests_own_last_lines(ci):
    assert ci(2, 0).stdout.splitlines()[-4:] == [
        "make test: 72 processor seconds (1.2 minutes)",
        "make test-long: 70 processor seconds (1.2 minutes)",
        "====== 2 failed, 3 passed in 4.5s ======",
        "====== 0 failed, 3 passed in 4.5s ======",
    ]
