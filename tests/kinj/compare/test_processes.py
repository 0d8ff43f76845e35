"""The processes of a comparison."""

import json
import sys

import pytest

from kinj.compare.processes import last_line, run_guarded

SHOW = "import os; print([os.environ.get(n) for n in ('HF_HUB_OFFLINE', 'HF_DATASETS_OFFLINE')]); raise SystemExit(3)"


@pytest.mark.parametrize(("hub_off", "shown"), [(False, "[None, None]"), (True, "['1', '1']")])
def test_they_ask_no_hub_where_all_was_fetched(tmp_path, monkeypatch, hub_off, shown):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    command = {"words": [sys.executable, "-c", SHOW], "done": None}
    (tmp_path / "unit.json").write_text(json.dumps({"commands": [command]}))
    assert run_guarded(tmp_path, lambda: None, hub_off=hub_off) == 3
    assert last_line(tmp_path / "log.txt", 3) == shown


def test_they_are_told_no_clusters_token(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    command = {"words": [sys.executable, "-c", "import os; print('RAY_AUTH_TOKEN' in os.environ)"], "done": None}
    (tmp_path / "unit.json").write_text(json.dumps({"commands": [command]}))
    assert run_guarded(tmp_path, lambda: None) == 0
    assert last_line(tmp_path / "log.txt", 0) == "False"


def test_a_process_that_a_signal_killed_is_said_to_be(tmp_path):
    kill = "import os, signal; print('step 3 of 9', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    (tmp_path / "unit.json").write_text(
        json.dumps({"commands": [{"words": [sys.executable, "-c", kill], "done": None}]})
    )
    code = run_guarded(tmp_path, lambda: None)
    said = "killed by signal 9, as by a system out of memory; last it said: step 3 of 9"
    assert (code, last_line(tmp_path / "log.txt", code)) == (137, said)
