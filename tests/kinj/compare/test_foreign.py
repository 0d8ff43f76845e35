"""Somebody else's results as cells."""

import json

import pytest

from kinj.compare.folder import OutputFolder
from kinj.compare.foreign import check_foreign, take_foreign
from kinj.compare.plan import make_plan
from kinj.errors import UserError


def rows(count=3, **changes):
    return [
        {
            "doc_id": number, "doc_hash": f"d{number}", "target_hash": f"t{number}", "prompt_hash": f"p{number}",
            "filter": "none", "resps": [[["-1.0", "False"]]], "acc": 1.0, "doc": {}, **changes,
        }
        for number in range(count)
    ]  # fmt: skip


def write(folder, samples, shots=0, date="2026-01-01"):
    folder.mkdir(parents=True, exist_ok=True)
    task = "kinj_benchmark_option"
    (folder / f"samples_{task}_{date}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
    (folder / f"results_{date}.json").write_text(json.dumps({"n-shot": {task: shots}}))


@pytest.fixture
def theirs(tmp_path):
    return tmp_path / "theirs" / "model"


@pytest.fixture
def begin(comparison, plan_values, theirs, tmp_path):
    """A comparison with the arm, of which the plan's own closed-book cell is complete: (it, the arm's unit, folder)."""

    def make():
        arms = ["none", {"name": "axolotl", "results": str(theirs.parent)}]
        made = comparison(injection=arms, reading=["none"])
        out = OutputFolder(tmp_path / "out")
        out.path.mkdir(exist_ok=True)
        out.begin(make_plan("p", plan_values(injection=arms, reading=["none"])), made)
        own = out.cell(made.units[0].cells[0].cell.id)
        write(own, rows())
        (own / "manifest.json").write_text("{}")
        return made, made.units[1], out

    return make


def test_the_same_questions_become_a_cell_of_the_arm(begin, theirs):
    write(theirs, rows()[::-1])
    made, unit, out = begin()
    [planned] = unit.cells
    assert (planned.cell.injection, planned.cell.reading, planned.cell.task) == (
        "axolotl", "none", "kinj_benchmark_option",
    )  # fmt: skip
    check_foreign(made)
    assert take_foreign(unit, made, out) is None
    told = out.read_cell(planned.cell.id)
    assert told["rows"] == {"questions": 3, "filters": 1, "rows": 3}
    assert told["taken_from"] == str(theirs.parent)
    assert set(told["files"]) == {path.name for path in out.cell(planned.cell.id).iterdir()} - {"manifest.json"}


def test_killed_in_between_it_leaves_no_half_of_a_cell_and_the_next_run_goes_on(begin, theirs, monkeypatch):
    write(theirs, rows())
    made, unit, out = begin()
    cell = out.cell(unit.cells[0].cell.id)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("kinj.compare.foreign.write_manifest", die)
        with pytest.raises(KeyboardInterrupt):
            take_foreign(unit, made, out)
    assert not cell.exists()
    write(cell, rows())  # as runs before left it
    assert take_foreign(unit, made, out) is None
    assert out.is_complete(cell.name)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (rows(2), "it has 2, the plan 3, both 2: not paired"),
        (rows(3, target_hash="x"), "it has 3, the plan 3, both 0: not paired"),
        (rows(3, prompt_hash="x"), "the same questions by other prompts"),
        ([*rows(), *rows(1)], "a question stands twice"),
        ([*rows(), *rows(1, filter="flexible")], "filter flexible has 1 of 3 questions"),
    ],
)
def test_what_cannot_be_paired_is_refused_with_the_reason(begin, theirs, samples, message):
    write(theirs, samples)
    made, unit, out = begin()
    assert message in take_foreign(unit, made, out)
    assert not out.is_complete(unit.cells[0].cell.id)


def test_what_is_not_there_is_said_before_anything_runs(begin, theirs):
    theirs.mkdir(parents=True)
    with pytest.raises(UserError, match="has no samples of task kinj_benchmark_option: run lm_eval with --log_samples"):
        check_foreign(begin()[0])
    write(theirs, rows(), shots=5)
    with pytest.raises(UserError, match="was asked with 5 shots, the plan asks with 0"):
        check_foreign(begin()[0])


def test_results_that_were_asked_with_passages_are_not_taken_for_closed_book(begin, theirs):
    write(theirs, rows())
    [file] = theirs.glob("results_*.json")
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "config": {"kinj": {"retriever": "bm25"}}}))
    with pytest.raises(UserError, match="asked with retriever=bm25; an arm's results are closed book"):
        check_foreign(begin()[0])
    file.write_text(json.dumps({**told, "config": {"kinj": {"retriever": "none"}}}))
    check_foreign(begin()[0])


def test_changed_results_are_another_cell_and_the_others_stay(begin, theirs):
    write(theirs, rows())
    before = [planned.cell.id for planned in begin()[0].cells]
    write(theirs, rows(2))
    after = [planned.cell.id for planned in begin()[0].cells]
    assert (before[0], before[1] != after[1]) == (after[0], True)


def test_of_several_runs_in_a_folder_the_newest_is_taken_and_several_folders_are_refused(begin, theirs):
    write(theirs, rows(2), date="2025-12-31")
    write(theirs, rows())
    made, unit, out = begin()
    assert take_foreign(unit, made, out) is None
    assert out.read_cell(unit.cells[0].cell.id)["rows"]["questions"] == 3
    write(theirs.parent / "another", rows(), date="2024-01-01")
    with pytest.raises(UserError, match=r"in several folders, as of several models: name one of \S*another, \S*model$"):
        check_foreign(begin()[0])


def test_rows_that_lm_eval_did_not_write_are_refused_before_anything_runs(begin, theirs):
    write(theirs, [{key: value for key, value in row.items() if key != "filter"} for row in rows()])
    with pytest.raises(UserError, match=r"2026-01-01\.jsonl:1: no `filter`: not as lm_eval --log_samples writes"):
        check_foreign(begin()[0])


def test_results_are_held_against_the_cell_of_their_own_model(
    comparison, make_tiny_model, tiny_model, theirs, tmp_path
):
    write(theirs, rows())
    models = {"A": {"pretrained": str(tiny_model)}, "B": {"pretrained": str(make_tiny_model(seed=1))}}
    arms = ["none", {"name": "theirs", "results": str(theirs.parent), "model": "B"}]
    made = comparison(models=models, injection=arms, reading=["none"])
    out = OutputFolder(tmp_path / "out")
    [unit] = [unit for unit in made.units if unit.results is not None]
    for model, prompt in (("A", "x"), ("B", "y")):
        [own] = [one for one in made.units if (one.model, one.injection) == (model, "none")]
        write(out.cell(own.cells[0].cell.id), rows(prompt_hash=prompt))
        (out.cell(own.cells[0].cell.id) / "manifest.json").write_text("{}")
    write(theirs, rows(prompt_hash="y"))
    assert take_foreign(unit, made, out) is None
