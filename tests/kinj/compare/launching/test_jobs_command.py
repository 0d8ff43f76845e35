"""`kinj compare --jobs` as a person uses it."""

import signal
import time

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.errors import UserError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "2", "--unit", "1"], "--unit: --jobs and --launcher are for a whole run"),
        (["--launcher", "ray", "--finish"], "--finish: --jobs and --launcher are for a whole run"),
        (["--dry-run", "--jobs", "zero"], "--dry-run: --jobs and --launcher are for a whole run"),
        (["--fetch", "--launcher", "dask"], "--fetch: --jobs and --launcher are for a whole run"),
        (["--prepare", "--finish"], "--prepare and --finish: each is one part of a comparison: give one of them"),
        (["--units", "--slurm"], "--units and --slurm: each is one part of a comparison"),
        (["--dry-run", "--unit", "99"], "--dry-run and --unit: each is one part of a comparison"),
        (["--launcher", "dask"], "--launcher dask: `ray` is the one there is"),
        (["--jobs", "none"], "--jobs none: say how many units run at once, from 1 on, or `auto`"),
    ],
)
def test_options_that_cannot_be_are_refused_and_nothing_is_made(plan_values, tmp_path, words, said):
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan_values()))
    command = ["compare", str(tmp_path / "plan.yaml"), "--output_dir", str(tmp_path / "out"), *words]
    error = CliRunner().invoke(build_app(), command).exception
    assert isinstance(error, UserError)
    assert str(error).startswith(said)
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_interrupted_side_by_side_it_goes_on_to_the_bytes_of_one_unit_after_another(
    start, compare, told, weights, tmp_path
):
    plan = {"seeds": [0, 1], "reading": ["none", {"retriever": "bm25", "k": [1, 2]}]}
    code, said = compare("one", **plan)
    assert code == 0, said
    process = start("two", "--jobs", "2", **plan)
    end = time.monotonic() + 200
    while len(at_work(tmp_path / "two")) < 2:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    said = "".join(process.communicate(timeout=60))
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("kinj: interrupted: type the same command to go on")
    assert not [one for one in family if one.is_running()]
    assert not list((tmp_path / "two").rglob("claim-*.json"))
    code, said = compare("two", "--jobs", "2", **plan)
    assert code == 0, said
    assert told(tmp_path / "two") == told(tmp_path / "one")
    assert weights(tmp_path / "two") == weights(tmp_path / "one")
    assert len(weights(tmp_path / "two")) == 2


def at_work(folder):
    """The units of a folder that somebody is at work on."""
    return list(folder.glob("units/*/claim-*.json"))
