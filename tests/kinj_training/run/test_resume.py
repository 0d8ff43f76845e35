"""An interrupted training ends with the weights of one that was not."""

import errno
import json
import re
import shlex
import shutil
import signal
from datetime import date

import pytest

from kinj.errors import UserError
from kinj_training.run.limits import room

KILLED = -signal.SIGKILL


@pytest.fixture
def model(make_tiny_model):
    # Dropout, so that the random states matter.
    return make_tiny_model(attention_dropout=0.1)


@pytest.mark.long
def test_killed_at_steps_and_inside_saves_the_weights_are_those_of_an_undisturbed_run(
    write_recipe, kinj_train, weights, manifest, model, tmp_path
):
    # nine chunks, three texts each: 7 steps an epoch, saved every 3
    settings = {"arm": "paraphrase", "paraphrases": 2, "model_name_or_path": str(model), "layout": "single"}
    settings |= {"gradient_accumulation_steps": 4, "save_strategy": "steps", "save_steps": 3, "logging_steps": 1}
    recipe = write_recipe(**settings)
    assert kinj_train(recipe, "--output_dir", tmp_path / "whole").code == 0
    out = tmp_path / "killed"
    kills = ["step:2", "weights:3", "step:5", "optimizer:6", "step:8", "record:9", "step:13", "config", "manifest"]
    for kill in kills:
        done = kinj_train(recipe, "--output_dir", out, hook=kill)
        assert done.code == KILLED, (kill, done.output)
        assert (out / "config.json").exists() == (kill == "manifest"), "half a model could be evaluated"
    last = kinj_train(recipe, "--output_dir", out)
    assert last.code == 0, last.output
    assert weights(out) == weights(tmp_path / "whole")
    told, expected = manifest(out), manifest(tmp_path / "whole")
    for key in ("training", "steps", "tokens", "targets", "losses", "held_out_losses", "weights_sha256"):
        assert told[key] == expected[key], key
    assert told["steps"] == 14


def test_a_broken_checkpoint_is_passed_over_for_the_one_before(write_recipe, kinj_train, weights, tmp_path):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    assert kinj_train(recipe, hook="manifest").code == KILLED
    out = tmp_path / "out"
    expected = tmp_path / "copy"
    shutil.copytree(out, expected)
    checkpoints = sorted(out.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    with (checkpoints[-1] / "optimizer.pt").open("r+b") as file:
        file.truncate(100)
    (checkpoints[-2] / "kinj_complete.json").unlink()
    done = kinj_train(recipe)
    assert done.code == 0
    assert f"going on at step {len(checkpoints) - 2}" in done.output
    assert weights(out) == weights(expected)


@pytest.fixture
def dated_recipe(write_recipe, make_tiny_model, tmp_path):
    """Instructions under a chat template that prints today's date."""
    model = make_tiny_model(seed=6)
    template = (model / "chat_template.jinja").read_text()
    (model / "chat_template.jinja").write_text("{{ strftime_now('%d %B %Y') }}\n" + template)
    rows = [{"instruction": f"Count to {n}.", "output": " ".join(map(str, range(n)))} for n in range(2, 12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"arm": "instruct", "data": str(tmp_path / "rows.jsonl"), "layout": "single"}
    return write_recipe(model_name_or_path=str(model), save_strategy="steps", save_steps=1, **settings)


def test_a_template_that_prints_the_date_prints_that_of_the_first_start_a_day_later(
    dated_recipe, kinj_train, weights, manifest, tmp_path
):
    assert kinj_train(dated_recipe, hook="step:3").code == KILLED
    done = kinj_train(dated_recipe, hook="tomorrow")
    assert (done.code, "going on at step 2" in done.output) == (0, True), done.output
    today = date.today().isoformat()
    assert f"as of {today}, which their template prints" in done.output
    assert manifest(tmp_path / "out")["data"]["chat_date"] == today
    # Set, the day gives the same weights on any day.
    again = kinj_train(dated_recipe, "--chat_date", today, "--output_dir", tmp_path / "set", hook="tomorrow")
    assert again.code == 0, again.output
    assert weights(tmp_path / "set") == weights(tmp_path / "out")


@pytest.mark.parametrize("in_save", [0, 1])
def test_a_full_disk_is_one_line_with_what_is_needed_and_loses_nothing(in_save, write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    done = kinj_train(recipe, hook=f"full-disk:3:{in_save}")
    assert (done.code, "Traceback" in done.output) == (2, False), done.output
    # Weights, and twice as much for AdamW's moments.
    size = 3 * (tmp_path / "out" / "checkpoint-2" / "model.safetensors").stat().st_size
    line = r"disk full: checkpoint-3 needs (\d\.\d{3}) GB, 0\.000 GB are free: make room"
    assert float(re.search(line, done.output)[1]) == pytest.approx(size / 1e9, rel=0.1)
    again = kinj_train(recipe)
    assert (again.code, "going on at step 2" in again.output) == (0, True), again.output


def test_a_failure_that_is_none_of_the_disks_keeps_its_own_error(tmp_path):
    with pytest.raises(RuntimeError, match="something else"), room(tmp_path, "checkpoint-1", 1):
        raise RuntimeError("something else")
    with pytest.raises(UserError, match=r"checkpoint-1 needs 0\.000 GB"), room(tmp_path, "checkpoint-1", 1):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match=r"needs 1000000000.000 GB"), room(tmp_path, "checkpoint-1", 10**18):
        pytest.fail("nothing is written")


def test_an_unfinished_training_named_as_a_model_says_the_command_that_finishes_it(write_recipe, kinj_train, tmp_path):
    stages = [{"arm": "paraphrase", "paraphrases": 1}, {"arm": "qa", "layout": "single"}]
    recipe = write_recipe(stages=stages, save_strategy="steps", save_steps=1)
    words = ("--paraphrases", "2", "--output_dir", tmp_path / "un finished")
    assert kinj_train(recipe, *words, hook="step:3").code == KILLED
    named = kinj_train(write_recipe("other", model_name_or_path=str(tmp_path / "un finished" / "stage-1-paraphrase")))
    command = re.search("not finished: (kinj train .*), typed again where it was begun", named.output)[1]
    assert shlex.split(command)[2:] == [str(recipe), *map(str, words)]
    done = kinj_train(*shlex.split(command)[2:])
    assert (done.code, "going on at step 2" in done.output) == (0, True), done.output
