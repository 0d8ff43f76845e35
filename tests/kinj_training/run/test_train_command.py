"""`kinj train` as a person uses it: what it writes, reuses, refuses and says."""

import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from kinj import claims
from kinj.claims import ClaimLostError
from kinj.errors import UserError
from kinj_training.recipe.settings import DataSettings
from kinj_training.run.folder import publish, wait_until_published
from kinj_training.run.train import next_step


@pytest.fixture
def finished_run(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(num_train_epochs=1)
    done = kinj_train(recipe)
    assert done.code == 0, done.output
    return recipe, tmp_path / "out"


def test_the_manifest_says_what_the_weights_are_made_of(finished_run, manifest, tiny_model):
    _, out = finished_run
    told = manifest(out)
    assert told["base"]["name"] == str(tiny_model)
    assert len(told["base"]["fingerprint"]) == len(told["data"]["sha256"]) == len(told["weights_sha256"]) == 64
    assert told["arm"] == "raw"
    assert told["tokens"] == told["data"]["tokens"] + told["data"]["tokens_read_again"]
    assert told["targets"] == told["data"]["targets"]
    assert told["settings"]["training"]["learning_rate"] == 2e-5
    assert told["settings"]["model"]["use_peft"] is False
    assert told["seeds"] == {"seed": 0, "data_seed": 0}
    assert (told["threads"], told["processes"]) == (1, 1)
    assert told["device"].startswith("cpu: ")
    assert told["seconds"] > 0
    assert {"kinj", "torch", "transformers", "trl", "peft"} <= set(told["versions"])
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= set(told["files"])
    assert not list(out.rglob("final.part"))


def test_finished_weights_can_be_read_by_those_who_share_the_folder(finished_run):
    _, out = finished_run
    modes = {path.name: path.stat().st_mode & 0o777 for path in out.iterdir() if path.is_file()}
    assert modes["model.safetensors"] == modes["training.json"] == modes["config.json"]


def test_with_json_a_training_prints_its_manifest(write_recipe, kinj_train, manifest, tmp_path):
    done = kinj_train(write_recipe(num_train_epochs=1), "--json")
    assert done.code == 0, done.output
    assert (tmp_path / "out" / "manifest.json").read_text() in done.output


def test_recipes_that_ship_are_named_with_their_files_and_shown(kinj_train):
    listed = kinj_train("--list").output
    assert {line.split()[0] for line in listed.splitlines()} >= {"raw", "repeat", "paraphrase", "qa", "raft", "mix"}
    file = next(line.split()[1] for line in listed.splitlines() if line.startswith("raw "))
    assert kinj_train("--show", "raw").output == Path(file).read_text()
    refused = kinj_train("--show", "rwa")
    assert refused.code == 2
    assert "no such recipe file; kinj ships" in refused.output
    assert "name a recipe: kinj train RECIPE" in kinj_train().output


def test_the_command_it_prints_asks_about_the_documents_that_were_trained_on(write_recipe, kinj_train, tmp_path):
    done = kinj_train(write_recipe(split="dev", num_train_epochs=1))
    [line] = [line for line in done.output.splitlines() if "try it: " in line]
    words = shlex.split(line.split("try it: ")[1])
    assert words[:2] == ["lm_eval", "--model"]
    assert f"pretrained={tmp_path / 'out'},retriever=none" in words
    assert words[words.index("--tasks") + 1] == "kinj_benchmark_option"
    asked = json.loads(words[words.index("--metadata") + 1])
    recipe = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert asked == {"benchmark": recipe["collection"], "split": "dev"}


@pytest.mark.parametrize(("split", "asked"), [("dev", "dev"), ("test", "test"), (None, "test")])
def test_the_next_step_for_the_shipped_collection_names_task_and_split(split, asked, tmp_path):
    words = shlex.split(next_step(tmp_path, DataSettings(arm="raw", split=split)))
    assert words[-4:] == ["--tasks", "kinj_current_events_option", "--metadata", json.dumps({"split": asked})]


def test_a_training_of_one_step_with_the_warm_up_of_our_recipes_learns(
    write_recipe, kinj_train, manifest, tiny_model, tmp_path
):
    done = kinj_train(write_recipe(split="dev", num_train_epochs=1, warmup_steps=0.03))
    assert (done.code, "warm-up  0 steps" in done.output) == (0, True), done.output
    assert manifest(tmp_path / "out")["steps"] == 1
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_model, tmp_path / "out"))
    assert not all(torch.equal(before[name], after[name]) for name in after)


