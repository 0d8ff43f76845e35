"""One unit by itself: prepared or not, at work or not, stopped, taken over. Its processes are played by a function."""

import json
import os
import platform
import shlex
import signal

import pytest
import yaml
from typer.testing import CliRunner

from kinj import claims
from kinj.cli.app import build_app
from kinj.compare import running
from kinj.compare.apart import prepared
from kinj.compare.apart.listing import states
from kinj.compare.apart.one import do_one, find_unit
from kinj.compare.apart.prepared import find_prepared, mark_prepared, prepared_before
from kinj.compare.files import load_plan
from kinj.compare.folder import OutputFolder
from kinj.compare.plan import make_plan
from kinj.errors import UserError

PLAN = {"injection": ["none"], "reading": ["none"]}


@pytest.fixture
def out(tmp_path):
    return OutputFolder(tmp_path / "out")


@pytest.fixture
def begun(out, comparison, plan_values):
    """A comparison of one unit and one cell, prepared in its folder."""
    made = comparison(**PLAN)
    with out.alone():
        out.begin(make_plan("p", plan_values(**PLAN)), made)
    [planned] = made.cells
    questions = planned.questions
    counts = {questions.key: {"of": questions.content, "output_type": "multiple_choice", "questions": 3, "clusters": 3}}
    out.counts.write_text(json.dumps(counts))
    mark_prepared(made, out)
    return made


@pytest.fixture
def processes(monkeypatch, out):
    """What a unit's processes do, each time they are started, in the place of real ones: gives their exit code."""

    def play(*steps):
        left = list(steps)

        def run_guarded(folder, meanwhile, **_):
            (folder / "log.txt").touch()
            code = left.pop(0)()
            meanwhile()
            return code

        monkeypatch.setattr(running, "run_guarded", run_guarded)
        return left

    return play


def complete(out, unit):
    folder = out.cell(unit.cells[0].cell.id)
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return 0


def test_a_prepared_plan_is_found_and_any_other_says_what_to_run(begun, comparison, out, tmp_path):
    assert find_prepared(begun, out, "kinj compare …") == begun
    with pytest.raises(UserError, match=r"was prepared for another plan than this is now: run first: kinj compare …$"):
        find_prepared(comparison(**PLAN, shots=[0, 1]), out, "kinj compare …")
    with pytest.raises(
        UserError, match=f"is not prepared .or not seen from {platform.node()}.: run first: kinj compare"
    ):
        find_prepared(begun, OutputFolder(tmp_path / "other"), "kinj compare …")
    assert prepared_before(comparison(**PLAN, batch_size="auto"), out) is None


@pytest.mark.parametrize(("name", "now"), [("kinj", "99.0"), ("python", "3.99")])
def test_another_kinj_or_python_is_refused_by_name(begun, out, monkeypatch, name, now):
    if name == "kinj":
        monkeypatch.setattr(prepared, "version", lambda _: now)
    else:
        monkeypatch.setattr(platform, "python_version_tuple", lambda: tuple(f"{now}.1".split(".")))
    with pytest.raises(UserError, match=f"was prepared by {name} .*, and .* has {now}: take the same environment"):
        find_prepared(begun, out, "")


def test_a_unit_that_the_plan_does_not_have_is_refused(begun):
    with pytest.raises(UserError, match="--unit 2: the plan has units 1 to 1: --units lists them"):
        find_unit(begun, 2)


def test_a_unit_is_done_once(begun, out, processes):
    [unit] = begun.units
    left = processes(lambda: complete(out, unit))
    assert do_one(unit, begun, out, keep="all") == (0, None)
    assert do_one(unit, begun, out, keep="all") == (0, None)
    assert left == []
    assert [one.state for one in states(begun, out)] == ["done"]


def test_a_unit_that_fails_is_tried_twice_and_its_reason_kept_until_it_is_tried_again(begun, out, processes):
    [unit] = begun.units
    processes(lambda: 1, lambda: 1)
    code, failure = do_one(unit, begun, out, keep="all")
    assert code == 1
    assert failure.reason == "it said nothing"
    assert [(one.state, one.why) for one in states(begun, out)] == [("failed", "it said nothing")]
    processes(lambda: complete(out, unit) if out.failure(unit) is None else 1)
    assert do_one(unit, begun, out, keep="all") == (0, None)
    assert out.failure(unit) is None


