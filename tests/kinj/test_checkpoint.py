import json
import os
import shutil

import pytest

from kinj import checkpoint
from kinj.checkpoint import fingerprint, finished_model, read_training, refuse_without_model
from kinj.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "adapter_config.json"):
        (folder / name).write_text(f"content of {name}")
    return folder


def test_two_folders_of_the_same_files_have_one_fingerprint(model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == fingerprint(model)
    assert len(fingerprint(model)) == 64


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "adapter_config.json"]
)
def test_what_shapes_answers_changes_the_fingerprint(model, name):
    before = fingerprint(model)
    (model / name).write_text("changed")
    assert fingerprint(model) != before
    (model / name).unlink()
    assert fingerprint(model) != before


@pytest.mark.parametrize(
    "name",
    ["README.md", "LICENSE", "manifest.json", "training.json", "trainer_state.json", "optimizer.pt", "scheduler.pt",
     "rng_state.pth", "training_args.bin", "accuracy.json", "model.safetensors.part"],
)  # fmt: skip
def test_what_shapes_no_answer_leaves_the_fingerprint(model, name):
    before = fingerprint(model)
    (model / name).write_text("new")
    assert fingerprint(model) == before


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("no model")
    with pytest.raises(UserError, match="holds no file of a model"):
        fingerprint(tmp_path)


def test_a_large_file_is_hashed_once_until_it_changes(model, monkeypatch):
    monkeypatch.setattr(checkpoint, "_REMEMBERED_BYTES", 1)
    hashed = []
    plain = checkpoint.sha256_file
    monkeypatch.setattr(checkpoint, "sha256_file", lambda path: hashed.append(path.name) or plain(path))
    for file in model.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    before = fingerprint(model)
    assert len(hashed) == 5
    assert fingerprint(model) == before
    assert len(hashed) == 5
    (model / "model.safetensors").write_text("other weights, of another size")
    os.utime(model / "model.safetensors", (1_700_000_000, 1_700_000_000))
    assert fingerprint(model) != before
    assert hashed[5:] == ["model.safetensors"]


def test_a_file_that_has_just_changed_is_not_remembered(model, monkeypatch):
    monkeypatch.setattr(checkpoint, "_REMEMBERED_BYTES", 1)
    before = fingerprint(model)
    size = (model / "model.safetensors").stat()
    (model / "model.safetensors").write_text("x" * size.st_size)
    os.utime(model / "model.safetensors", ns=(size.st_atime_ns, size.st_mtime_ns))
    assert fingerprint(model) != before


def test_a_cache_that_cannot_be_written_changes_nothing(model, monkeypatch, tmp_path):
    with_cache = fingerprint(model)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(checkpoint, "_REMEMBERED_BYTES", 1)
    for file in model.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    assert fingerprint(model) == with_cache


def test_only_the_trainers_own_manifest_is_read(model):
    assert read_training(model) is None
    (model / "manifest.json").write_text(json.dumps({"model": "somebody else's"}))
    assert read_training(model) is None
    (model / "manifest.json").write_text("{")
    assert read_training(model) is None
    (model / "manifest.json").write_text(json.dumps({"made_by": "kinj train", "arm": "raw"}))
    assert read_training(model) == {"made_by": "kinj train", "arm": "raw"}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, r"pretrained=.*: holds no model \(no config\.json\)"),
        ({"adapter_config.json": "{}"}, "holds an adapter without its base"),
        ({"training.json": "{}"}, "holds a training that is not finished: its `kinj train` command, typed again"),
        ({"training.json": '{"command": "kinj train a.yaml"}'}, "not finished: kinj train a.yaml, typed again"),
        ({"training.json": "{"}, "not finished: its `kinj train` command, typed again"),
        (
            {"search.json": '{"chosen": {"folder": "out/search/a"}}', "training.json": "{}"},
            "the chosen .* in /.*/search/a$",
        ),
    ],
)
def test_a_folder_that_holds_no_model_is_refused_with_what_it_holds(tmp_path, files, why):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=why):
        refuse_without_model(tmp_path, "pretrained")
    (tmp_path / "config.json").write_text("{}")
    refuse_without_model(tmp_path, "pretrained")


def test_a_search_that_names_no_choice_is_one_line(tmp_path):
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(UserError, match=r"search\.json: names no chosen training"):
        finished_model(tmp_path)