def test_a_finished_training_is_reused_another_refused_and_a_changed_one_never_trusted(
    finished_run, kinj_train, weights
):
    recipe, out = finished_run
    first, date = weights(out), (out / "model.safetensors").stat().st_mtime_ns
    again = kinj_train(recipe, "--logging_steps", "1")  # changes no weight
    assert (again.code, "this training is finished" in again.output) == (0, True)
    assert (out / "model.safetensors").stat().st_mtime_ns == date
    other = kinj_train(recipe, "--learning_rate", "1e-3")
    assert other.code == 2
    assert f"kinj: {out} holds another training" in other.output
    assert weights(out) == first
    anew = kinj_train(recipe, "--learning_rate", "1e-3", "--overwrite")
    assert (anew.code, weights(out) == first) == (0, False)
    (out / "model.safetensors").write_bytes(b"half")
    broken = kinj_train(recipe, "--learning_rate", "1e-3")
    assert broken.code == 2
    assert "model.safetensors is missing or was changed since training ended" in broken.output


def test_a_folder_of_somebody_else_is_left_alone_even_with_overwrite(write_recipe, kinj_train, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("two years of work")
    done = kinj_train(write_recipe(), "--overwrite")
    assert done.code == 2
    assert "is not empty and was not made by kinj train" in done.output
    assert (tmp_path / "out" / "thesis.txt").read_text() == "two years of work"


def test_two_trainings_do_not_write_into_one_folder_at_once(write_recipe, kinj_train, tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".kinj_train.lock"):
        done = kinj_train(write_recipe())
    assert (done.code, "another kinj train is at work there" in done.output) == (2, True)
    assert kinj_train(write_recipe()).code == 0


def test_a_loss_that_is_not_finite_stops_before_the_weights_and_names_step_and_texts(
    write_recipe, kinj_train, make_tiny_model, tmp_path
):
    model = make_tiny_model(seed=3)
    tensors = load_file(model / "model.safetensors")
    from transformers import AutoTokenizer

    [bad] = set(AutoTokenizer.from_pretrained(model)(" Ithaca")["input_ids"])
    tensors["model.embed_tokens.weight"][bad] = torch.nan
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    recipe = write_recipe(model_name_or_path=str(model), layout="single", save_strategy="steps", save_steps=1)
    done = kinj_train(recipe)
    assert done.code == 2
    [line] = [line for line in done.output.splitlines() if "loss of step" in line]
    step = int(line.split("loss of step ")[1].split()[0])
    assert "is nan (texts d8.1)" in line
    # Every step before it was saved, and holds no NaN.
    for saved in range(1, step):
        after = load_file(tmp_path / "out" / f"checkpoint-{saved}" / "model.safetensors")
        assert all(torch.isfinite(value).all() for name, value in after.items() if "embed" not in name)
    assert not (tmp_path / "out" / "config.json").exists()


def test_a_token_that_was_planned_but_not_learnt_is_our_fault_and_leaves_nothing_finished(
    write_recipe, kinj_train, tmp_path
):
    done = kinj_train(write_recipe(), hook="lose-a-token")
    assert done.code == 1
    assert "RuntimeError: TokenCount(tokens=" in done.output
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_while_it_runs_loss_speed_time_left_and_held_out_loss_are_said(write_recipe, kinj_train):
    done = kinj_train(write_recipe(logging_steps=1), hook="show:0")
    line = r"optimizer steps: 4 of 6, loss \d\.\d{4}, \d+ tokens/s, about \d+ s left"
    assert re.search(line, done.output), done.output
    assert re.search(r"epoch 2 \(step 6\): held-out loss \d\.\d{4}", done.output)
    # What will be trained stands before it.
    assert done.output.index("steps  6 = 2 epochs x 3") < done.output.index("optimizer steps: 1 of 6")


def test_on_a_terminal_a_bar_says_the_same(write_recipe, kinj_train):
    done = kinj_train(write_recipe(logging_steps=1), hook="show:1")
    assert done.code == 0, done.output
    assert re.search(r"6/6.*loss .*tokens/s", done.output), done.output


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"load_in_4bit": True}, "load_in_4bit: quantised weights are not trained themselves: add use_peft: true"),
        ({"load_in_8bit": True, "use_peft": True}, "load_in_8bit needs bitsandbytes, which is not installed"),
        ({"fp16": True, "use_cpu": True}, "fp16: true: on a CPU this would be float32 arithmetic"),
        ({"report_to": "dvclive"}, "report_to: dvclive is not installed"),
    ],
)
def test_what_is_not_installed_or_does_not_go_together_is_refused_first(
    settings, why, write_recipe, kinj_train, tmp_path
):
    done = kinj_train(write_recipe(**settings))
    assert (done.code, why in done.output) == (2, True), done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--attn_implementation", "foo"], 'attn_implementation="foo"` is not supported'),
        (["--optim", "galore_adamw"], "install `galore_torch`"),
        (["--use_peft", "--lora_target_modules", "lm_head"], "lora_target_modules: lm_head: TRL's trainer takes"),
    ],
)
def test_what_a_library_refuses_once_it_makes_the_trainer_is_one_line(words, why, write_recipe, kinj_train):
    done = kinj_train(write_recipe(), *words)
    assert (done.code, "Traceback" in done.output) == (2, False), done.output
    assert why in done.output.splitlines()[-1]


