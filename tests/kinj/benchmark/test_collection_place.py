"""Shipped collections go by name, others by path."""

import importlib.resources

import pytest

from kinj.benchmark import collection_folder, shipped_collections
from kinj.errors import UserError


def test_the_shipped_collection_is_found_by_its_name():
    assert (collection_folder("current_events") / "questions.jsonl").is_file()


def test_a_name_wins_over_a_folder_of_the_same_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "current_events").mkdir()
    assert collection_folder("current_events") == shipped_collections()["current_events"]
    assert collection_folder("./current_events").resolve() == (tmp_path / "current_events").resolve()


def test_any_other_value_is_a_path(tmp_path):
    assert collection_folder(str(tmp_path)) == tmp_path


def test_neither_a_name_nor_a_folder_is_refused():
    with pytest.raises(UserError, match=r"benchmark 'nowhere' is neither a folder nor .* \(current_events\)"):
        collection_folder("nowhere")


def test_without_kinj_tasks_only_paths_work(monkeypatch, tmp_path):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.resources, "files", absent)
    assert collection_folder(tmp_path) == tmp_path
    with pytest.raises(UserError, match=r"\(none is installed\)"):
        collection_folder("current_events")
