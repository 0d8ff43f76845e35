"""The model to start from: where its files are, and what its fingerprint covers."""

import shutil

import huggingface_hub
import pytest

from kinj.errors import UserError
from kinj.hub.find import DemoModel
from kinj.hub.packaged import DEMO
from kinj_training import base
from kinj_training.base import find_base, resolve_name
from kinj_training.recipe.recipe import ModelSource


def test_a_folders_fingerprint_follows_weights_and_tokenizer_not_its_place_or_records(tiny_model, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    (copy / "manifest.json").write_text("{}")
    base_model = find_base(ModelSource(str(tiny_model)))
    assert base_model.commit is None
    assert find_base(ModelSource(str(copy))).fingerprint == base_model.fingerprint
    (copy / "tokenizer_config.json").write_text("{}")
    assert find_base(ModelSource(str(copy))).fingerprint != base_model.fingerprint


def test_a_hub_model_is_fetched_without_code_or_pickles_and_known_by_its_commit(tiny_model, tmp_path, monkeypatch):
    snapshot = tmp_path / "0123456789abcdef"
    shutil.copytree(tiny_model, snapshot)
    asked = {}

    def fetch(name, revision, allow_patterns):
        asked.update(name=name, revision=revision, patterns=allow_patterns)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    base_model = find_base(ModelSource("someone/model", "v2"))
    assert (base_model.name, base_model.commit, base_model.folder) == ("someone/model", snapshot.name, snapshot)
    assert (asked["name"], asked["revision"]) == ("someone/model", "v2")
    assert not {"*.py", "*.bin"} & set(asked["patterns"])
    find_base(ModelSource("someone/model", trust_remote_code=True))
    assert "*.py" in asked["patterns"]


def test_a_name_that_is_neither_here_nor_on_the_hub_is_refused(monkeypatch):
    def fetch(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(UserError, match=r"no/where: no such folder, and the hub did not give it \(no route to host\)"):
        find_base(ModelSource("no/where"))


def test_the_demo_models_name_means_its_converted_copy_where_that_is_what_is_there(tiny_model, monkeypatch):
    monkeypatch.setattr(base, "find_demo_model", lambda: DemoModel({"pretrained": str(tiny_model)}, "copy"))
    assert resolve_name(ModelSource(DEMO.hub_name)) == (str(tiny_model), "main")
    assert resolve_name(ModelSource(DEMO.hub_name, "v1")) == (DEMO.hub_name, "v1")
    found = find_base(ModelSource(DEMO.hub_name))
    # Its weights are not the hub's, so it is not recorded under the hub's name.
    assert (found.folder, found.name, found.address) == (tiny_model, "copy", str(tiny_model))
    assert find_base(ModelSource(str(tiny_model))).name == str(tiny_model)
