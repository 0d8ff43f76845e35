"""docs/results: what is published comes out again of the answers beside it, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.compare.files import load_plan

PUBLISHED = sorted(Path(__file__).resolve().parents[3].glob("docs/results/*/answers.jsonl.gz"))


def test_there_are_published_results():
    assert "retrieval" in {file.parent.name for file in PUBLISHED}


@pytest.mark.parametrize("folder", [file.parent for file in PUBLISHED], ids=lambda folder: folder.name)
def test_published_answers_give_every_published_number(folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())  # slow, and of the same tables
    words = ["report", str(folder), "--output_dir", str(tmp_path / "report"), "--without-texts"]
    assert CliRunner().invoke(build_app(), words, catch_exceptions=False).exit_code == 0
    again = json.loads((tmp_path / "report" / "report.json").read_text())
    published = json.loads((folder / "report.json").read_text())
    assert published["tables"]["contrasts"]["rows"]
    for name in published.keys() - {"command"}:
        assert again[name] == published[name], name


@pytest.mark.parametrize("folder", [file.parent for file in PUBLISHED], ids=lambda folder: folder.name)
def test_published_results_come_with_a_plan_that_can_be_run_and_its_command(folder):
    plan = load_plan(str(folder / "plan.yaml"))
    asked = {(row[1], row[2]) for row in json.loads((folder / "report.json").read_text())["tables"]["accuracy"]["rows"]}
    assert {task for task, _ in asked} == set(plan.tasks)
    assert {split for _, split in asked} == set(plan.splits)
    assert f"kinj compare docs/results/{folder.name}/plan.yaml --output_dir" in (folder / "README.md").read_text()
