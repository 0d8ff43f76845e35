"""What is brought before a comparison, and what is said of what cannot be had."""

import pytest

from kinj.compare.fetching import fetch
from kinj.compare.plan import make_plan
from kinj.errors import UserError


def plan(**changes):
    return make_plan("p", {"models": {"m": None}, "tasks": ["t"], **changes})


def test_models_that_lie_in_folders_are_there(tiny_model, tiny_embedder):
    reading = ["none", {"retriever": "dense", "embedder": str(tiny_embedder)}]
    fetch(plan(models={"m": {"pretrained": str(tiny_model)}}, reading=reading, injection=["none"]))


def test_everything_that_cannot_be_had_is_named_at_once(tiny_model):
    models = {"a": {"pretrained": "nobody/first"}, "b": {"pretrained": str(tiny_model)}, "c": {"pretrained": "no/c d"}}
    arms = ["none", {"checkpoint": "nobody/second"}, {"adapter": "nobody/third"}]
    reading = ["none", {"retriever": "dense", "embedder": "nobody/fourth"}]
    with pytest.raises(UserError) as error:
        fetch(plan(models=models, injection=arms, reading=reading))
    assert all(f"nobody/{name}: " in str(error.value) for name in ("first", "second", "third", "fourth"))
    assert "no/c d: " in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_the_files_are_asked_for_by_revision(monkeypatch):
    asked = []

    def find_model(name, needed, **more):
        asked.append((name, needed[0], more["revision"]))
        raise OSError("gated")

    monkeypatch.setattr("kinj.compare.fetching.find_model", find_model)
    with pytest.raises(UserError, match="owner/m: gated"):
        fetch(plan(models={"m": {"pretrained": "owner/m", "revision": "abc"}}, injection=[{"adapter": "owner/a"}]))
    assert asked == [("owner/m", "config.json", "abc"), ("owner/a", "adapter_config.json", "main")]
