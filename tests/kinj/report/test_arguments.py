"""The two forms in which a sample keeps its requests."""

import json

import pytest

from kinj.errors import UserError
from kinj.report import full_arguments, short_arguments

OPTIONS = [("Question: Which?\nAnswer:", " amber"), ("Question: Which?\nAnswer:", " blue")]


def as_lm_eval_logs_them(arguments):
    """lm-eval 0.4.13, loggers/evaluation_tracker.py, save_results_samples."""
    return {f"gen_args_{i}": {f"arg_{j}": tmp for j, tmp in enumerate(arg)} for i, arg in enumerate(arguments)}


def test_one_context_for_all_options_is_kept_once_and_comes_back_whole():
    short = short_arguments(OPTIONS)
    assert json.dumps(short).count("Question: Which?") == 1
    assert full_arguments(short) == as_lm_eval_logs_them(OPTIONS)


@pytest.mark.parametrize(
    "arguments",
    [
        [("Is amber right?", " yes"), ("Is blue right?", " yes")],
        [("Which?", {"until": ["\n"], "max_gen_toks": 4})],
        [("a text to be scored",)],
        [("Which?", " amber"), ("", " amber")],
    ],
    ids=["a context an option", "generated", "rolling", "with an empty context beside it"],
)
def test_other_requests_keep_lm_evals_form(arguments):
    assert short_arguments(arguments) == as_lm_eval_logs_them(arguments)
    assert full_arguments(as_lm_eval_logs_them(arguments)) == as_lm_eval_logs_them(arguments)


def test_a_third_form_is_refused():
    with pytest.raises(UserError, match="the keys prompt: neither"):
        full_arguments({"prompt": "Which?"})
