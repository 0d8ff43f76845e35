"""Which data sets of a plan's tasks can be had."""

import json

from kinj_models.asking import data_sets


def test_each_that_cannot_be_had_is_told_with_its_reason(collection, tmp_path):
    metadata = {"benchmark": str(collection), "split": "test"}
    asked = [
        {"key": "there", "task": "kinj_benchmark_option", "metadata": metadata},
        {"key": "no split", "task": "kinj_benchmark_option", "metadata": {**metadata, "split": "tset"}},
        {"key": "no folder", "task": "kinj_benchmark", "metadata": {"benchmark": "nowhere"}},
    ]
    (tmp_path / "request.json").write_text(json.dumps({"questions": asked, "lacking": str(tmp_path / "lacking.json")}))
    data_sets.main(tmp_path / "request.json")
    lacking = json.loads((tmp_path / "lacking.json").read_text())
    assert set(lacking) == {"no split", "no folder"}
    assert "expected test or dev" in lacking["no split"]
    assert "nowhere" in lacking["no folder"]
