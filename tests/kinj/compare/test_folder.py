"""The folder of a comparison: plans that grew or shrank, folders of others, and what is said of what is there."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from typer.testing import CliRunner

from kinj import claims
from kinj.cli.app import build_app
from kinj.compare.ahead import settling
from kinj.compare.ahead.settling import refuse_unscorable
from kinj.compare.apart.listing import states
from kinj.compare.folder import OutputFolder
from kinj.compare.plan import make_plan
from kinj.compare.prompts import first_prompts
from kinj.compare.rates import keep_rates, kind_of, measured, read_rates
from kinj.compare.running import _commands, _tidy, run_unit, waits_for
from kinj.compare.unchanged import find_unchanged
from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.records import Cell


@pytest.fixture
def out(tmp_path):
    return OutputFolder(tmp_path / "out")


@pytest.fixture
def begin(out, comparison, plan_values):
    """Begins the comparison of the plan with these changes in the folder, and gives it."""

    def make(**changes):
        made = comparison(**changes)
        with out.alone():
            out.left_over(made)
            out.begin(make_plan("p", plan_values(**changes)), made)
        return made

    return make


def finish(out, planned, responses="a", **values):
    folder = out.cell(planned.cell.id)
    folder.mkdir()
    rows = {"questions": 4, "filters": 1, "rows": 4}
    manifest = {"responses_sha256": responses, "rows": rows, "seconds": 2.0, "tokens": 80, **values}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_folder_says_plan_and_cells(begin, out):
    made = begin()
    assert list(read_records(out.path / "cells.jsonl", Cell)) == [planned.cell for planned in made.cells]
    assert "same_within: 3.0" in (out.path / "plan.yaml").read_text()


def test_a_plan_that_grew_goes_on_and_one_that_shrank_keeps_what_it_no_longer_names(begin, out, comparison):
    made = begin()
    for planned in made.cells:
        finish(out, planned)
    grown = begin(seeds=[0, 1])
    assert sum(out.is_complete(planned.cell.id) for planned in grown.cells) == len(made.cells)
    smaller = comparison(reading=["none"])
    left = out.left_over(smaller)
    assert set(left) == {planned.cell.id for planned in made.cells if planned.cell.k is not None}
    assert all(out.is_complete(cell) for cell in left)


def test_a_plan_that_shares_no_cell_is_refused(begin, out, comparison):
    made = begin()
    finish(out, made.cells[0])
    with pytest.raises(UserError, match="holds another comparison: the plan shares no cell with it"):
        out.left_over(comparison(limit=2))


@pytest.mark.parametrize("made", ["passages/p1/manifest.json", "units/u1/checkpoint/checkpoint-3/x"])
def test_a_plan_of_which_nothing_was_made_may_be_corrected_to_one_that_shares_no_cell(
    begin, out, comparison, plan_values, made
):
    begin()
    corrected = comparison(limit=2)
    assert out.left_over(corrected) == []
    out.claim(make_plan("p", plan_values(limit=2)), corrected)
    assert [cell.id for cell in read_records(out.path / "cells.jsonl", Cell)] == [c.cell.id for c in corrected.cells]
    assert "limit: 2" in (out.path / "plan.yaml").read_text()
    (out.path / made).parent.mkdir(parents=True)
    (out.path / made).touch()
    with pytest.raises(UserError, match="holds another comparison"):
        out.left_over(comparison())


def test_a_plan_that_is_refused_does_not_replace_the_one_that_was_asked(begin, out, plan_values, monkeypatch, tmp_path):
    plan = {"injection": ["none"], "reading": ["none"]}
    begin(**plan)
    before = (out.path / "plan.yaml").read_text(), (out.path / "cells.jsonl").read_text()
    monkeypatch.setattr(settling, "retrieve", Mock(side_effect=UserError("it does not fit")))
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(plan_values(**{**plan, "reading": ["none", "all"]})))
    done = CliRunner().invoke(build_app(), ["compare", str(tmp_path / "p.yaml"), "--output_dir", str(out.path)])
    assert str(done.exception) == "it does not fit"
    assert ((out.path / "plan.yaml").read_text(), (out.path / "cells.jsonl").read_text()) == before


def test_json_is_refused_where_nothing_is_printed_as_json(tmp_path):
    done = CliRunner().invoke(build_app(), ["compare", "smoke", "--output_dir", str(tmp_path / "out"), "--json"])
    assert "--json: it is for --dry-run and --units" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_somebody_else_is_refused_and_left_alone(out, comparison):
    out.path.mkdir()
    (out.path / "thesis.tex").touch()
    with pytest.raises(UserError, match="is not empty and was not made by kinj compare"):
        out.left_over(comparison())
    assert [path.name for path in out.path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_use_by_another_run_is_refused(out):
    out.path.mkdir()
    with (
        claims.take(out.path),
        pytest.raises(UserError, match="another kinj compare is at work there"),
        out.alone(),
    ):
        pass


def test_a_folder_in_which_a_unit_is_at_work_is_refused_and_left_as_it_is(begin, out):
    made = begin()
    scratch = out.path / "cells" / "half.part"
    scratch.mkdir()
    with (
        claims.take(out.unit_to_write(made.units[0].id)),
        pytest.raises(UserError, match=f"{made.units[0].id}: a unit is at work there: .* it runs on "),
        out.alone(),
    ):
        pass
    assert scratch.is_dir()
    assert not list(out.path.glob("claim-*"))


def test_what_an_interrupted_run_left_half_written_is_removed(begin, out):
    made = begin()
    scratch = [out.cell(made.cells[0].cell.id).with_suffix(".part"), out.unit(made.units[1].id) / "checkpoint.part"]
    for folder in scratch:
        folder.mkdir(parents=True)
    begin()
    assert not any(folder.exists() for folder in scratch)


def test_the_unit_file_has_the_commands_and_the_cells(begin, out):
    made = begin()
    trained = next(unit for unit in made.units if unit.training is not None)
    out.write_unit(trained, 4, None, [{"words": ["a"], "done": None}])
    told = json.loads((out.unit(trained.id) / "unit.json").read_text())
    assert told["batch_size"] == 4
    assert told["checkpoint"] == str(out.unit(trained.id) / "checkpoint")
    assert [one["cell"]["id"] for one in told["cells"]] == [planned.cell.id for planned in trained.cells]
    assert [bool(one["passages"]) for one in told["cells"]] == [bool(planned.cell.k) for planned in trained.cells]


def test_a_training_or_passages_that_changed_nothing_are_found(begin, out):
    made = begin()
    for planned in made.cells:
        cell = planned.cell
        same_as_base = cell.injection == "towers" and cell.reading == "bm25 k=1"
        no_passage = cell.injection == "none" and cell.reading == "bm25 k=2"
        arm = "none" if same_as_base else cell.injection
        finish(out, planned, f"{arm} {'none' if no_passage else cell.reading}")
    found = find_unchanged([planned.cell for planned in made.cells], out)
    assert {(one.cell.injection, one.cell.reading, one.added) for one in found} == {
        ("towers", "bm25 k=1", "injection"),
        ("none", "bm25 k=2", "reading"),
    }
    written = json.loads((out.path / "unchanged.json").read_text())
    assert {one["cell"] for one in written} == {one.cell.id for one in found}
    assert all(Path(out.cell(one["same_as"])).is_dir() for one in written)


def test_measured_rates_are_kept_for_the_next_dry_run(begin, out, tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    made = begin()
    [unit, trained] = made.units
    assert read_rates(unit.weights) == {}
    finish(out, unit.cells[0])
    out.unit(trained.id).mkdir()
    (out.unit(trained.id) / "training.json").write_text(json.dumps({"seconds": 5.0, "tokens": 1000}))
    keep_rates(made, out, measured(made, out))  # of another machine, perhaps
    assert read_rates(unit.weights) == {}
    keep_rates(made, out, set())
    assert read_rates(unit.weights) == {kind_of(unit.cells[0]): (0.5, 20.0), "training": (0.005, 1.0)}


def test_the_first_prompt_of_each_model_is_shown_and_an_unused_chat_template_said(begin, out):
    made = begin()
    first, second = made.cells[:2]
    for planned, sent in ((first, "Question: Which?\nAnswer:"), (second, "never shown")):
        finish(out, planned)
        folder = out.cell(planned.cell.id)
        (folder / "trace.jsonl").write_text(json.dumps({"prompts": [sent]}) + "\n")
        config = {"kinj": {"base": {"chat_template_sha256": "a" * 64}}}
        (folder / "results_x.json").write_text(json.dumps({"config": config, "chat_template": None}))
    assert list(first_prompts(made, out)) == [
        "tiny: its first prompt as sent (kinj_benchmark_option, none):",
        "  | Question: Which?",
        "  | Answer:",
        "tiny: its tokenizer has a chat template, which was not used; chat_template: true applies it",
    ]
    (out.cell(first.cell.id) / "results_x.json").write_text(json.dumps({"config": config, "chat_template": "{{ … }}"}))
    assert "was not used" not in "".join(first_prompts(made, out))


def test_options_are_not_asked_of_a_model_without_log_probabilities(comparison):
    api = {"base": "local-chat-completions", "arguments": {"model": "m", "base_url": "http://127.0.0.1:9"}}
    made = comparison(models={"api": api}, injection=["none"], reading=["none"])
    [planned] = made.cells
    key = planned.questions.key
    refuse_unscorable(made, {key: {"output_type": "generate_until"}})
    with pytest.raises(UserError, match="model api: base=local-chat-completions gives no log-probabilities"):
        refuse_unscorable(made, {key: {"output_type": "multiple_choice"}})


@pytest.fixture
def finish_training(out):
    """Leaves what `kinj train` would have left of a unit's training."""

    def finish(unit):
        folder = out.unit(unit.id) / "checkpoint"
        (folder / "checkpoint-3").mkdir(parents=True)
        (folder / "model.safetensors").touch()
        (folder / "manifest.json").write_text('{"tokens": 7, "files": {"model.safetensors": 0}}')
        return folder

    return finish


