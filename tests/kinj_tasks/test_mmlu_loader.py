"""MMLU rows from a folder of the original CSV files, in both layouts, and what is said where there is no way."""

import csv

import pytest

from kinj.errors import UserError
from kinj_tasks import mmlu

ROWS = {
    "test": [['Which is "red"?', "a\nb", " x", "y", "z", "D"]],
    "val": [["Which is blue?", "p", "q", "r", "s", "A"]],
    "dev": [[f"Shot {n}?", "p", "q", "r", "s", "B"] for n in range(5)],
}


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as sink:
        csv.writer(sink).writerows(rows)


@pytest.fixture(params=["{subject}/{split}.csv", "{split}/{subject}_{split}.csv"])
def folder(request, tmp_path):
    for split, rows in ROWS.items():
        write_csv(tmp_path / request.param.format(subject="anatomy", split=split), rows)
    return tmp_path


def test_rows_are_as_on_the_hub_in_both_layouts(folder):
    data = mmlu.load("anatomy", mmlu_dir=str(folder))
    expected = {"question": 'Which is "red"?', "subject": "anatomy", "choices": ["a\nb", " x", "y", "z"], "answer": 3}
    assert list(data["test"]) == [expected]
    assert data["fewshot"]["question"][:] == [f"Shot {n}?" for n in range(5)]


def test_dev_scores_mmlus_val_rows_and_keeps_the_shots(folder):
    data = mmlu.load("anatomy", mmlu_dir=str(folder), split="dev")
    assert data["test"]["question"][:] == ["Which is blue?"]
    assert len(data["fewshot"]) == 5


def test_the_folder_may_come_from_the_environment_and_metadata_wins(folder, monkeypatch):
    monkeypatch.setenv("KINJ_MMLU_DIR", str(folder))
    assert len(mmlu.load("anatomy", pretrained="gpt2", version=1.0)["test"]) == 1
    with pytest.raises(
        UserError, match=r"neither nowhere/anatomy/test\.csv nor nowhere/test/anatomy_test\.csv is there"
    ):
        mmlu.load("anatomy", mmlu_dir="nowhere")


@pytest.mark.parametrize(
    "cells", [["q", "a", "b", "c", "D"], ["q", "a", "b", "c", "d", "E"], ["q", "a", "b", "c", "d", ""]]
)
def test_a_bad_row_is_refused_with_its_place(tmp_path, cells):
    write_csv(tmp_path / "anatomy" / "test.csv", [*ROWS["test"], cells])
    with pytest.raises(UserError, match=r"test\.csv: row 2: expected question, A, B, C, D and a letter A-D"):
        mmlu.load("anatomy", mmlu_dir=str(tmp_path))


@pytest.mark.parametrize("split", ["val", "train"])
def test_another_split_is_refused(split):
    with pytest.raises(UserError, match=rf"split='{split}': expected test or dev \(MMLU's val rows\)"):
        mmlu.load("anatomy", split=split)


def test_without_a_hub_both_ways_are_named(monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("Couldn't reach 'cais/mmlu' on the Hub")

    monkeypatch.delenv("KINJ_MMLU_DIR", raising=False)
    monkeypatch.setattr(mmlu, "load_dataset", unreachable)
    message = (
        r"MMLU anatomy: Couldn't reach .*reach the hub \(cais/mmlu\).*'{\"mmlu_dir\": \"DIR\"}' or KINJ_MMLU_DIR=DIR$"
    )
    with pytest.raises(UserError, match=message):
        mmlu.load("anatomy")