@pytest.mark.parametrize("kind", [0, 1])
def test_out_of_memory_is_called_so_and_the_same_command_goes_on(kind, write_recipe, kinj_train):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    done = kinj_train(recipe, hook=f"out-of-memory:3:{kind}")
    assert (done.code, "Traceback" in done.output) == (2, False), done.output
    last = done.output.splitlines()[-1]
    assert re.search(r"out of memory on cpu: .*: this training takes 0\.\d\d GB or more", last)
    assert "lower per_device_train_batch_size and raise gradient_accumulation_steps" in last
    assert "going on at step 2" in kinj_train(recipe).output


def test_of_a_short_training_each_steps_loss_is_kept_unless_somebody_chose_another_rhythm(
    write_recipe, kinj_train, manifest, tmp_path
):
    recipe = write_recipe()
    assert kinj_train(recipe).code == 0
    assert [line["step"] for line in manifest(tmp_path / "out")["losses"]] == [1, 2, 3, 4, 5, 6]
    assert kinj_train(recipe, "--logging_steps", "4", "--output_dir", tmp_path / "chosen").code == 0
    assert [line["step"] for line in manifest(tmp_path / "chosen")["losses"]] == [4]


def test_a_model_that_averages_its_loss_by_itself_is_refused(write_recipe, kinj_train):
    done = kinj_train(write_recipe(), hook="own-loss")
    assert (done.code, "cannot be averaged over the tokens of several batches" in done.output) == (2, True)


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    done = kinj_train(recipe, hook="interrupt:2")
    assert done.code == 130
    assert done.output.rstrip().endswith("kinj: interrupted: type the same command to go on from the last checkpoint")
    assert "Traceback" not in done.output
    assert "going on at step" in kinj_train(recipe).output


@pytest.mark.parametrize("limit", [-1, 0])
def test_a_limit_of_checkpoints_of_0_or_less_keeps_all(limit, write_recipe, kinj_train, tmp_path):
    done = kinj_train(write_recipe(save_strategy="steps", save_steps=2, save_total_limit=limit))
    assert done.code == 0, done.output
    names = {path.name for path in (tmp_path / "out").glob("checkpoint-*")}
    assert names == {"checkpoint-2", "checkpoint-4", "checkpoint-6"}