@pytest.mark.parametrize("keep", ["all", "adapters", "none"])
@pytest.mark.parametrize("has_adapter", [True, False])
def test_a_finished_unit_keeps_its_trainings_manifest_and_of_its_weights_what_the_plan_says(
    begin, out, finish_training, keep, has_adapter
):
    trained = begin().units[1]
    folder = finish_training(trained)
    adapter = folder / "adapter" / "adapter_model.safetensors"
    if has_adapter:
        adapter.parent.mkdir()
        adapter.touch()
        (adapter.parent / "adapter_config.json").touch()
    for _ in range(2):  # once more, as the next run does
        _tidy(trained, out, keep=keep)
        assert (out.unit(trained.id) / "training.json").read_text().startswith('{"tokens": 7')
        assert (folder / "model.safetensors").is_file() is (keep == "all" or (keep == "adapters" and not has_adapter))
        assert adapter.is_file() is (has_adapter and keep != "none")
        assert not (folder / "checkpoint-3").exists()
    words = [command["words"] for command in _commands(trained, out)]
    merging = [one[-2] for one in words if one[-1] == "--merge"]
    assert merging == ([str(folder)] if has_adapter and keep == "adapters" else [])


def test_a_training_that_has_not_ended_is_left_alone(begin, out):
    trained = begin().units[1]
    going_on = out.unit(trained.id) / "checkpoint" / "checkpoint-3"
    going_on.mkdir(parents=True)
    _tidy(trained, out, keep="none")
    assert going_on.is_dir()


