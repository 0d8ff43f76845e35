"""What is counted before a comparison."""

import json

from kinj_models import questions


def test_counts_of_another_content_are_read_anew_and_others_left_alone(collection, tmp_path):
    counts = tmp_path / "questions.json"
    asked = {"task": "kinj_benchmark_option", "metadata": {"benchmark": str(collection), "split": "test"}, "limit": 3}
    request = {"counts": str(counts), "questions": [{"key": "k", **asked, "of": "now"}], "passes": [], "fits": []}
    (tmp_path / "request.json").write_text(json.dumps(request))
    counts.write_text(json.dumps({"k": {"questions": 99, "of": "before"}, "other": {"questions": 7}}))
    questions.main(tmp_path / "request.json")
    told = json.loads(counts.read_text())
    assert (told["k"]["questions"], told["k"]["of"], told["other"]) == (3, "now", {"questions": 7})
    counts.write_text(json.dumps({"k": {"questions": 99, "of": "now"}}))
    questions.main(tmp_path / "request.json")
    assert json.loads(counts.read_text())["k"]["questions"] == 99
