import json

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, MistralConfig

from kinj.errors import UserError
from kinj_training.base import block_length
from kinj_training.dry_run import dry_run
from kinj_training.memory import estimate_memory
from kinj_training.recipe.files import find_recipe
from kinj_training.recipe.loading import load_recipe


def length_of(recipe):
    return block_length(recipe.base, recipe.training.max_length, is_given="max_length" in recipe.given)


def memory_of(recipe, length=128, devices=1):
    return estimate_memory(recipe.base, recipe.training, recipe.model, length, devices)


def test_the_dry_run_shows_numbers_memory_and_two_blocks_with_what_is_learnt(write_recipe, capsys):
    dry_run(load_recipe(write_recipe(arm="qa", max_length=64)))
    shown = capsys.readouterr().out
    assert "18 x pair" in shown
    assert "steps" in shown
    assert "parameters x 4 bytes" in shown
    assert "⟦<s>Question: In which month" in shown
    assert "Answer:⟧ May</s>" in shown
    assert "block 2, part 1 of" in shown
    assert "9 evaluation questions" in shown


def test_as_json_it_is_one_object_with_the_same_numbers(write_recipe, capsys):
    path = write_recipe(stages=[{"arm": "raw"}, {"arm": "qa"}])
    dry_run(load_recipe(path), as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert [stage["plan"]["arm"] for stage in result["stages"]] == ["raw", "qa"]
    [part, *_] = result["stages"][1]["blocks"][0]
    assert [run["learnt"] for run in part["runs"]] == [False, True]
    assert part["targets"] < part["tokens"]
    assert result["stages"][0]["settings"]["given"]["arm"] == "raw"


def test_no_weight_is_loaded(write_recipe, tiny_model, tmp_path, capsys):
    folder = tmp_path / "weightless"
    folder.mkdir()
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    dry_run(load_recipe(write_recipe(model_name_or_path=str(folder))))
    assert "raw" in capsys.readouterr().out


def test_parameters_are_counted_as_the_model_has_them(write_recipe, tiny_model):
    memory = memory_of(load_recipe(write_recipe()))
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert memory.items[0].bytes == count * 4
    assert memory.items[2].bytes == count * 8


def test_copies_in_16_bits_are_counted_where_weights_are_wider_than_the_computation(write_recipe):
    def copies(*words):
        items = memory_of(load_recipe(write_recipe(), words)).items
        return sum(item.bytes for item in items if item.name == "16-bit weights") / items[0].bytes

    assert copies("--bf16", "true") == 0.5
    assert copies("--bf16", "false") == 0
    assert copies("--bf16", "true", "--dtype", "bfloat16") == 0
    assert copies("--bf16", "true", "--gradient_checkpointing", "true", "--use_peft") < 0.3


def test_lora_trains_its_adapter_only(write_recipe):
    words = ["--use_peft", "--lora_r", "4", "--lora_target_modules", "q_proj", "o_proj"]
    whole, lora = (memory_of(load_recipe(write_recipe(), w)).items for w in ([], words))
    adapter = 2 * 2 * 4 * (48 + 48)  # two layers of two modules, 48 wide in and out
    assert lora[1].bytes == adapter * 4
    assert lora[0].bytes == whole[0].bytes + adapter * 4
    four_bit = memory_of(load_recipe(write_recipe(), [*words, "--load_in_4bit"])).items
    assert four_bit[0].bytes == int((whole[0].bytes / 4 + adapter) * 0.5625)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--lora_target_modules", "nowhere"], r"lora_target_modules: nowhere: .*not found.* down_proj, .*v_proj; all"),
        (["--lora_target_modules", "q_proj", "v_projj"], r"lora_target_modules: v_projj: .*no such module; .* v_proj"),
        (["--lora_target_modules", "("], r"lora_target_modules: \(: missing \), unterminated subpattern"),
        (["--lora_target_modules", "lm_head", "q_proj"], r"lora_target_modules: lm_head: .*takes no adapter"),
        (["--lora_modules_to_save", "nothing"], r"lora_modules_to_save: nothing: no name in the model ends so"),
        (["--lora_target_parameters", "nothing"], r"lora_target_parameters: nothing: no name in the model ends so"),
    ],
)
def test_an_adapter_on_what_the_model_has_not_or_cannot_learn_is_refused(words, why, write_recipe):
    with pytest.raises(UserError, match=why):
        memory_of(load_recipe(write_recipe(), ["--use_peft", *words]))
    assert memory_of(load_recipe(write_recipe(), ["--use_peft", "--lora_modules_to_save", "lm_head"]))