def test_stopped_with_something_saved_it_asks_to_be_started_again_and_with_nothing_it_fails(begun, out, processes):
    [unit] = begun.units

    def stop(*, saving):
        os.kill(os.getpid(), signal.SIGUSR1)
        assert list(out.unit(unit.id).glob("stop-*"))
        if saving:
            (out.unit(unit.id) / "checkpoint" / "checkpoint-7").mkdir(parents=True)
            (out.unit(unit.id) / "checkpoint" / "checkpoint-7" / "kinj_complete.json").touch()
        return claims.STOPPED

    processes(lambda: stop(saving=True))
    assert do_one(unit, begun, out, keep="all") == (claims.STOPPED, None)
    assert [one.state for one in states(begun, out)] == ["waiting"]
    processes(lambda: stop(saving=False))
    code, failure = do_one(unit, begun, out, keep="all")
    assert code == 1
    assert "stopped before one cell or checkpoint was saved: give it more time" in failure.reason
    assert not list(out.unit(unit.id).glob("stop-*"))


def test_what_does_not_stop_in_time_is_ended(begun, out, processes):
    [unit] = begun.units
    processes(lambda: os.kill(os.getpid(), signal.SIGUSR1) or signal.pause() or 0)
    code, failure = do_one(unit, begun, out, keep="all", seconds_to_stop=1)
    assert code == 1
    assert "give it more time" in failure.reason


def test_a_unit_that_was_taken_over_is_not_tried_again(begun, out, processes):
    [unit] = begun.units
    others = []

    def lose():
        [file] = out.unit(unit.id).glob("claim-*")
        os.utime(file, (0, 0))
        others.append(claims.take(out.unit(unit.id)))
        return 1

    left = processes(lose, lambda: 0)
    code, failure = do_one(unit, begun, out, keep="all")
    assert code == 1
    assert "was taken over" in failure.reason
    assert len(left) == 1
    others[0].refuse_lost()


def test_who_is_at_work_and_who_is_gone_stand_in_the_list(begun, out):
    [unit] = begun.units
    assert [(one.state, one.why) for one in states(begun, out)] == [("waiting", "")]
    with claims.take(out.unit_to_write(unit.id)):
        [one] = states(begun, out)
        assert (one.state, one.why.split(" (")[0]) == ("at work", platform.node())
        [file] = out.unit(unit.id).glob("claim-*")
        os.utime(file, (0, 0))
        [one] = states(begun, out)
        assert one.state == "failed"
        assert one.why.startswith("its process is gone without a word: ")


@pytest.mark.parametrize("part", ["--prepare", "--finish"])
def test_what_changes_no_cell_reaches_the_plan_that_the_report_judges_by(begun, out, plan_values, tmp_path, part):
    changed = plan_values(**PLAN, same_within=7.5)
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(changed))
    assert load_plan(str(out.path / "plan.yaml")).same_within != 7.5
    words = ["compare", str(tmp_path / "changed.yaml"), "--output_dir", str(out.path), part]
    CliRunner().invoke(build_app(), words)
    assert load_plan(str(out.path / "plan.yaml")).same_within == 7.5


@pytest.mark.parametrize("jobs", [[], ["--jobs", "1"]])
def test_a_unit_that_fails_in_a_whole_run_is_done_alone_under_a_claim_and_a_part_of_a_machine_keeps_no_rates(
    begun, out, processes, plan_values, tmp_path, monkeypatch, jobs
):
    kept = []
    monkeypatch.setattr("kinj.compare.rates.keep_rates", lambda *_: kept.append("kept"))
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(plan_values(**PLAN)))
    processes(lambda: 1, lambda: 1)
    command = ["compare", str(file), "--output_dir", str(out.path)]
    said = CliRunner().invoke(build_app(), [*command, *jobs]).output
    assert f"alone: kinj {shlex.join(command)} --unit 1\n" in said
    assert kept == ([] if jobs else ["kept"])


def test_prepare_spreads_models_over_the_devices_that_are_there(begun, out, plan_values, tmp_path, monkeypatch):
    def count(plan, memory):
        known.append(memory)
        return dict.fromkeys(plan.models, 1)

    known = []
    monkeypatch.setattr("kinj.compare.launching.machine.device_memory", lambda: [10, 20])
    monkeypatch.setattr("kinj.compare.launching.devices.count_devices", count)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan_values(**PLAN)))
    words = ["compare", str(tmp_path / "plan.yaml"), "--output_dir", str(out.path), "--prepare"]
    assert CliRunner().invoke(build_app(), words).exit_code == 0
    assert known == [(10, 20)]
