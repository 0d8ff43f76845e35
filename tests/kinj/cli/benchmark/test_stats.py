"""`kinj benchmark stats`: what it measures, and as what it prints it."""

import json
import subprocess
import sys

import pytest


def stats(*arguments):
    command = [sys.executable, "-c", "from kinj.cli import main; main()", "benchmark", "stats", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def parts():
    """The shipped collection, measured once."""
    done = stats("current_events", "--json")
    assert done.returncode == 0, done.stderr
    return {(part["split"], part["name"]): part for part in json.loads(done.stdout)["parts"]}


def test_parts_are_the_forms_and_the_kinds_of_each_split(parts):
    for split in ("test", "dev"):
        whole = parts[split, "direct"]
        kinds = [part for (one, name), part in parts.items() if one == split and name.startswith("direct, ")]
        assert sum(part["questions"] for part in kinds) == whole["questions"] == sum(whole["places"])


def test_more_source_chunks_are_among_five_than_first(parts):
    for part in parts.values():
        assert 0 < part["recall"]["bm25"]["at_1"] <= part["recall"]["bm25"]["at_5"] <= 1


def test_the_tables_name_what_they_count_and_what_chance_is(kinj, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = kinj("benchmark", "stats", "current_events")
    for words in ("right options at A to D", "without understanding, chance 25 %", "recall@1", "bm25 @1"):
        assert words in out
    assert "…" not in out  # 80 columns hold it


def test_no_such_benchmark_is_one_line(kinj):
    code, out, errors = kinj("benchmark", "stats", "nowhere")
    assert (code, out) == (2, "")
    assert errors.splitlines() == [
        "kinj: benchmark 'nowhere' is neither a folder nor one that ships with kinj (current_events)"
    ]


def test_a_folder_of_any_options_and_none_is_described_without_chunks(kinj, tmp_path):
    rows = [
        {"question": "Which side?", "choices": ["left", "right"], "answer": "B"},
        {"question": "Which of five?", "choices": list("vwxyz"), "answer": "E"},
        {"question": "Which colour?", "answer": "amber"},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kinj("benchmark", "import", "q.jsonl", "out", "--dev-share", "0")
    code, out, _ = kinj("benchmark", "stats", "out", "--json")
    said = json.loads(out)
    [part] = said["parts"]
    assert code == 0
    assert (said["sizes"]["questions"], said["sizes"]["chunks"]) == (3, 0)
    assert (part["options"], part["places"], part["open_questions"]) == ({"0": 1, "2": 1, "5": 1}, [0, 1, 0, 0, 1], 1)
    assert (part["baselines"]["questions"], part["baselines"]["chance"]) == (2, 0.35)
    assert part["recall"] == {}
    shown = " ".join(kinj("benchmark", "stats", "out")[1].split())  # titles go over two lines
    assert "right options at A to E" in shown
    assert "chance 35 %" in shown
