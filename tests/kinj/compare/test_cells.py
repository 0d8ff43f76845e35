"""Which cells a plan has, and what their ids depend on."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from unittest.mock import Mock

import pytest
import yaml

from kinj.compare import identity
from kinj.compare.identity import benchmark_sha256, index_identity
from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.records import Chunk
from kinj.retrieval import build_index


def ids(comparison):
    return {planned.cell.id for planned in comparison.cells}


def one(comparison, **wanted):
    [planned] = [p for p in comparison.cells if all(getattr(p.cell, name) == wanted[name] for name in wanted)]
    return planned


def test_every_combination_is_a_cell_and_what_is_not_trained_has_no_seeds(comparison):
    made = comparison(seeds=[0, 1], splits=["dev", "test"], shots=[0, 1])
    assert Counter((unit.injection, unit.seed, len(unit.cells)) for unit in made.units) == {
        ("none", None, 12): 1,
        ("towers", 0, 12): 1,
        ("towers", 1, 12): 1,
    }
    assert {planned.cell.reading for planned in made.cells} == {"none", "bm25 k=1", "bm25 k=2"}
    assert len(ids(made)) == 36


def test_names_and_order_are_not_in_an_id(comparison, plan_values, tmp_path):
    values = plan_values()
    renamed = comparison(
        models={"other": values["models"]["tiny"]},
        injection=[{"name": "called so", "recipe": str(tmp_path / "towers.yaml")}, "none"],
        reading=[{"name": "words", "retriever": "bm25", "k": [2, 1]}, "none"],
    )
    assert ids(renamed) == ids(comparison())


def test_seeds_arms_and_tasks_can_be_added_without_changing_other_cells(comparison):
    more = comparison(seeds=[0, 1], reading=["none", {"retriever": "bm25", "k": [1, 2, 3]}, "gold"], shots=[0, 1])
    assert ids(comparison()) < ids(more)


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": 2},
        {"batch_size": 2},
        {"batch_size": "auto"},
        {"tasks": ["kinj_benchmark"]},
        {"splits": ["dev"]},
        {"shots": [1]},
        {"reading": ["gold", {"retriever": "bm25", "k": [1, 2], "placement": "question"}]},
        {"reading": ["gold", {"retriever": "bm25", "k": [1, 2], "order": "best_last"}]},
        {"reading": ["gold", {"retriever": "bm25", "k": [1, 2], "query": "question+options"}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_shapes_an_answer_is_in_every_id(comparison, changes):
    assert not ids(comparison(**changes)) & ids(comparison())


@pytest.mark.parametrize(
    "setting", [{"system_prompt": "Be short."}, {"chat_template": True}, {"dtype": "float64"}, {"arguments": {"x": 1}}]
)
def test_how_a_model_is_asked_is_in_every_id(comparison, plan_values, setting):
    model = plan_values()["models"]["tiny"]
    assert not ids(comparison(models={"tiny": {**model, **setting}})) & ids(comparison())


def test_the_device_is_not_in_an_id(comparison, plan_values):
    model = {**plan_values()["models"]["tiny"], "device": None}
    assert ids(comparison(models={"tiny": model})) == ids(comparison())


def test_the_weights_count_and_not_where_they_lie(comparison, plan_values, tiny_model, make_tiny_model, tmp_path):
    copied = shutil.copytree(tiny_model, tmp_path / "elsewhere")
    assert ids(comparison(models={"tiny": {"pretrained": str(copied)}})) == ids(comparison())
    other = make_tiny_model(seed=1)
    assert not ids(comparison(models={"tiny": {"pretrained": str(other)}})) & ids(comparison())


def test_a_model_of_the_hub_has_the_same_ids_before_and_after_it_is_brought(comparison, monkeypatch):
    def made():
        identity._commit_on_hub.cache_clear()  # as in another process
        return ids(comparison(models={"m": {"pretrained": "owner/name", "device": "cpu"}}, injection=["none"]))

    monkeypatch.setattr(identity, "commit_in_cache", lambda *_: None)
    monkeypatch.setattr(identity, "commit_on_hub", lambda *_: "c" * 40)
    before = made()
    monkeypatch.setattr(identity, "commit_in_cache", lambda *_: "c" * 40)
    assert made() == before
    monkeypatch.setattr(identity, "commit_in_cache", lambda *_: None)
    monkeypatch.setattr(identity, "commit_on_hub", Mock(side_effect=OSError("offline")))
    with pytest.raises(UserError, match=r"owner/name: not on this machine, .* \(offline\): bring it with .* --fetch"):
        made()


def test_a_changed_recipe_changes_the_cells_of_its_arm_alone(comparison, tmp_path):
    before = comparison()
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump({**recipe, "learning_rate": 2e-3}))
    after = comparison()
    same = ids(before) & ids(after)
    assert same == {planned.cell.id for planned in before.cells if planned.cell.injection == "none"}


def test_what_was_searched_by_another_seed_is_another_training(comparison, tmp_path):
    recipe = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump({**recipe, "search": {"learning_rate": [1e-3, 2e-3]}}))
    by_first, by_second = comparison(seeds=[0, 1]).units, comparison(seeds=[1, 0]).units
    assert {unit.id for unit in by_first[1:]}.isdisjoint(unit.id for unit in by_second[1:])
    assert [unit.id for unit in comparison(seeds=[1]).units[1:]] == [by_second[1].id]
    assert [unit.id for unit in comparison(seeds=[0, 1, 2]).units[:3]] == [unit.id for unit in by_first]


def test_a_recipe_that_another_names_is_read_too(comparison, tmp_path):
    reference = yaml.safe_load((tmp_path / "towers.yaml").read_text())
    matched = {**reference, "match": "steps", "match_to": "reference.yaml"}
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump(matched))
    (tmp_path / "reference.yaml").write_text(yaml.safe_dump(reference))
    before = comparison()
    (tmp_path / "reference.yaml").write_text(yaml.safe_dump({**reference, "num_train_epochs": 2}))
    assert ids(before) != ids(comparison())


def test_a_changed_collection_changes_every_cell(comparison, collection, tmp_path):
    copied = shutil.copytree(collection, tmp_path / "towers")
    assert ids(comparison(benchmark=str(copied))) == ids(comparison())
    (copied / "questions.jsonl").write_text((copied / "questions.jsonl").read_text().replace("color", "colour"))
    benchmark_sha256.cache_clear()  # as in another process
    assert not ids(comparison(benchmark=str(copied))) & ids(comparison())


def test_a_changed_index_changes_the_cells_that_read_it(comparison, collection, tmp_path):
    chunks = list(read_records(collection / "chunks.jsonl", Chunk))
    reading = ["none", {"retriever": "bm25", "k": [1], "index": str(tmp_path / "index")}]
    build_index(chunks, tmp_path / "index", None)
    before = comparison(reading=reading)
    shutil.rmtree(tmp_path / "index")
    build_index([replace(chunks[0], text="Another text."), *chunks[1:]], tmp_path / "index", None)
    index_identity.cache_clear()  # as in another process
    same = ids(before) & ids(comparison(reading=reading))
    assert same == {planned.cell.id for planned in before.cells if planned.cell.reading == "none"}


def test_the_command_of_a_cell_names_model_passages_and_question(comparison, tiny_model, collection):
    planned = one(comparison(), injection="none", reading="bm25 k=2")
    assert planned.model_args == {"pretrained": str(tiny_model), "retriever": "bm25", "k": 2}
    words = planned.words
    assert words[:4] == ("--tasks", "kinj_benchmark_option", "--num_fewshot", "0")
    assert json.loads(words[words.index("--metadata") + 1]) == {"benchmark": str(collection), "split": "test"}


def test_forgetting_is_asked_closed_book_in_every_injection_arm(comparison):
    made = comparison(forgetting=["kinj_mmlu_anatomy"])
    cells = [planned.cell for planned in made.cells if planned.cell.role == "forgetting"]
    assert {(c.injection, c.reading, c.task) for c in cells} == {
        ("none", "none", "kinj_mmlu_anatomy"),
        ("towers", "none", "kinj_mmlu_anatomy"),
    }


def test_passages_chosen_by_the_right_answer_are_controls(comparison):
    made = comparison(reading=["none", "bm25", "gold", "distractors", {"retriever": "gold+distractors", "k": 2}])
    roles = {planned.cell.retriever: planned.cell.role for planned in made.cells}
    assert roles == {
        "none": "main", "bm25": "main", "gold": "control", "distractors": "control", "gold+distractors": "control",
    }  # fmt: skip


def test_an_arm_can_be_for_some_tasks_alone(comparison):
    tasks = ["kinj_benchmark_option", "kinj_benchmark"]
    made = comparison(tasks=tasks, reading=["none", {"retriever": "bm25", "k": 1, "tasks": ["kinj_benchmark"]}])
    assert {planned.cell.task for planned in made.cells if planned.cell.reading != "none"} == {"kinj_benchmark"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["arc_easy"]}, "reading arm bm25: task arc_easy has no collection of its own: name an `index`"),
        ({"benchmark": None, "injection": None}, "task kinj_benchmark_option needs to know which"),
        ({"tasks": ["kinj_current_events"]}, "asks about current events, the plan is about"),
        ({"benchmark": "nowhere"}, "benchmark 'nowhere' is neither a folder nor one that ships"),
        ({"injection": ["rwa"]}, "rwa: no such recipe file"),
        ({"reading": [{"retriever": "bm25", "index": "nowhere"}]}, "nowhere"),
        ({"models": {"api": {"base": "local-completions"}}}, "behind base=local-completions cannot be trained here"),
        ({"injection": [{"recipe": "raw", "settings": {"learning_rate": 1}}]}, "learning_rate is given, but .* sear"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(comparison, changes, message):
    with pytest.raises(UserError, match=message) as error:
        comparison(**changes)
    assert len(str(error.value).splitlines()) == 1


def test_two_names_for_one_cell_are_refused(comparison):
    reading = [{"name": "a", "retriever": "bm25", "k": 1}, {"name": "b", "retriever": "bm25", "k": 1}]
    with pytest.raises(UserError, match="the same under two names"):
        comparison(reading=reading)


def test_ceiling_and_floor_are_asked_of_the_untrained_model_by_default(comparison):
    made = comparison(controls=["gold", "distractors"])
    controls = [planned.cell for planned in made.cells if planned.cell.role == "control"]
    assert {(c.injection, c.reading) for c in controls} == {("none", "gold k=2"), ("none", "distractors k=2")}
    assert ids(comparison()) < ids(made)


def test_controls_are_left_out_where_no_question_says_its_chunk_or_nothing_is_read(comparison):
    made = comparison(controls=["gold"], reading=["none"])
    assert all(planned.cell.role == "main" for planned in made.cells)


def test_an_arm_that_is_asked_for_is_no_default_control_too(comparison):
    made = comparison(controls=["gold"], reading=["none", {"retriever": "bm25", "k": 3}, {"retriever": "gold", "k": 1}])
    assert {planned.cell.reading for planned in made.cells} == {"none", "bm25 k=3", "gold k=1"}


def test_weights_of_others_stand_in_the_models_place(comparison, make_tiny_model, tiny_model, tmp_path):
    theirs = make_tiny_model(seed=3)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    arms = ["none", {"checkpoint": str(theirs)}, {"name": "lora", "adapter": str(adapter)}]
    made = comparison(injection=arms, reading=["none"], seeds=[0, 1])
    assert [(unit.injection, unit.seed, unit.training) for unit in made.units] == [
        ("none", None, None), (theirs.name, None, None), ("lora", None, None),
    ]  # fmt: skip
    assert [planned.model_args for planned in made.cells] == [
        {"pretrained": str(tiny_model), "retriever": "none"},
        {"pretrained": str(theirs), "retriever": "none"},
        {"pretrained": str(tiny_model), "peft": str(adapter), "retriever": "none"},
    ]
    before = ids(made)
    (adapter / "adapter_config.json").write_text('{"r": 8}')
    changed = before - ids(comparison(injection=arms, reading=["none"], seeds=[0, 1]))
    assert changed == {planned.cell.id for planned in made.cells if planned.cell.injection == "lora"}


def test_one_closed_book_cell_of_each_untrained_model_is_asked_in_reversed_order(comparison):
    made = comparison(controls=["reversed"], splits=["dev", "test"], shots=[0, 1])
    [noise] = [planned for planned in made.cells if planned.is_reversed]
    assert (noise.cell.injection, noise.cell.split, noise.cell.num_fewshot) == ("none", "test", 0)
    assert (noise.cell.role, noise.cell.reading) == ("noise", "none, reversed")
    assert ids(made) - ids(comparison(splits=["dev", "test"], shots=[0, 1])) == {noise.cell.id}


def test_ceiling_and_floor_are_left_out_where_a_question_does_not_say_its_chunk(comparison, collection, tmp_path):
    told = comparison(controls=["gold", "distractors"], reading=["none", {"retriever": "bm25", "k": [1]}])
    assert {"gold k=1", "distractors k=1"} <= {planned.cell.reading for planned in told.cells}
    folder = tmp_path / "silent"
    shutil.copytree(collection, folder)
    (folder / "manifest.json").unlink(missing_ok=True)
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    rows[0] |= {"chunk_ids": [], "split": "test"}
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    silent = comparison(
        benchmark=str(folder), controls=["gold", "distractors"], reading=["none", {"retriever": "bm25", "k": [1]}]
    )
    assert {planned.cell.reading for planned in silent.cells} == {"none", "bm25 k=1"}
    assert any("not every question says which chunk" in one.why for one in silent.unmeasured)
