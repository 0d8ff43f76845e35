"""`kinj train --search` chooses by held-out loss, and says by which command to train so."""

import json
import re
import shlex
import signal

import pytest


def test_the_grid_is_trained_gone_on_with_and_chosen_from_by_held_out_loss(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(search={"learning_rate": [1e-6, 1e-3], "num_train_epochs": [1, 2]})
    # Killed in the third of four trainings; the same command does the rest.
    assert kinj_train(recipe, "--search", hook="step:4").code == -signal.SIGKILL
    assert not (tmp_path / "out" / "search.json").exists()
    done = kinj_train(recipe, "--search", "--json")
    assert done.code == 0, done.output
    assert done.output.count("this training is finished") >= 1
    result = json.loads((tmp_path / "out" / "search.json").read_text())
    losses = {tuple(run["settings"].values()): run["held_out_loss"] for run in result["runs"]}
    assert list(losses) == [(1e-6, 1), (1e-6, 2), (1e-3, 1), (1e-3, 2)]
    best = min(losses, key=losses.get)
    assert best == (1e-3, 2)
    assert tuple(result["chosen"]["settings"].values()) == best
    assert [line["epoch"] for line in result["chosen"]["held_out_losses"]] == [1, 2]
    assert f'"held_out_loss": {losses[best]}' in done.output
    table = kinj_train(recipe, "--search")  # all is there: only the table is made again
    assert re.search(rf"0.001\s+2.0\s+{losses[best]:.4f}", table.output), table.output
    assert result["command"] in table.output
    words = shlex.split(result["command"])
    settings = ["--learning_rate", "0.001", "--num_train_epochs", "2.0"]
    assert words == ["kinj", "train", str(recipe), *settings, "--output_dir", str(tmp_path / "out-chosen")]
    # The chosen folder is an ordinary finished training; the command makes the same weights.
    chosen = json.loads((tmp_path / "out" / "search" / "learning_rate_0.001_num_train_epochs_2.0" / "manifest.json").read_text())  # fmt: skip  # noqa: E501
    again = kinj_train(*words[2:])
    assert again.code == 0, again.output
    told = json.loads((tmp_path / "out-chosen" / "manifest.json").read_text())
    assert (told["training"], told["weights_sha256"]) == (chosen["training"], chosen["weights_sha256"])
    assert not list((tmp_path / "out" / "search").rglob("checkpoint-*"))


@pytest.mark.parametrize(
    ("values", "words", "why"),
    [
        ({}, [], "--search needs a grid in a recipe of one training"),
        ({"search": {"seed": [1, 2]}}, ["--seed", "3"], "--seed is given, but"),
        ({"search": {"learning_rate": [1e-5]}}, ["--learning-rate", "1e-4"], "--learning_rate is given, but"),
        ({"search": {"seed": [1]}, "split": "test"}, [], "nothing is held out: --search chooses by the loss"),
    ],
)
def test_a_search_that_cannot_choose_is_refused(values, words, why, write_recipe, kinj_train):
    done = kinj_train(write_recipe(**values), *words, "--search")
    assert done.code == 2
    assert why in done.output


def test_the_printed_command_names_one_folder_which_is_not_that_of_the_search(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(search={"seed": [1]}, num_train_epochs=1)
    done = kinj_train(recipe, "--output_dir", tmp_path / "tried", "--search")
    assert done.code == 0, done.output
    words = shlex.split(json.loads((tmp_path / "tried" / "search.json").read_text())["command"])
    assert [word for word in words if "output_dir" in word] == ["--output_dir"]
    assert words[-1] == str(tmp_path / "tried-chosen")


def test_a_grid_that_is_passed_over_is_said(write_recipe, kinj_train):
    done = kinj_train(write_recipe(num_train_epochs=1, search={"learning_rate": [1e-6, 1e-3]}))
    assert done.code == 0, done.output
    assert "has values to search, which are passed over: --search tries them" in done.output
