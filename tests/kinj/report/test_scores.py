import io
import json

import pytest
from rich.console import Console

from kinj.errors import UserError
from kinj.report import Score, read_scores, score_table


def result(retriever="bm25", value=0.75):
    return {
        "results": {
            "t": {"alias": "t", "acc,none": value, "acc_stderr,none": 0.1, "f,none": 7.0},
            "g": {"acc,none": 0.5},
        },
        "n-samples": {"t": {"original": 40, "effective": 24}},
        "n-shot": {"t": 5},
        "config": {
            "model": "kinj_rag",
            "model_args": {"pretrained": "m"},
            "kinj": {
                "retriever": retriever,
                "k": 2,
                "base": {},
                "tasks": {"t": {"recall@1": 0.5, "recall@2": 1.0}},
            },
        },
    }


def test_shares_of_tasks_are_read_with_n_shots_and_retrieval_quality(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "results_1.json").write_text(json.dumps(result()))
    [score] = read_scores([tmp_path])
    assert (score.task, score.metric, score.value, score.n, score.num_fewshot) == ("t", "acc", 0.75, 24, 5)
    assert (score.retriever, score.k, score.recall_at_1, score.recall_at_k, score.model) == ("bm25", 2, 0.5, 1.0, "m")


def test_the_interval_is_wilsons():
    score = Score("t", "acc", 0.9, 10, 0, "", "none", None, None, None, "m")
    assert score.interval == pytest.approx((0.5958, 0.9821), abs=1e-4)


def test_what_all_runs_share_is_said_once_above_the_table(tmp_path):
    files = []
    for name, value in (("none", 0.25), ("bm25", 0.75)):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(result(name, value)))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(score_table(read_scores(files)))
    text = console.export_text()
    assert text.count("questions 24") == 1
    assert "25.0%" in text
    assert "75.0%" in text


@pytest.mark.parametrize("content", ["{", "{}", '{"results": []}', "[]"])
def test_a_file_that_is_not_lm_evals_is_refused(tmp_path, content):
    (tmp_path / "results_1.json").write_text(content)
    with pytest.raises(UserError, match="not a result file of lm-eval"):
        read_scores([tmp_path])


def test_a_folder_without_results_says_how_to_make_some(tmp_path):
    with pytest.raises(UserError, match="make some by `lm_eval --output_path"):
        read_scores([tmp_path])


def test_values_that_are_no_shares_are_left_out_and_refused_when_asked_for(tmp_path):
    run = result()
    run["results"]["t"] |= {"bits_per_byte,none": 0.7, "exact_match,strict": 0.5}
    (tmp_path / "results_1.json").write_text(json.dumps(run))
    assert [score.metric for score in read_scores([tmp_path])] == ["acc", "exact_match (strict)"]
    with pytest.raises(UserError, match="--metric bits_per_byte: no share"):
        read_scores([tmp_path], ("bits_per_byte",))