def test_the_disk_it_takes_is_that_of_the_files(write_recipe, tiny_model, tmp_path, capsys):
    def disk_of(*words):
        dry_run(load_recipe(write_recipe(), words), as_json=True)
        return json.loads(capsys.readouterr().out)["stages"][0]["disk"]

    weights = (tiny_model / "model.safetensors").stat().st_size
    disk = disk_of()
    assert disk["finished"] == pytest.approx(weights, rel=0.02)
    assert disk["checkpoint"] == 3 * disk["finished"]  # AdamW's two moments
    assert (disk["checkpoints"], disk["in_all"]) == (2, 7 * disk["finished"])
    assert 0 < disk["free"] < 10**16
    assert disk_of("--save_total_limit", "1", "--num_train_epochs", "5")["checkpoints"] == 2
    assert disk_of("--save_strategy", "no")["in_all"] == disk["finished"]
    assert disk_of("--save_strategy", "steps", "--save_steps", "1")["checkpoints"] == 6
    assert disk_of("--use_peft", "--lora_r", "2")["checkpoint"] < disk["finished"] / 5
    assert disk["search_runs"] == 0
    dry_run(load_recipe(write_recipe(search={"seed": [1, 2], "learning_rate": [1e-4, 1e-5, 1e-6]})))
    assert "finished weights of the 6 runs of --search" in capsys.readouterr().out
    dry_run(load_recipe(write_recipe()))
    assert "2 checkpoints of 0.00 GB (save_total_limit keeps fewer)" in capsys.readouterr().out


def test_sharding_divides_weights_gradients_and_states_only(write_recipe):
    memory = memory_of(load_recipe(write_recipe()), devices=4)
    split = sum(item.bytes // 4 for item in memory.items[:3])
    whole = sum(item.bytes for item in memory.items if item.name in ("activations", "logits"))
    assert memory.sharded == split + whole


def test_the_7b_recipes_comments_say_what_the_estimate_says(tmp_path):
    config = MistralConfig(  # as mistralai/Mistral-7B-v0.1 publishes it
        vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=32768, sliding_window=4096, tie_word_embeddings=False,
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    recipe = load_recipe("study-7b", ["--model_name_or_path", str(tmp_path)])
    assert AutoConfig.from_pretrained(tmp_path).model_type == "mistral"
    memory = memory_of(recipe, length_of(recipe), recipe.data.num_processes)
    comments = find_recipe(recipe.path).read_text()
    figures = [item.bytes for item in memory.items] + [sum(i.bytes for i in memory.items[:3]), memory.sharded]
    for figure in figures:
        assert f"{figure / 1e9:.2f} GB" in comments
    assert "7,241,732,096 parameters" in memory.items[0].arithmetic
    batch = recipe.training.per_device_train_batch_size * recipe.training.gradient_accumulation_steps
    assert batch * recipe.data.num_processes == 64


def test_a_block_is_never_longer_than_the_models_window(write_recipe):
    assert length_of(load_recipe(write_recipe(max_length=512))) == 512
    with pytest.raises(UserError, match="max_length: 513: more than the 512 positions"):
        length_of(load_recipe(write_recipe(max_length=513)))
    assert length_of(load_recipe(write_recipe(max_length=None))) == 512
    with pytest.raises(UserError, match="max_length: 1: a block needs two tokens"):
        length_of(load_recipe(write_recipe(max_length=1)))


def test_a_model_that_is_not_there_is_refused(write_recipe, tmp_path):
    (tmp_path / "weights").write_text("")
    reasons = {"absent": "no such folder; seen from /", "weights": "is a file: name the folder that it lies in"}
    for name, why in reasons.items():
        with pytest.raises(UserError, match=f"model_name_or_path: .*{name}: {why}"):
            length_of(load_recipe(write_recipe(model_name_or_path=str(tmp_path / name))))
    with pytest.raises(UserError, match=r"no/where: no such folder, and the hub did not give it \("):
        length_of(load_recipe(write_recipe(model_name_or_path="no/where")))
