"""What training leaves is what `lm_eval` evaluates: full and adapted, chat template included."""

import json
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from kinj.errors import UserError
from kinj_training.base import Base, load_tokenizer
from kinj_training.plan import make_plan
from kinj_training.recipe.loading import load_recipe
from kinj_training.run import accuracy
from kinj_training.run.merging import merge_again
from kinj_training.run.saving import Merger


def test_lm_eval_takes_a_finished_folder_with_its_chat_template(
    write_recipe, kinj_train, forked_lm_eval, results, training_collection, tmp_path
):
    out = tmp_path / "out"
    assert kinj_train(write_recipe(), "--num_train_epochs", "1").code == 0
    done = forked_lm_eval(
        *("--model", "kinj_rag", "--model_args", f"pretrained={out},retriever=none", "--device", "cpu"),
        *("--tasks", "kinj_benchmark_option", "--apply_chat_template"),
        *("--metadata", json.dumps({"benchmark": str(training_collection)})),
        output=tmp_path / "results",
    )
    assert done.returncode == 0, done.stderr
    evaluated = results(tmp_path / "results")
    assert evaluated["n-samples"]["kinj_benchmark_option"]["effective"] == 6
    assert "im_start" in evaluated["chat_template"]


def test_a_merged_adapter_and_base_with_adapter_give_the_same_log_likelihoods(
    write_recipe, kinj_train, log_likelihoods, tiny_model, manifest, tmp_path
):
    recipe = write_recipe(use_peft=True, lora_r=4, learning_rate=1e-2, num_train_epochs=1)
    done = kinj_train(recipe)
    assert done.code == 0, done.output
    out = tmp_path / "out"
    merged = log_likelihoods(f"pretrained={out}")
    assert merged == pytest.approx(log_likelihoods(f"pretrained={tiny_model},peft={out / 'adapter'}"), abs=1e-4)
    config = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"]) == (str(tiny_model), 4)
    assert "adapter/adapter_model.safetensors" in manifest(out)["files"]
    weights = (out / "model.safetensors").read_bytes()
    merge_again(out)  # nothing is missing
    (out / "model.safetensors").unlink()
    merge_again(out)
    assert (out / "model.safetensors").read_bytes() == weights
    assert not (out / "merged.part").exists()
    (out / "model.safetensors").unlink()
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    save_file({name: 2 * tensor for name, tensor in adapter.items()}, out / "adapter" / "adapter_model.safetensors")
    with pytest.raises(UserError, match="merged again the weights are others"):
        merge_again(out)
    assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize("settings", [{}, {"use_dora": True, "lora_target_modules": ["q_proj", "v_proj"]}])
def test_merged_weights_are_right_where_the_vocabulary_is_larger_than_the_tokenizers(
    settings, write_recipe, kinj_train, make_tiny_model, tmp_path
):
    # Here lm-eval's peft= would cut the embeddings to the tokenizer's length, and the likelihoods would change.
    from peft import PeftModel

    model = make_tiny_model(vocab_size=640)
    settings |= {"model_name_or_path": str(model), "use_peft": True, "learning_rate": 1e-2, "num_train_epochs": 1}
    assert kinj_train(write_recipe(**settings)).code == 0
    out = tmp_path / "out"
    merged, base = AutoModelForCausalLM.from_pretrained(out), AutoModelForCausalLM.from_pretrained(model)
    ids = AutoTokenizer.from_pretrained(out)("The water tower of Arvada", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        untrained = base(ids).logits
        adapted = PeftModel.from_pretrained(base, out / "adapter")(ids).logits
        torch.testing.assert_close(merged(ids).logits, adapted, atol=1e-4, rtol=1e-4)
    assert (adapted - untrained).abs().max() > 0.1
    assert merged.config.vocab_size == 640


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head"])
def test_an_adapter_on_tied_embeddings_is_refused_before_training(
    target, write_recipe, kinj_train, make_tiny_model, tmp_path
):
    tied = {"use_peft": True, "lora_target_modules": [target, "q_proj"]}
    recipe = write_recipe(model_name_or_path=str(make_tiny_model(tie_word_embeddings=True)), **tied)
    for words in ([], ["--dry-run"]):
        done = kinj_train(recipe, *words)
        assert (done.code, f"{target} shares its weights with another module" in done.output) == (2, True), done.output
    assert not list((tmp_path / "out").glob("checkpoint-*"))
    modules = ("--lora_target_modules", "embed_tokens", "q_proj")
    untied = kinj_train(recipe, "--model_name_or_path", make_tiny_model(seed=5), *modules)
    assert untied.code == 0, untied.output


def test_a_module_that_the_model_lacks_is_refused_in_one_line(write_recipe, kinj_train):
    done = kinj_train(write_recipe(use_peft=True, lora_target_modules=["q_projj"]))
    assert (done.code, "lora_target_modules: q_projj: Target modules q_projj not found" in done.output) == (2, True)


@pytest.mark.parametrize("tied", [False, True])
def test_a_merged_model_that_is_another_than_base_and_adapter_is_not_published(tied, make_tiny_model, tmp_path):
    from peft import LoraConfig, get_peft_model

    folder = make_tiny_model(tie_word_embeddings=tied)
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder),
        LoraConfig(r=4, target_modules=["embed_tokens", "q_proj"], init_lora_weights=False),
    )
    adapted.save_pretrained(tmp_path / "adapter")
    merger = Merger(Base(str(folder), str(folder), folder, "", None), None, False, tuple(range(5, 60)))
    if tied:
        with pytest.raises(UserError, match=r"merged into the base's weights this adapter is another model"):
            merger.merge(tmp_path / "adapter", tmp_path / "merged")
    else:
        merger.merge(tmp_path / "adapter", tmp_path / "merged")


