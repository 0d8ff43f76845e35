"""`--overwrite` replaces a finished training or another one: never what is unfinished, never what a training reads."""

import json
import shutil

import pytest

from kinj.errors import UserError
from kinj_training.recipe.loading import load_recipe
from kinj_training.run.folder import Start, prepare
from kinj_training.run.requirements import refuse_overlap


def times(folder):
    """When each finished training below the folder was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.rglob("manifest.json")}


def test_ctrl_c_under_overwrite_and_the_same_command_go_on_at_the_checkpoint(
    write_recipe, kinj_train, weights, tmp_path
):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    assert kinj_train(recipe, "--learning_rate", "1e-3").code == 0
    assert kinj_train(recipe, "--output_dir", tmp_path / "whole").code == 0
    stopped = kinj_train(recipe, "--overwrite", hook="interrupt:4")
    assert stopped.code == 130
    assert "type the same command to go on from the last checkpoint, which --overwrite keeps" in stopped.output
    done = kinj_train(recipe, "--overwrite")
    assert (done.code, "going on at step 3" in done.output) == (0, True), done.output
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
    # Finished, it is begun anew.
    anew = kinj_train(recipe, "--overwrite")
    assert (anew.code, "going on" in anew.output, "is finished" in anew.output) == (0, False, False)


def test_two_processes_replace_a_finished_training(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(num_train_epochs=1)
    assert kinj_train(recipe, world=2).code == 0
    before = times(tmp_path)
    done = kinj_train(recipe, "--overwrite", world=2)
    assert done.code == 0, done.output
    assert times(tmp_path)["out"] > before["out"]


def test_overwrite_keeps_the_finished_stages_of_an_unfinished_training(write_recipe, kinj_train, tmp_path):
    stages = [{"arm": "raw"}, {"arm": "qa", "layout": "single"}]
    recipe = write_recipe(stages=stages, num_train_epochs=1, save_strategy="steps", save_steps=1)
    out = tmp_path / "out"
    assert kinj_train(recipe, "--seed", "5").code == 0
    # The first stage has three steps, so step 5 is in the second.
    assert kinj_train(recipe, "--overwrite", hook="interrupt:5").code == 130
    before = times(out)
    assert list(before) == ["stage-1-raw"]  # the last was begun anew
    done = kinj_train(recipe, "--overwrite")
    assert (done.code, "going on at step 4" in done.output) == (0, True), done.output
    assert times(out)["stage-1-raw"] == before["stage-1-raw"]
    assert kinj_train(recipe, "--overwrite").code == 0
    assert times(out)["stage-1-raw"] > before["stage-1-raw"]


def test_overwrite_keeps_the_finished_runs_of_an_unfinished_search(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(search={"seed": [0, 1]}, num_train_epochs=1, save_strategy="steps", save_steps=1)
    out = tmp_path / "out"
    assert kinj_train(recipe, "--search").code == 0
    whole = times(out)
    (out / "search" / "seed_1" / "manifest.json").unlink()
    (out / "search.json").unlink()
    assert kinj_train(recipe, "--search", "--overwrite").code == 0
    assert times(out)["seed_0"] == whole["seed_0"]
    assert kinj_train(recipe, "--search", "--overwrite").code == 0
    assert all(times(out)[name] > whole[name] for name in whole)


@pytest.mark.parametrize("place", ["out", "out/checkpoint-3", "out/models/base", "."])
def test_a_base_model_in_at_or_above_the_output_folder_is_refused_before_anything_is_deleted(
    place, write_recipe, kinj_train, tiny_model, tmp_path
):
    work = tmp_path / "work"
    shutil.copytree(tiny_model, work / place, dirs_exist_ok=True)
    (work / "out").mkdir(exist_ok=True)
    (work / "out" / "training.json").write_text(json.dumps({"plan": "another", "world_size": 1, "threads": 1}))
    before = sorted(work.rglob("*"))
    recipe = load_recipe(write_recipe(model_name_or_path=str(work / place), output_dir=str(work / "out")))
    with pytest.raises(UserError, match=r"lies in .*choose another --output_dir"):
        refuse_overlap(recipe)
    if place == "out/checkpoint-3":
        done = kinj_train(recipe.path, "--overwrite")
        assert (done.code, "model_name_or_path" in done.output) == (2, True), done.output
    assert sorted(work.rglob("*")) == before


def test_other_things_that_a_training_reads_may_not_lie_in_its_folder_either(
    write_recipe, training_collection, tmp_path
):
    shutil.copytree(training_collection, tmp_path / "out" / "mine")
    for values in ({"collection": str(tmp_path / "out" / "mine")}, {"held_out": [str(tmp_path / "out" / "mine")]}):
        [key] = values
        with pytest.raises(UserError, match=f"{key}: .*lies in output_dir"):
            refuse_overlap(load_recipe(write_recipe(**values)))
    with pytest.raises(UserError, match=r"the recipe: .*lies in output_dir"):
        refuse_overlap(load_recipe(write_recipe(output_dir=str(tmp_path))))
    refuse_overlap(load_recipe(write_recipe()))


def test_a_start_that_failed_leaves_the_folder_free_for_the_corrected_command(tmp_path):
    start = Start("mistyped", 1, 4)
    prepare(tmp_path, start, overwrite=False)
    prepare(tmp_path, Start("corrected", 2, 1), overwrite=False)
    assert json.loads((tmp_path / "training.json").read_text())["plan"] == "corrected"
    (tmp_path / "checkpoint-1").mkdir()
    with pytest.raises(UserError, match="was begun by 2 processes"):
        prepare(tmp_path, start, overwrite=False)


def test_overwrite_replaces_another_training_and_keeps_this_one(tmp_path):
    prepare(tmp_path, Start("this", 1, 1), overwrite=False)
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "notes").touch()
    prepare(tmp_path, Start("this", 1, 1), overwrite=True)
    assert (tmp_path / "notes").exists()
    prepare(tmp_path, Start("another", 1, 1), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]