def test_the_chosen_training_of_a_search_is_the_units(begin, out, tmp_path):
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump({**recipe, "search": {"learning_rate": [1e-3, 2e-3]}}))
    trained = begin().units[1]
    assert trained.training.searches
    chosen = out.unit(trained.id) / "checkpoint" / "search" / "best"
    chosen.mkdir(parents=True)
    assert not out.is_trained(trained)
    (chosen.parents[1] / "search.json").write_text(json.dumps({"chosen": {"folder": str(chosen)}}))
    assert out.is_trained(trained)
    assert out.trained_folder(trained) == chosen


def test_the_other_seeds_train_with_what_the_first_has_chosen(begin, out, tmp_path):
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump({**recipe, "search": {"learning_rate": [1e-3, 2e-3]}}))
    made = begin(seeds=[7, 8])
    _, first, second = made.units
    assert (first.searcher, second.searcher) == (None, first.id)
    assert "--search" in first.training.command(tmp_path)
    assert (waits_for(first, made, out), waits_for(second, made, out)) == (None, 2)
    assert [state.why for state in states(made, out)] == ["", "", "for unit 2 to choose its settings"]
    with claims.take(out.unit_to_write(second.id)) as claim:
        failure = run_unit(second, made, out, claim, lambda *_: None, keep="all")
    assert failure.reason == "unit 2 searches the settings of its training, and has to end first"
    chosen = out.unit(first.id) / "checkpoint" / "search" / "best"
    chosen.mkdir(parents=True)
    (chosen / "manifest.json").write_text("{}")
    told = {"chosen": {"folder": str(chosen), "settings": {"learning_rate": 2e-3, "betas": [0.9, 0.95]}}}
    (chosen.parents[1] / "search.json").write_text(json.dumps(told))
    (chosen.parent / "worse").mkdir()
    _tidy(first, out, keep="adapters")
    assert [folder.name for folder in chosen.parent.iterdir()] == ["best"]
    _tidy(first, out, keep="none")  # its weights go, and what it has chosen stays
    assert not chosen.exists()
    assert waits_for(second, made, out) is None
    for unit in (first, second):  # a plan that has grown trains the first too by what it chose
        [train, _] = _commands(unit, out)
        assert train["words"][-6:-2] == ["0.002", "--betas", "0.9", "0.95"]
        assert "--search" not in train["words"]
        assert train["done"] == str(out.unit(unit.id) / "checkpoint" / "manifest.json")
    trained = out.unit(second.id) / "checkpoint"
    trained.mkdir()
    (trained / "manifest.json").write_text("{}")
    _tidy(second, out, keep="none")
    table = (out.unit(first.id) / "search.json").read_text()
    assert (out.unit(second.id) / "search.json").read_text() == table  # a report may have this unit alone
    for planned in first.cells:
        finish(out, planned, "whatever")
    (out.unit(first.id) / "search.json").unlink()
    with claims.take(out.unit_to_write(second.id)) as claim:
        failure = run_unit(second, made, out, claim, lambda *_: None, keep="all")
    assert failure.reason.startswith("the settings that unit 2 chose are lost: bring ")


