"""Units done apart, each by a command of its own."""

import json
import signal
import time

import pytest

pytestmark = pytest.mark.long


def units_of(compare, out, **plan):
    code, said = compare(out, "--units", "--json", **plan)
    assert code == 0, said
    return json.loads(said)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_units_one_by_one_end_with_the_bytes_of_a_single_run(compare, start, told, weights, tmp_path):
    plan = {"reading": ["none", {"retriever": "bm25", "k": 1}]}
    code, said = compare("whole", **plan)
    assert code == 0, said
    code, said = compare("apart", "--unit", "2", **plan)
    assert code == 2
    assert "is not prepared" in said
    assert "run first: kinj compare" in said
    code, said = compare("apart", "--prepare", **plan)
    assert code == 0, said
    found = units_of(compare, "apart", **plan)
    assert [(one["number"], one["injection"], one["cells"], one["state"]) for one in found] == [
        (1, "none", 2, "waiting"), (2, "towers", 2, "waiting"),
    ]  # fmt: skip
    twice = [start("apart", "--unit", "2", **plan) for _ in range(2)]
    ends = [("".join(one.communicate(timeout=300)), one.returncode) for one in twice]
    assert [code for _, code in ends] == [0, 0], ends
    assert sum("waiting for" in said for said, _ in ends) == 1
    [log] = (tmp_path / "apart").glob("units/*/log.txt")
    assert log.read_text().count("cell 1 of 2") == 1
    code, said = compare("apart", "--finish", **plan)
    assert code == 1
    assert "failed: tiny, none: waiting" in said
    assert "2 of 4 cells are complete" in said
    code, said = compare("apart", "--unit", "1", **plan)
    assert code == 0, said
    code, said = compare("apart", "--finish", **plan)
    assert code == 0, said
    assert "4 of 4 cells are complete" in said
    assert {one["state"] for one in units_of(compare, "apart", **plan)} == {"done"}
    assert told(tmp_path / "apart") == told(tmp_path / "whole")
    assert weights(tmp_path / "apart") == weights(tmp_path / "whole")
    assert (tmp_path / "apart" / "unchanged.json").read_text() == (tmp_path / "whole" / "unchanged.json").read_text()
    assert not list((tmp_path / "apart").rglob("claim-*"))


def test_a_unit_that_is_asked_to_stop_saves_and_goes_on_from_there(compare, start, told, weights, tmp_path):
    steps = {"num_train_epochs": 100, "save_strategy": "no", "logging_steps": 1}
    plan = {"injection": [{"recipe": str(tmp_path / "towers.yaml"), "settings": steps}], "reading": ["none"]}
    code, said = compare("whole", **plan)
    assert code == 0, said
    assert compare("apart", "--prepare", **plan)[0] == 0
    [unit] = units_of(compare, "apart", **plan)
    checkpoint = tmp_path / "apart" / "units" / unit["unit"] / "checkpoint"
    process = start("apart", "--unit", "1", **plan)
    wait_for(checkpoint.is_dir)
    process.send_signal(signal.SIGUSR1)
    said = "".join(process.communicate(timeout=120))
    assert process.returncode == 75, said
    assert "stopped as it was asked to: the same command goes on" in said
    assert list(checkpoint.glob("checkpoint-*/kinj_complete.json"))
    assert not (checkpoint / "manifest.json").exists()
    code, said = compare("apart", "--unit", "1", **plan)
    assert code == 0, said
    assert "going on at step" in (checkpoint.parent / "log.txt").read_text()
    assert told(tmp_path / "apart") == told(tmp_path / "whole")
    assert weights(tmp_path / "apart") == weights(tmp_path / "whole")
