"""Every Eval Ever: out, held against the schema that its wheel ships; and in again with the same numbers."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.report.board import as_csv, make_board
from kinj.report.exchange import READERS, write_every_eval_ever
from kinj.report.reading import read_runs


@pytest.fixture
def two_arms(tmp_path, log_run, new_run, new_sample):
    """A model closed book and with BM25, as `kinj_rag` logs it, with the trace of what was sent."""
    for name, retriever in (("closed", "none"), ("read", "bm25")):
        kinj = {
            "retriever": retriever,
            "k": 3 if retriever != "none" else None,
            "model_name": "org/small",
            "base": {},
            "tasks": {},
        }
        rows = []
        for i in range(40):
            doc = {"id": f"q{i}", "question": f"Question {i}?", "chunk_ids": [f"c{i // 2}"]}
            row = new_sample(i, float((i + (retriever == "none")) % 3 > 0), doc=doc)
            row["arguments"] = {"context": f"Question {i}?\nAnswer:", "options": [" one", " two", " three", " four"]}
            row["filtered_resps"] = [["-3.0", "False"], ["-1.0", "False"], ["-2.0", "False"], ["-4.0", "False"]]
            rows.append(row)
        mean = sum(row["acc"] for row in rows) / 40
        log_run(tmp_path / "in" / name, new_run("t", mean, 40, config={"kinj": kinj}), {"t": rows})
        trace = [
            {"task": "t", "question_id": f"q{i}", "prompts": [f"Passage 1: {i}\n\nQuestion {i}?\nAnswer:"]}
            for i in range(40)
        ]
        (tmp_path / "in" / name / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trace))
    return tmp_path / "in"


def written(two_arms, out, **options):
    runs, problems = read_runs([two_arms])
    assert problems == []
    return write_every_eval_ever(runs, out, **options)


def test_arms_stay_apart_and_the_final_prompt_is_there(two_arms, tmp_path):
    files = written(two_arms, tmp_path / "out")
    arms = [
        json.loads(file.read_text())["evaluation_results"][0]["generation_config"]["additional_details"]["arm"]
        for file in files
    ]
    assert arms == ["plain", "retriever=bm25 · k=3 · retrieves"]
    [line, *_] = files[1].with_name(f"{files[1].stem}_samples.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert row["input"] == {
        "raw": "Question 0?",
        "formatted": "Passage 1: 0\n\nQuestion 0?\nAnswer:",
        "reference": ["one"],
        "choices": ["one", "two", "three", "four"],
    }
    assert row["output"] == {"raw": ["two"]}
    values = [json.loads(file.read_text()) for file in files]
    assert len({value["evaluation_id"] for value in values}) == 2
    assert {(value["eval_library"]["version"], value["evaluation_timestamp"]) for value in values} == {
        ("0.4.13", "1796048006")
    }


def test_no_key_path_or_address_with_a_password_is_in_the_texts(two_arms, tmp_path):
    planted = "see /home/alice/x/y.txt, hf_alice12345678 and https://alice:hunter22@a.example/"
    for file in [*two_arms.rglob("samples*"), *two_arms.rglob("trace*")]:
        file.write_text(file.read_text().replace("Question 0?", f"Question 0, {planted}?"))
    written(two_arms, tmp_path / "out")
    texts = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json*"))
    assert texts.count("Question 0, see \\u2026/y.txt") == 4
    assert "alice" not in texts
    assert "hunter22" not in texts


def test_back_in_the_numbers_are_the_same(two_arms, tmp_path):
    written(two_arms, tmp_path / "out")
    boards = []
    for folder in (two_arms, tmp_path / "out"):
        runs, problems = read_runs([folder], READERS)
        assert problems == []
        boards.append(as_csv(make_board(runs)))
    assert boards[0] == boards[1]
    assert "samples" in boards[0]


def test_without_texts_no_question_is_written(two_arms, tmp_path):
    written(two_arms, tmp_path / "out", with_texts=False)
    texts = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "Question" not in texts
    assert len(list((tmp_path / "out").rglob("*.json*"))) == 2


def test_the_same_run_gives_the_same_names(two_arms, tmp_path):
    assert [path.name for path in written(two_arms, tmp_path / "a")] == [
        path.name for path in written(two_arms, tmp_path / "b")
    ]


def test_runs_of_equal_scores_but_other_answers_are_two_and_equal_runs_one(tmp_path, log_answers):
    for name, values in (("a", [1.0, 0.0] * 20), ("b", [0.0, 1.0] * 20), ("c", [0.0, 1.0] * 20)):
        log_answers(tmp_path / "in" / name, values)
    assert len(set(written(tmp_path / "in", tmp_path / "out"))) == 2


@pytest.mark.parametrize("model", ["../../x", "data", "a/b/c", "<b>", "…", ""])
def test_no_models_name_leads_out_of_the_folder(tmp_path, log_answers, model):
    log_answers(tmp_path / "in", [1.0, 0.0] * 20, model_args={"pretrained": model})
    [file] = written(tmp_path / "in", tmp_path / "out")
    data, _, _, _, _ = file.relative_to(tmp_path / "out").parts
    assert data == "data"
    assert ".." not in file.parts


def test_what_the_questions_do_not_give_is_said(two_arms, tmp_path):
    [file, _] = written(two_arms, tmp_path / "out")
    file.write_text(file.read_text().replace('"score": 0.', '"score": 0.0'))
    runs, problems = read_runs([file], READERS)
    assert runs[0].results[0].checked == "contradicted"
    assert "the questions give" in problems[0].why


def test_an_aggregate_of_others_is_read_and_unchecked(tmp_path):
    entry = {
        "evaluation_name": "MMLU",
        "source_data": {"dataset_name": "mmlu", "source_type": "hf_dataset", "hf_repo": "cais/mmlu"},
        "metric_config": {"lower_is_better": False, "metric_id": "accuracy"},
        "score_details": {"score": 0.6},
    }
    value = {
        "schema_version": "0.3.0",
        "model_info": {"id": "vendor/model", "name": "model"},
        "evaluation_results": [entry],
    }
    (tmp_path / "a.json").write_text(json.dumps(value))
    [run], problems = read_runs([tmp_path], READERS)
    assert problems == []
    assert (run.model, run.results[0].task, run.results[0].value) == ("vendor/model", "MMLU", 0.6)
    assert (run.results[0].checked, dict(run.results[0].comparison)) == ("unchecked", {"data set": "cais/mmlu"})


def test_shots_and_settings_of_others_part_columns(tmp_path):
    for name, shots, temperature in (("a", "0", 0.0), ("b", "5", 0.0), ("c", "0", 1.0)):
        entry = {
            "evaluation_name": "mmlu",
            "metric_config": {"metric_id": "acc"},
            "score_details": {"score": 0.5, "uncertainty": {"num_samples": 1000}},
            "generation_config": {
                "generation_args": {"temperature": temperature, "stop": ["x"]},
                "additional_details": {"num_fewshot": shots},
            },
        }
        value = {"schema_version": "0.3.0", "model_info": {"id": f"org/{name}"}, "evaluation_results": [entry]}
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    board = make_board(*read_runs([tmp_path], READERS))
    assert sorted(column.label for column in board.columns) == [
        "mmlu · shots 0 · temperature 0.0",
        "mmlu · shots 0 · temperature 1.0",
        "mmlu · shots 5 · temperature 0.0",
    ]


def test_an_export_without_texts_leaves_none_of_an_earlier_one(two_arms, tmp_path):
    written(two_arms, tmp_path / "out")
    written(two_arms, tmp_path / "out", with_texts=False)
    assert list((tmp_path / "out").rglob("*.jsonl")) == []


def test_texts_that_an_export_of_other_runs_left_are_named(two_arms, tmp_path):
    out = tmp_path / "out"
    written(two_arms, out)
    for file in (two_arms / "read").iterdir():
        file.unlink()
    asked = ["export", str(two_arms), "--every-eval-ever", str(out), "--without-texts"]
    said = CliRunner().invoke(build_app(), asked)
    assert said.exit_code == 0
    assert "texts of earlier exports still lie there: 1 files" in said.stderr


def test_an_aggregate_of_seventeen_megabytes_is_read(tmp_path):
    entry = {"evaluation_name": "t", "score_details": {"score": 0.5}, "pad": "x" * (17 * 2**20)}
    (tmp_path / "e.json").write_text(json.dumps({"schema_version": "0.3.0", "evaluation_results": [entry]}))
    [run], problems = read_runs([tmp_path], READERS)
    assert (run.results[0].value, problems) == (0.5, [])


def rows_of(folder, out):
    [file] = written(folder, out)
    return [json.loads(line) for line in file.with_name(f"{file.stem}_samples.jsonl").read_text().splitlines()]


def test_what_was_generated_is_there_beside_what_was_taken_out_of_it(tmp_path, log_run, new_run, new_sample):
    run = new_run("gsm8k", 0.5, 40, metric="exact_match")
    rows = [new_sample(i, float(i % 2), metric="exact_match") for i in range(40)]
    for row in rows:
        row |= {"resps": [["Let me think. #### 5"]], "filtered_resps": ["5"]}
        row["arguments"] = {"gen_args_0": {"arg_0": "2+3?", "arg_1": {"until": ["x"]}}}
    log_run(tmp_path / "in", run, {"gsm8k": rows})
    row = rows_of(tmp_path / "in", tmp_path / "out")[0]
    assert row["output"] == {"raw": ["Let me think. #### 5"]}
    assert row["answer_attribution"][0]["extracted_value"] == "5"


def test_each_metric_has_the_choice_that_it_counts(tmp_path, log_run, new_run, new_sample):
    run = new_run("t", 0.0, 40)
    run["results"]["t"]["acc_norm,none"] = 1.0
    rows = [new_sample(i, 0.0, acc_norm=1.0, target="1") for i in range(40)]
    for row in rows:
        row["arguments"] = {"context": "Q", "options": [" yes", " no, indeed it is not"]}
        row["filtered_resps"] = [["-3.0", "False"], ["-4.0", "False"]]
    log_run(tmp_path / "in", run, {"t": rows})
    found = {row["evaluation_result_id"]: row["output"]["raw"] for row in rows_of(tmp_path / "in", tmp_path / "out")}
    assert found == {"t/acc/none": ["yes"], "t/acc_norm/none": ["no, indeed it is not"]}


def test_a_sample_whose_prompt_has_no_known_form_ends_no_export(two_arms, tmp_path, caplog):
    [file] = (two_arms / "closed").glob("samples*")
    lines = file.read_text().splitlines()
    for i, odd in enumerate(({"foo": 1}, {"context": "x", "options": 5}, [1])):
        lines[i] = json.dumps({**json.loads(lines[i]), "arguments": odd})
    file.write_text("\n".join(lines) + "\n")
    files = written(two_arms, tmp_path / "out")
    assert len(files) == 2
    assert json.loads(files[0].read_text())["detailed_evaluation_results"]["total_rows"] == 40
    assert "prompts of 3 samples of t are in no known form" in caplog.text


def formatted(file):
    lines = file.with_name(f"{file.stem}_samples.jsonl").read_text().splitlines()
    return [json.loads(line)["input"]["formatted"] for line in lines]


def test_a_trace_that_is_cut_off_ends_no_export_and_no_prompt_without_its_passages_is_written(
    two_arms, tmp_path, caplog
):
    for name in ("closed", "read"):
        trace = two_arms / name / "trace.jsonl"
        trace.write_text(trace.read_text()[:-20])
    closed, read = written(two_arms, tmp_path / "out")
    assert formatted(closed)[0] == "Question 0?\nAnswer:"
    assert set(formatted(read)) == {None}
    assert "trace.jsonl: line 40 is cut off or no JSON; prompts with passages are left out" in caplog.text


def test_of_a_run_that_retrieved_no_prompt_is_made_up_where_no_trace_is_there(two_arms, tmp_path, caplog):
    (two_arms / "read" / "trace.jsonl").unlink()
    files = written(two_arms, tmp_path / "out")
    assert set(formatted(files[1])) == {None}
    assert "prompts of 40 samples of t are left out: no trace.jsonl says how they were sent" in caplog.text


@pytest.mark.parametrize(
    ("odd", "reference"),
    [
        ({"target": "\N{SUPERSCRIPT TWO}"}, "\N{SUPERSCRIPT TWO}"),
        ({"target": "1" * 5000}, "1" * 5000),
        ({"filtered_resps": [10**400, 1, 1, 1]}, "one"),
        ({"arguments": [["Question 0?", " one"], ["Question 0?", " two"]]}, "one"),
    ],
)
def test_an_odd_sample_ends_no_export(two_arms, tmp_path, odd, reference):
    [file] = (two_arms / "closed").glob("samples*")
    lines = file.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), **odd})
    file.write_text("\n".join(lines) + "\n")
    first = written(two_arms, tmp_path / "out")[0]
    rows = first.with_name(f"{first.stem}_samples.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["input"]["reference"] == [reference]
    assert len(rows) == 40


# ---- against the schema of the wheel


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    """The schemas out of the wheel `every-eval-ever`, which needs Python 3.12 to be installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python",
               "every-eval-ever==0.3.0", "--dest", str(folder)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        pytest.skip(f"no wheel of every-eval-ever: {(done.stderr.strip().splitlines() or ['pip said nothing'])[-1]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = ("eval.schema.json", "instance_level_eval.schema.json")
        return [json.loads(wheel.read(f"every_eval_ever/schemas/{name}")) for name in names]


@pytest.mark.long
def test_what_is_written_is_valid_by_the_schemas_of_the_wheel(two_arms, tmp_path, schemas):
    validator = pytest.importorskip("jsonschema").Draft7Validator

    aggregate, instance = map(validator, schemas)
    for file in written(two_arms, tmp_path / "out"):
        value = json.loads(file.read_text())
        assert [error.message for error in aggregate.iter_errors(value)] == []
        detailed = tmp_path / "out" / value["detailed_evaluation_results"]["file_path"]
        rows = [json.loads(line) for line in detailed.read_text().splitlines()]
        assert len(rows) == value["detailed_evaluation_results"]["total_rows"] == 40
        assert [error.message for row in rows for error in instance.iter_errors(row)] == []
        del value["model_info"]["id"]
        assert list(aggregate.iter_errors(value)) != []
    assert Path(detailed).is_file()
