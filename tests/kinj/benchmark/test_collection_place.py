"""Shipped collections go by name, others by path."""

import importlib.resources
import shutil

import pytest

from kinj.benchmark import collection_folder, find_registered, place, register, shipped_collections
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


def test_a_benchmark_is_called_by_its_manifest_else_by_its_folder(rows, write):
    folder = write(rows)
    assert (register(folder).name, register(folder).version) == ("benchmark", "")
    (folder / "manifest.json").write_text('{"name": "fitch", "version": "2.1"}')
    assert (register(folder).name, register(folder).version) == ("fitch", "2.1")


def test_the_sha256_is_of_the_data_files_wherever_they_lie(rows, write, tmp_path):
    folder = write(rows)
    before = register(folder).sha256
    shutil.copytree(folder, tmp_path / "moved")
    (folder / "README.md").write_text("about it")
    assert register(tmp_path / "moved").sha256 == register(folder).sha256 == before
    (folder / "pairs.jsonl").write_text("")
    changed = register(folder).sha256
    (folder / "pairs.jsonl").unlink()
    assert len({before, changed, register(folder).sha256}) == 3


def test_a_registered_benchmark_is_found_by_name_and_sha256_and_only_by_both(rows, write):
    folder = write(rows)
    identity = register(folder)
    assert find_registered(identity.name, identity.sha256) == (identity, folder)
    assert find_registered("another", identity.sha256) is None
    assert find_registered(identity.name, "0" * 64) is None


def test_a_shipped_benchmark_is_found_without_being_registered_and_an_older_version_of_it_is_not(monkeypatch):
    folder = shipped_collections()["current_events"]
    identity = register(folder)
    monkeypatch.setattr(place, "_registered", {})
    assert find_registered("current_events", "0" * 64) is None
    assert find_registered("current_events", identity.sha256) == (identity, folder)
    assert identity.version == "2.0"
