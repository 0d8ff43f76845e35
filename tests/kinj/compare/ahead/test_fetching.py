"""What is brought before a comparison, and what is said of what cannot be had."""

import pytest

from kinj.compare.ahead import fetching
from kinj.compare.ahead.fetching import is_fetched
from kinj.compare.plan import make_plan
from kinj.errors import UserError
from kinj.retrieval import DEFAULT_EMBEDDER
from kinj_training.recipe import files


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))


def fetch(plan):
    fetching.fetch(plan, None, files)


def plan(**changes):
    return make_plan("p", {"models": {"m": None}, "tasks": ["t"], **changes})


def test_a_plan_of_which_all_is_here_asks_no_hub_from_then_on(tiny_model, collection, monkeypatch):
    model = {"m": {"pretrained": str(tiny_model)}}
    complete = plan(models=model, tasks=["kinj_benchmark_option"], benchmark=str(collection), injection=["none"])
    asked = []

    def lacking(questions, scratch):
        asked.extend(one.key for one in questions)
        return {}

    monkeypatch.setattr(fetching, "_fetch_tasks", lacking)
    assert not is_fetched(complete)
    fetch(complete)
    assert is_fetched(complete)
    assert not is_fetched(complete.model_copy(update={"seeds": (1,)}))
    assert {"kinj_benchmark_option@dev:", "kinj_benchmark_option@test:", "kinj_benchmark_generate@test:"} == set(asked)


def test_a_data_set_that_cannot_be_had_is_named_and_the_plan_is_not_fetched(tiny_model, collection, monkeypatch):
    models, tasks = {"m": {"pretrained": str(tiny_model)}}, ["kinj_benchmark_option", "arc_easy"]
    lacking = plan(models=models, tasks=tasks, benchmark=str(collection), controls=[])
    monkeypatch.setattr(fetching, "_fetch_tasks", lambda *_: {"arc_easy@:": "gated repo"})
    with pytest.raises(UserError, match=r"not to be had .*HF_TOKEN set\): arc_easy@:: gated repo"):
        fetch(lacking)
    assert not is_fetched(lacking)


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

    monkeypatch.setattr("kinj.compare.ahead.fetching.find_model", find_model)
    with pytest.raises(UserError, match="owner/m: gated"):
        fetch(plan(models={"m": {"pretrained": "owner/m", "revision": "abc"}}, injection=[{"adapter": "owner/a"}]))
    assert asked == [("owner/m", "config.json", "abc"), ("owner/a", "adapter_config.json", "main")]


def test_the_embedder_that_dense_and_hybrid_take_by_default_is_asked_for(tmp_path):
    reading = ["none", "bm25", {"retriever": "hybrid"}, {"retriever": "dense", "index": str(tmp_path)}]
    named = [name for name, *_ in fetching._named(plan(reading=reading))]
    assert named.count(DEFAULT_EMBEDDER) == 1
