"""Results call a model the same in every run, also where lm-eval would draw a random name."""

import types

import pytest
from lm_eval.loggers import evaluation_tracker
from lm_eval.loggers.evaluation_tracker import GeneralConfigTracker

import kinj_lm_eval_plugin
from kinj_models import RagLM
from kinj_models.base import model_name

DEMO = "kinj_rag__SmolLM2-135M-Instruct"


@pytest.fixture
def log():
    """Logs a run with a tracker class of its own, hooked by the plugin, and gives the tracker."""
    own = type("GeneralConfigTracker", (GeneralConfigTracker,), {})
    own.log_experiment_args = getattr(
        GeneralConfigTracker.log_experiment_args, "__wrapped__", GeneralConfigTracker.log_experiment_args
    )
    module = types.ModuleType("lm_eval.loggers.evaluation_tracker")
    module.GeneralConfigTracker, module.sanitize_model_name = own, evaluation_tracker.sanitize_model_name
    kinj_lm_eval_plugin.extend(module)

    def run(source, arguments):
        tracker = own()
        tracker.log_experiment_args(source, arguments, None, None, False)
        return tracker

    return run


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, DEMO),
        ("", DEMO),
        ({"retriever": None}, DEMO),
        ("retriever=bm25,k=1", DEMO),
        ({"base": "dummy"}, "kinj_rag__dummy"),
        ({"pretrained": "gpt2", "k": 1}, "gpt2"),
        ("pretrained=gpt2,k=1", "gpt2"),
        ({"pretrained": "gpt2", "peft": "mine"}, "mine"),
        ({"base": "local-completions", "model": "served"}, "served"),
    ],
    ids=str,
)
def test_a_kinj_rag_run_has_a_stable_name_and_lm_evals_own_where_it_has_one(log, arguments, name):
    tracker = log("kinj_rag", arguments)
    assert (tracker.model_name, tracker.model_name_sanitized) == (name, name)
    assert model_name(arguments) == name


def test_other_models_keep_lm_evals_names(log):
    assert log("hf", {"pretrained": "gpt2"}).model_name == "gpt2"
    assert log("dummy", {}).model_name not in (DEMO, log("dummy", {}).model_name)


def test_where_lm_evals_tracker_has_changed_it_is_left_alone_with_a_warning(caplog):
    module = types.ModuleType("lm_eval.loggers.evaluation_tracker")
    with caplog.at_level("WARNING", logger="lm_eval.kinj"):
        kinj_lm_eval_plugin.extend(module)
    assert "results without pretrained= have a random model name" in caplog.text


def test_results_under_kinj_have_the_same_name(recorder, tiny_model):
    assert RagLM(recorder).get_model_info()["kinj"]["model_name"] == "kinj_rag__RecordingLM"
    lm = RagLM(pretrained=str(tiny_model), device="cpu", retriever="none")
    assert lm.get_model_info()["kinj"]["model_name"] == str(tiny_model)
