"""`kinj benchmark check`, `review` and `decide`, as they are typed."""

import json

import pytest

from kinj.benchmark import open_benchmark
from kinj.manifest import sha256_file


@pytest.fixture
def change(collection, tmp_path):
    """A copy of the tests' collection with the first question changed."""

    def make(**values):
        folder = tmp_path / "towers"
        folder.mkdir(exist_ok=True)
        for name in ("documents", "chunks", "questions"):
            (folder / f"{name}.jsonl").write_text((collection / f"{name}.jsonl").read_text())
        rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
        rows[0] |= values
        (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return make


def test_a_good_folder_ends_with_0_and_says_what_ran_and_what_did_not(kinj, change):
    code, out, errors = kinj("benchmark", "check", change())
    assert (code, out) == (0, "")
    assert "questions 9 in en" in errors
    assert "not run (of the shipped collection's make-up alone): opening_prepositions, kinds, questions" in errors
    assert "not run (no split has 100 questions of one form with options): answer_places, right_option_length" in errors
    assert "not run (by meaning: --embedder NAME): similar_questions, asks_by_meaning" in errors
    assert errors.splitlines()[-1] == "no fault"


def test_each_fault_is_said_with_its_rule_and_row_and_ends_with_1(kinj, change):
    folder = change(choices=["All of these", "amber", "Amber.", "blue"], answer=1)
    code, out, errors = kinj("benchmark", "check", folder)
    assert code == 1
    assert out.splitlines() == [
        "repeated_option: d0.1.q1: two options are the same: ['All of these', 'amber', 'Amber.', 'blue']",
        "catch_all_option: d0.1.q1: the option 'All of these' speaks of other options",
    ]
    assert errors.splitlines()[-1] == "2 faults: repeated_option 1, catch_all_option 1"
    code, out, _ = kinj("benchmark", "check", folder, "--json")
    said = json.loads(out)
    assert (code, [(fault["rule"], fault["row"]) for fault in said["faults"]]) == (
        1,
        [("repeated_option", "d0.1.q1"), ("catch_all_option", "d0.1.q1")],
    )
    assert {
        "rule": "repeated_option",
        "refuses": "Two options are the same but for case and punctuation.",
        "faults": 1,
    } in (said["ran"])
    assert {"rule": "kinds", "why": "of the shipped collection's make-up alone"} in said["skipped"]


def test_rules_that_know_english_leave_other_languages_alone(kinj, change):
    folder = change()
    for name in ("documents", "chunks"):
        path = folder / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row | {"language": "de"}) + "\n" for row in rows))
    code, _, errors = kinj("benchmark", "check", folder)
    assert code == 0
    assert "questions 9 in de" in errors
    [line] = [line for line in errors.splitlines() if "knows English alone: 9 rows" in line]
    assert "catch_all_option, reference_to_text, unsupported_right_option" in line
    [ran] = [line for line in errors.splitlines() if line.startswith("rules that ran")]
    assert "catch_all_option" not in ran
    assert "repeated_option" in ran


def test_a_folder_that_does_not_open_has_one_fault(kinj, change):
    folder = change(answer=9)
    code, out, errors = kinj("benchmark", "check", folder)
    assert (code, "answer 9, expected the right choice's index, 0 to 3" in out) == (1, True)
    assert "nothing else was checked" in errors
    code, out, _ = kinj("benchmark", "check", folder, "--json")
    assert (code, json.loads(out)["faults"][0]["rule"]) == (1, "opening")
    assert kinj("benchmark", "check", "nowhere")[0] == 2


@pytest.mark.long
def test_by_meaning_two_questions_that_mean_the_same_are_found(kinj, change, tiny_embedder):
    pytest.importorskip("sentence_transformers")
    rows = [json.loads(line) for line in (change() / "questions.jsonl").read_text().splitlines()]
    folder = change(question=f"{rows[1]['question'][:-1]}", choices=rows[1]["choices"], answer=rows[1]["answer"])
    code, out, errors = kinj("benchmark", "check", folder, "--embedder", tiny_embedder)
    assert code == 1
    assert "similar_questions: d1.1.q1: asks nearly the same as d0.1.q1 (cosine" in out
    assert "by meaning: --embedder" not in errors


def test_the_page_is_written_and_the_decisions_are_applied_and_sealed_once(kinj, change, tmp_path):
    folder = change()
    code, out, errors = kinj("benchmark", "review", folder)
    assert (code, "9 to look at, 0 of them refused" in out) == (0, True)
    assert f"kinj benchmark decide {folder} decisions.jsonl" in errors
    assert "<!doctype html>" in (folder / "review.html").read_text()
    row = json.loads((folder / "questions.jsonl").read_text().splitlines()[1])
    decisions = [
        {"id": "d0.1.q1", "decision": "strike"},
        {"id": "d1.1.q1", "decision": "edit", "row": row | {"question": "What colour has Belmont's tower?"}},
        {"id": "d2.1.q1", "decision": "accept"},
    ]
    (tmp_path / "decisions.jsonl").write_text("".join(json.dumps(decision) + "\n" for decision in decisions))
    code, out, _ = kinj("benchmark", "decide", folder, "decisions.jsonl")
    assert code == 0
    assert "0 added, 1 struck, 1 edited, 1 confirmed, 0 unchanged; 8 questions now" in out
    benchmark = open_benchmark(folder)
    assert benchmark.questions[0].question == "What colour has Belmont's tower?"
    sealed = json.loads((folder / "manifest.json").read_text())["files"]
    assert len((folder / "decisions.jsonl").read_text().splitlines()) == 3
    assert sealed["questions.jsonl"] == sha256_file(folder / "questions.jsonl")
    _, out, _ = kinj("benchmark", "decide", folder, "decisions.jsonl", "--json")
    said = json.loads(out)
    assert (said["struck"], said["edited"], said["confirmed"], said["unchanged"]) == (0, 0, 2, 1)


def test_decisions_of_two_sittings_are_kept(kinj, change, tmp_path):
    folder = change()
    for name in ("d0.1.q1", "d1.1.q1"):
        (tmp_path / "decisions.jsonl").write_text(json.dumps({"id": name, "decision": "strike"}) + "\n")
        assert kinj("benchmark", "decide", folder, "decisions.jsonl")[0] == 0
    kept = [json.loads(line)["id"] for line in (folder / "decisions.jsonl").read_text().splitlines()]
    assert kept == ["d0.1.q1", "d1.1.q1"]
    assert json.loads((folder / "manifest.json").read_text())["name"] == "towers"


def test_a_decision_that_does_not_fit_changes_nothing(kinj, change, tmp_path):
    folder = change()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    row = json.loads(before["questions.jsonl"].splitlines()[0]) | {"choices": ["a", ""]}
    (tmp_path / "decisions.jsonl").write_text(json.dumps({"id": "d0.1.q1", "decision": "edit", "row": row}) + "\n")
    code, _, errors = kinj("benchmark", "decide", folder, "decisions.jsonl")
    assert (code, "d0.1.q1: 2 choices, expected 2 to 10, none empty" in errors) == (2, True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