def test_threads_stay_those_of_the_beginning(write_recipe, kinj_train, weights, manifest, tmp_path):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    assert kinj_train(recipe, "--output_dir", tmp_path / "whole").code == 0
    assert kinj_train(recipe, hook="step:3").code == -signal.SIGKILL
    done = kinj_train(recipe, hook="threads:2")
    assert "begun with 1 threads, not 2: going on with 1" in done.output
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
    assert manifest(tmp_path / "out")["threads"] == 1


def test_another_number_of_processes_than_asked_for_is_refused_with_the_way_out(write_recipe, kinj_train):
    recipe = write_recipe(num_processes=2)
    done = kinj_train(recipe)
    assert done.code == 2
    assert f"num_processes: 2 was asked for, but 1 came up: start it with `torchrun --nproc_per_node 2 -m kinj_training {recipe}`" in done.output  # fmt: skip  # noqa: E501


def test_a_training_begun_by_two_processes_is_not_gone_on_with_by_one(write_recipe, kinj_train, tmp_path):
    recipe = write_recipe(save_strategy="steps", save_steps=1)
    assert kinj_train(recipe, hook="step:2").code == -signal.SIGKILL
    start = tmp_path / "out" / "training.json"
    start.write_text(json.dumps({**json.loads(start.read_text()), "world_size": 2}))
    done = kinj_train(recipe)
    assert done.code == 2
    assert "was begun by 2 processes, now there are 1" in done.output


def test_weights_that_could_run_code_are_not_read(write_recipe, kinj_train, make_tiny_model):
    model = make_tiny_model(seed=4)
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    done = kinj_train(write_recipe(model_name_or_path=str(model)))
    assert done.code == 2
    assert "lacks config.json or *.safetensors" in done.output


def test_without_trl_the_command_says_what_to_install(write_recipe, kinj_train):
    done = kinj_train(write_recipe(), hook="without-trl")
    assert done.code == 2
    assert "pip install 'kinj[train]'" in done.output


def test_the_recipe_comes_first(kinj_train, write_recipe):
    done = kinj_train("--learning_rate", "1e-5", write_recipe())
    assert (done.code, "the recipe comes first" in done.output) == (2, True)


def test_a_model_that_cannot_keep_texts_apart_is_refused_for_packing_and_trained_on_single_texts(
    write_recipe, kinj_train, make_tiny_model
):
    model = make_tiny_model("MambaConfig", state_size=4, conv_kernel=4)
    recipe = write_recipe(model_name_or_path=str(model), num_train_epochs=1)
    refused = kinj_train(recipe)
    assert (refused.code, "take `layout: single`" in refused.output) == (2, True)
    done = kinj_train(recipe, "--layout", "single", "--overwrite")
    assert done.code == 0, done.output


def test_processes_that_wait_for_the_first_end_when_it_has_ended(tmp_path):
    with pytest.raises(UserError, match="the first process ended before it had published"):
        wait_until_published(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    wait_until_published(tmp_path)


def test_a_training_whose_claim_was_taken_over_while_it_was_scored_publishes_nothing(tmp_path, monkeypatch):
    final, folder = tmp_path / "final", tmp_path / "out"
    for path in (final, folder, tmp_path / "claimed"):
        path.mkdir()
    (folder / "config.json").touch()
    (final / "config.json").touch()
    with claims.take(tmp_path / "claimed") as claim:
        for name, value in claim.environment.items():
            monkeypatch.setenv(name, value)
        [file] = (tmp_path / "claimed").iterdir()
        os.utime(file, (0, 0))
        claims.take(tmp_path / "claimed")
        with pytest.raises(ClaimLostError):
            publish(final, folder, {})
    assert (folder / "config.json").is_file()
    assert (final / "config.json").is_file()
