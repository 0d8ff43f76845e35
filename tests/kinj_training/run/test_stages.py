"""Stages: trainings one after the other, each from the weights of the one before."""

import json
import signal

import pytest

from kinj_training.run.merging import merge_again


def test_stages_are_chained_gone_on_with_and_recorded(write_recipe, kinj_train, weights, manifest, tmp_path):
    stages = [{"arm": "raw"}, {"arm": "qa", "learning_rate": 1e-4, "layout": "single"}]
    recipe = write_recipe(stages=stages, num_train_epochs=1, save_strategy="steps", save_steps=1)
    whole = kinj_train(recipe, "--output_dir", tmp_path / "whole")
    assert whole.code == 0, whole.output
    first = tmp_path / "out" / "stage-1-raw"
    assert kinj_train(recipe, hook="manifest").code == -signal.SIGKILL
    assert not (first / "manifest.json").exists()
    # The first stage has three steps, so step 4 is in the second.
    assert kinj_train(recipe, hook="step:4").code == -signal.SIGKILL
    done = kinj_train(recipe)
    assert done.code == 0, done.output
    assert f"{first}: this training is finished" in done.output
    out = tmp_path / "out"
    assert weights(out) == weights(tmp_path / "whole")
    told = manifest(out)
    assert told["arm"] == "qa"
    [stage] = told["stages"]
    assert (stage["arm"], stage["weights_sha256"]) == ("raw", manifest(first)["weights_sha256"])
    assert told["base"]["name"] == str(first)
    # Beside the stages of another training nothing is mixed.
    other = kinj_train(recipe, "--seed", "5")
    assert (other.code, "holds another training" in other.output) == (2, True)
    again = kinj_train(recipe, "--seed", "5", "--overwrite")
    assert again.code == 0, again.output
    assert manifest(out)["seeds"]["seed"] == manifest(first)["seeds"]["seed"] == 5


def test_a_training_reports_through_trl_where_asked(write_recipe, kinj_train, tmp_path):
    pytest.importorskip("tensorboard")
    done = kinj_train(write_recipe(report_to="tensorboard", logging_steps=1, num_train_epochs=1))
    assert done.code == 0, done.output
    assert list((tmp_path / "out").rglob("events.out.tfevents.*"))


def test_an_adapters_training_with_dropout_resumes_exactly(write_recipe, kinj_train, weights, manifest, tmp_path):
    settings = {"use_peft": True, "lora_r": 4, "lora_dropout": 0.3, "learning_rate": 1e-2, "bf16": True}
    recipe = write_recipe(**settings, save_strategy="steps", save_steps=2, save_total_limit=1)
    assert kinj_train(recipe, "--output_dir", tmp_path / "whole").code == 0
    assert kinj_train(recipe, hook="step:3").code == -signal.SIGKILL
    assert kinj_train(recipe, hook="record:4").code == -signal.SIGKILL
    done = kinj_train(recipe)
    assert done.code == 0, done.output
    assert "going on at step 2" in done.output
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
    assert manifest(tmp_path / "out")["precision"] == "bf16"
    assert [path.name for path in (tmp_path / "out").glob("checkpoint-*")] == ["checkpoint-6"]
    completion = json.loads((tmp_path / "out" / "checkpoint-6" / "kinj_complete.json").read_text())
    assert "optimizer.pt" in completion["files"]


@pytest.mark.long
def test_the_adapters_of_two_stages_are_merged_again_one_upon_the_other(write_recipe, kinj_train, tmp_path):
    stages = [{"arm": "raw"}, {"arm": "qa", "layout": "single"}]
    recipe = write_recipe(stages=stages, num_train_epochs=1, use_peft=True, lora_r=4, learning_rate=1e-2)
    done = kinj_train(recipe)
    assert done.code == 0, done.output
    files = sorted((tmp_path / "out").rglob("model.safetensors"))
    before = [file.read_bytes() for file in files]
    assert len(files) == 2
    for file in files:
        file.unlink()
    merge_again(tmp_path / "out")
    assert [file.read_bytes() for file in files] == before
