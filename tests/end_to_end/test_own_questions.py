"""People's own questions through `kinj benchmark import` into `lm_eval`, on a random model."""

import json

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app


@pytest.fixture
def imported(tmp_path):
    """Questions of two, five and ten options and one without, in a folder of their own."""
    rows = [
        {"question": "Which side?", "options": ["left", "right"], "answer": "B"},
        {"question": "Which of five?", "options": list("vwxyz"), "answer": "E"},
        {
            "question": "Which of ten?",
            "options": {letter: f"option {letter}" for letter in "JIHGFEDCBA"},
            "answer": "J",
        },
        {"question": "Which colour?", "answer": ["amber", "yellow"]},
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["benchmark", "import", str(tmp_path / "mine.jsonl"), str(tmp_path / "own"), "--dev-share", "0"]
    done = CliRunner().invoke(build_app(), words)
    assert done.exit_code == 0, done.output
    return tmp_path / "own"


def test_each_question_is_asked_with_as_many_letters_as_it_has_options(
    forked_lm_eval, imported, tiny_model, tmp_path, results, samples
):
    tasks = "kinj_benchmark,kinj_benchmark_option,kinj_benchmark_generate"
    closed = f"pretrained={tiny_model},dtype=float32,retriever=none"
    done = forked_lm_eval(
        "--tasks", tasks, "--model", "kinj_rag", "--model_args", closed,
        "--metadata", json.dumps({"benchmark": str(imported)}), "--gen_kwargs", "max_gen_toks=4",
        output=tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = {name: values["sample_len"] for name, values in results(tmp_path / "out")["results"].items()}
    assert counts == {"kinj_benchmark": 3, "kinj_benchmark_option": 3, "kinj_benchmark_generate": 1}
    asked = samples(tmp_path / "out", "kinj_benchmark")
    letters = ["".join(argument["arg_1"].strip() for argument in row["arguments"].values()) for row in asked]
    assert letters == ["AB", "ABCDE", "ABCDEFGHIJ"]
    assert asked[2]["arguments"]["gen_args_0"]["arg_0"].endswith("I. option I\nJ. option J\nAnswer:")
    assert [row["target"] for row in asked] == ["1", "4", "9"]


@pytest.mark.long
def test_questions_that_stand_alone_are_read_from_any_index(
    forked_lm_eval, imported, tiny_model, collection, tmp_path, results
):
    index = tmp_path / "index"
    done = CliRunner().invoke(build_app(), ["index", "build", str(collection), str(index)])
    assert done.exit_code == 0, done.output
    done = forked_lm_eval(
        "--tasks", "kinj_benchmark", "--model", "kinj_rag", "--limit", "2",
        "--model_args", f"pretrained={tiny_model},dtype=float32,index={index},k=1",
        "--metadata", json.dumps({"benchmark": str(imported)}), output=tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out")["config"]["kinj"]["indexes"][str(index)]["chunks"] == 9
