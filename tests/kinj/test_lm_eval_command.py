from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj.lm_eval_command import run_lm_eval


def test_the_result_file_is_given_and_a_launchers_variables_do_not_reach_lm_eval(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    arguments = ["--model", "dummy", "--tasks", "kinj_current_events_option", "--limit", "2"]
    file = run_lm_eval(arguments, tmp_path / "out", {"HF_HUB_OFFLINE": "1"})
    assert file.is_relative_to(tmp_path / "out")
    assert file.name.startswith("results")


def test_a_run_that_fails_ends_with_its_last_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"lm_eval ended with exit code [^0] \(.*no_such_task"):
        run_lm_eval(["--model", "dummy", "--tasks", "no_such_task"], tmp_path)
