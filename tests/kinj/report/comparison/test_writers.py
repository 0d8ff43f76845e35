"""Who wrote questions and training texts, and what is said where that is the model under test."""

import json
import shutil

import pytest

from kinj.benchmark import register
from kinj.report.comparison import read_comparison
from kinj.report.comparison.writers import Writers, writer_warnings, writers_of

PARAPHRASED = [{"arm": "paraphrase"}]


@pytest.fixture
def asked(tmp_path, drawn):
    """A comparison that asked a benchmark which lies beside it, by `kinj write`."""
    benchmark = tmp_path / "bench"
    benchmark.mkdir()
    (benchmark / "questions.jsonl").write_text("{}\n")
    texts = {"writer": "a, b", "answers_by_writer": {"a": 1, "b": 2}}
    writing = {"questions": {"writer": "org/Small"}, "paraphrases": texts}
    (benchmark / "manifest.json").write_text(json.dumps({"name": "bench", "writing": writing}))
    folder = drawn(plan={"benchmark": "/gone/bench", "models": {"m": {"pretrained": "org/small"}}})
    for cell in folder.cells:
        [file] = (folder.folder / "cells" / cell.id).glob("results_*.json")
        value = json.loads(file.read_text())
        identity = {"name": "bench", "sha256": register(benchmark).sha256}
        value["config"]["kinj"]["tasks"][cell.task]["benchmark"] = identity
        file.write_text(json.dumps(value))
    return folder.folder, benchmark


def test_writers_are_those_of_the_benchmark_that_was_asked(asked):
    folder, benchmark = asked
    assert read_comparison([folder]).writers == {"m": Writers(("org/Small",), ("a", "b"))}
    shutil.move(benchmark, benchmark.with_name("elsewhere"))
    assert read_comparison([folder]).writers == {}


def test_a_collection_that_was_trained_on_and_is_gone_is_not_nobodys(asked, tmp_path):
    folder, _ = asked
    own = tmp_path / "texts"
    own.mkdir()
    (own / "manifest.json").write_text(json.dumps({"writing": {"paraphrases": {"writer": "org/small"}}}))
    trainings = [{"collection": str(own)}]
    comparison = read_comparison([folder])
    plan = {"benchmark": "/gone/bench"}
    benchmarks = [one.retrieval.get("benchmark") for one in comparison.cells]
    assert writers_of(folder, plan, benchmarks, trainings) == Writers(("org/Small",), ("a", "b", "org/small"))
    shutil.move(own, own.with_name("elsewhere"))
    assert writers_of(folder, plan, benchmarks, trainings) is None


def test_the_report_says_that_the_model_wrote_its_own_questions(asked, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())  # slow, and not looked at
    from kinj.report.writing import make_report

    folder, benchmark = asked
    made, _ = make_report([folder], None, 10_000)
    said = "The questions were written by small, the model under test: its own questions suit it."
    assert said in made.blocks[0].warnings
    assert not [line for line in made.not_measured if line.startswith("Whether the model")]
    shutil.move(benchmark, benchmark.with_name("elsewhere"))
    made, _ = make_report([folder], None, 10_000)
    assert [line for line in made.not_measured if line.startswith("Whether the model that is tested wrote")]


@pytest.mark.parametrize(
    ("writers", "model", "trained", "said"),
    [
        (Writers(("a/Big",), ("b",)), "big.gguf", PARAPHRASED, ["The questions were written by big"]),
        (Writers((), ("/models/big.gguf",)), "x/big", PARAPHRASED, ["Training texts were written by big"]),
        (Writers((), ("/models/big.gguf",)), "x/big", [{"arm": "raw"}], []),
        (Writers((), ("big",)), "big", [{"arm": "raw", "stages": [{"arm": "pairs"}]}], ["Training texts were written"]),
        (Writers(("big",), ("big",)), "small", PARAPHRASED, ["Questions and training texts were written"]),
        (Writers(("big",), ("large",)), "small", PARAPHRASED, []),
    ],
)  # fmt: skip
def test_what_favours_a_model_or_training_is_said(writers, model, trained, said):
    lines = list(writer_warnings(writers, ["m", model], trained))
    assert len(lines) == len(said)
    assert all(line.startswith(begin) for line, begin in zip(lines, said, strict=True))