def test_a_folder_that_was_moved_has_its_searches_too(begin, out, tmp_path):
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump({**recipe, "search": {"learning_rate": [1e-3, 2e-3]}}))
    unit = begin().units[1]
    chosen = out.unit(unit.id) / "checkpoint" / "search" / "best"
    chosen.mkdir(parents=True)
    (chosen / "manifest.json").write_text("{}")
    (chosen.parents[1] / "search.json").write_text(json.dumps({"chosen": {"folder": str(chosen), "settings": {}}}))
    moved = OutputFolder(out.path.rename(tmp_path / "moved"))
    _tidy(unit, moved, keep="adapters")
    assert moved.trained_folder(unit) == moved.unit(unit.id) / "checkpoint" / "search" / "best"
    assert moved.trained_folder(unit).is_dir()


def test_a_cell_asked_twice_for_the_noise_is_no_cell_that_changed_nothing(begin, out):
    made = begin(injection=["none"], reading=["none"], controls=["reversed"])
    for planned in made.cells:
        finish(out, planned, "the same")
    assert len(made.cells) == 2
    assert find_unchanged([planned.cell for planned in made.cells], out) == []


def test_a_machine_that_asks_for_the_time_does_not_fill_a_fresh_folder(out, comparison, monkeypatch):
    made, touch, seen = comparison(), Path.touch, []

    def touch_and_look(file):
        touch(file)
        seen.append((out.left_over(made), claims.last(out.path)))

    out.path.mkdir()
    monkeypatch.setattr(Path, "touch", touch_and_look)
    claims._now(out.path)
    assert seen == [([], None)]