def test_accuracy_is_scored_after_training_also_where_that_was_interrupted(
    write_recipe, kinj_train, manifest, tmp_path
):
    recipe = write_recipe(num_train_epochs=1, accuracy_task="kinj_benchmark_option", output_dir=str(tmp_path / "a,b"))
    failed = kinj_train(recipe, hook="failing-lm-eval")
    assert failed.code == 2
    why = "accuracy_task: kinj_benchmark_option: lm_eval ended with exit code 1 (it said nothing)"
    assert why in failed.output
    assert not (tmp_path / "a,b" / "config.json").exists()
    done = kinj_train(recipe)
    assert done.code == 0, done.output
    assert "going on at step 3" in done.output
    [line] = manifest(tmp_path / "a,b")["accuracy"]
    assert (line["task"], line["n"], line["epoch"]) == ("kinj_benchmark_option", 2, 1)
    assert 0 <= line["scores"]["acc"] <= 1
    assert "kinj_benchmark_option, n 2: acc" in done.output


def test_a_task_that_lm_eval_lacks_is_refused_before_anything_is_loaded_or_written(write_recipe, kinj_train, tmp_path):
    done = kinj_train(write_recipe(accuracy_task="no_such_task"))
    assert (done.code, "accuracy_task: no_such_task: lm-eval has no such task" in done.output) == (2, True), done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"save_strategy": "no"}, "no checkpoint is saved where an epoch ends"),
        ({"save_strategy": "steps", "save_steps": 2}, r"where an epoch ends \(each 3 steps\)"),
        ({"save_total_limit": 1}, "save_total_limit: 1 removes checkpoints"),
        ({"save_strategy": "steps", "save_steps": 1, "save_total_limit": 2}, "keep 6, or leave it out"),
        ({"save_strategy": "steps", "save_steps": 3}, None),
        ({"save_strategy": "steps", "save_steps": 0.5, "save_total_limit": 2}, None),
        ({"save_total_limit": -1}, None),
    ],
)
def test_save_settings_that_leave_no_checkpoint_to_score_are_refused(settings, why, write_recipe, monkeypatch):
    monkeypatch.setattr(accuracy, "refuse_unknown_task", lambda _: None)
    recipe = load_recipe(write_recipe(**settings))
    counts = make_plan(recipe, load_tokenizer(recipe.base), 1).counts
    assert (counts["steps_per_epoch"], counts["steps"]) == (3, 6)
    with pytest.raises(UserError, match=why) if why else nullcontext():
        accuracy.refuse_unscorable("task", recipe.training, counts)


def test_two_processes_score_after_training_too(write_recipe, kinj_train, manifest, tmp_path):
    done = kinj_train(write_recipe(accuracy_task="read"), hook="without-lm-eval", world=2)
    assert done.code == 0, done.output
    assert [line["epoch"] for line in manifest(tmp_path / "out")["accuracy"]] == [1, 2]


def test_an_adapters_checkpoint_is_merged_for_its_score(write_recipe, kinj_train, manifest, tiny_model, tmp_path):
    recipe = write_recipe(accuracy_task="read", use_peft=True)
    done = kinj_train(recipe, hook="without-lm-eval")
    assert done.code == 0, done.output
    parameters = AutoModelForCausalLM.from_pretrained(tiny_model).num_parameters()
    scores = [(line["epoch"], line["scores"]["parameters"]) for line in manifest(tmp_path / "out")["accuracy"]]
    assert scores == [(1, parameters), (2, parameters)]
    assert not list((tmp_path / "out").glob("accuracy.*/"))
