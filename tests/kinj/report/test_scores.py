import io
import json

import pytest
from rich.console import Console

from kinj.errors import UserError
from kinj.report import FoundCounts, found_table, read_scores, score_table
from kinj.statistics import clustered_interval


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


def test_without_samples_the_interval_is_wilsons_as_if_questions_were_independent(tmp_path):
    (tmp_path / "results_1.json").write_text(json.dumps(result(value=0.75)))
    [score] = read_scores([tmp_path])
    assert score.clusters is None
    assert score.interval == pytest.approx((0.5510, 0.8800), abs=1e-4)
    assert "as if questions were independent: add --log_samples" in shown(score_table([score]))


def log_samples(folder, values, chunks, **more):
    rows = [
        {
            "doc_id": i,
            "doc": {"id": f"q{i}", "chunk_ids": [chunk] if chunk else []},
            "doc_hash": f"hash{i}",
            "filter": "none",
            "metrics": ["acc"],
            "acc": value,
            **{name: of[i] for name, of in more.items()},
        }
        for i, (value, chunk) in enumerate(zip(values, chunks, strict=True))
    ]
    (folder / "samples_t_1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_with_samples_the_interval_is_by_chunk(tmp_path):
    (tmp_path / "results_1.json").write_text(json.dumps(result(value=0.75)))
    values, chunks = [1.0] * 18 + [0.0] * 6, [f"c{i // 3}" for i in range(24)]
    log_samples(tmp_path, values, chunks)
    [score] = read_scores([tmp_path])
    assert score.clusters == 8
    assert score.interval == pytest.approx(clustered_interval(values, [i // 3 for i in range(24)]))
    assert score.interval[1] - score.interval[0] > 0.88 - 0.551
    assert "as if" not in shown(score_table([score]))


def test_answers_are_counted_by_whether_their_source_chunk_was_sent(tmp_path):
    run = result(value=0.75)
    run["config"]["kinj"]["tasks"]["t"]["questions_with_gold_sent"] = [f"q{i}" for i in range(10)]
    (tmp_path / "results_1.json").write_text(json.dumps(run))
    values = [1.0] * 9 + [0.0] + [1.0] * 9 + [0.0] * 5
    log_samples(tmp_path, values, [f"c{i}" for i in range(22)] + [None, None])
    [score] = read_scores([tmp_path])
    assert score.found == FoundCounts(9, 1, 9, 3)
    assert "not sent: right" in shown(found_table([score]))


def test_samples_that_are_not_those_of_the_results_are_refused(tmp_path):
    (tmp_path / "results_1.json").write_text(json.dumps(result(value=0.75)))
    log_samples(tmp_path, [1.0] * 23, [f"c{i}" for i in range(23)])
    with pytest.raises(UserError, match=r"samples_t_1\.jsonl has 23 rows .* the results say 24"):
        read_scores([tmp_path])
    (tmp_path / "samples_t_1.jsonl").write_text("{")
    with pytest.raises(UserError, match=r"samples_t_1\.jsonl: not a file of lm-eval's samples"):
        read_scores([tmp_path])


def test_calibrated_answers_are_right_or_wrong_once_the_letters_mean_is_subtracted(tmp_path):
    run = result()
    run["results"]["t"] = {"acc_calibrated,none": 1.0}
    (tmp_path / "results_1.json").write_text(json.dumps(run))
    # The first letter is preferred whatever the question; less so where the second is right.
    logged = [[[-1.0, -2.0 - (i % 2)], i % 2 ^ 1] for i in range(24)]
    log_samples(tmp_path, [0.0] * 24, [None] * 24, metrics=[["acc_calibrated"]] * 24, acc_calibrated=logged)
    [score] = read_scores([tmp_path])
    assert score.clusters == 24
    assert score.interval[1] == 1.0


def shown(table):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_what_all_runs_share_is_said_once_above_the_table(tmp_path):
    files = []
    for name, value in (("none", 0.25), ("bm25", 0.75)):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(result(name, value)))
    text = shown(score_table(read_scores(files)))
    assert text.count("questions 24") == 1
    assert "25.0%" in text
    assert "75.0%" in text


@pytest.mark.parametrize("content", ["{", "{}", '{"results": []}', "[]"])
def test_a_file_that_is_not_lm_evals_is_refused(tmp_path, content):
    (tmp_path / "results_1.json").write_text(content)
    with pytest.raises(UserError, match="not a result file of lm-eval"):
        read_scores([tmp_path / "results_1.json"])


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_stray_file_in_a_folder_is_passed_over_with_a_line(tmp_path, content, caplog):
    (tmp_path / "results_0_of_somebody_else.json").write_text(content)
    (tmp_path / "results_1.json").write_text(json.dumps(result()))
    assert len(read_scores([tmp_path])) == 1
    [line] = caplog.messages
    assert line.startswith("passed over")
    assert "results_0_of_somebody_else.json" in line


def test_a_folder_without_results_says_how_to_make_some(tmp_path):
    with pytest.raises(UserError, match="make some by `lm_eval --output_path"):
        read_scores([tmp_path])


def test_values_that_are_no_shares_are_left_out_and_refused_when_asked_for(tmp_path):
    run = result()
    run["results"]["t"] |= {"bits_per_byte,none": 0.7, "exact_match,strict": 0.5}
    (tmp_path / "results_1.json").write_text(json.dumps(run))
    run["results"]["t"] |= {"token_f1,none": 0.625}
    (tmp_path / "results_1.json").write_text(json.dumps(run))
    assert [score.metric for score in read_scores([tmp_path])] == ["acc", "exact_match (strict)", "token_f1"]
    with pytest.raises(UserError, match="--metric bits_per_byte: no share"):
        read_scores([tmp_path], ("bits_per_byte",))
