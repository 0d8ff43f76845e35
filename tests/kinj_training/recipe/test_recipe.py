import json
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from kinj.errors import UserError
from kinj_training.recipe.files import find_recipe, shipped_recipes
from kinj_training.recipe.loading import load_recipe
from kinj_training.recipe.parsing import parse_overrides, without, words_of
from kinj_training.recipe.settings import ARM_KEYS, DataSettings


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("learnin_rate", "learning_rate"),
        ("paraphrase", "paraphrases"),
        ("lora_rank", "lora_r"),
        ("lr", "learning_rate"),
        ("dataset_name", "data"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_valid_name(write_recipe, key, meant):
    with pytest.raises(UserError, match=f"recipe.yaml: no setting is called '{key}'; did you mean '{meant}'"):
        load_recipe(write_recipe(**{key: 1}))
    with pytest.raises(UserError, match=f"command line: no setting is called '{key}'; did you mean '{meant}'"):
        load_recipe(write_recipe(), [f"--{key}", "1"])


def test_a_key_that_resembles_nothing_is_refused_without_a_guess(write_recipe):
    with pytest.raises(UserError, match="no setting is called 'zzzz'; see docs"):
        load_recipe(write_recipe(zzzz=1))


def test_the_command_line_wins_over_the_file_and_any_group_of_settings_can_be_given(write_recipe):
    path = write_recipe(learning_rate=1e-5, paraphrases=3, arm="paraphrase", max_length=None)
    words = ["--learning_rate", "2e-5", "--use_peft", "--lora-r=4", "--paraphrases", "2", "--max_length", "64"]
    recipe = load_recipe(path, words)
    assert (recipe.training.learning_rate, recipe.training.max_length) == (2e-5, 64)
    assert (recipe.model.use_peft, recipe.model.lora_r, recipe.data.paraphrases) == (True, 4, 2)
    assert recipe.given["lora_r"] == 4
    assert recipe.given["arm"] == "paraphrase"


def test_values_are_typed_as_on_trls_command_line(write_recipe, tmp_path):
    path = tmp_path / "typed.yaml"
    path.write_text(
        write_recipe(use_peft=True).read_text() + "learning_rate: 1e-5\nbf16: false\nlora_target_modules: [q_proj]\n"
    )
    recipe = load_recipe(path)
    assert recipe.training.learning_rate == 1e-5  # to YAML a text
    assert recipe.training.bf16 is False
    assert recipe.model.lora_target_modules == "q_proj"  # ModelConfig unwraps a single one
    with pytest.raises(UserError, match=r"max_length.*invalid int value: '2.5'"):
        load_recipe(write_recipe(max_length=2.5))
    with pytest.raises(UserError, match=r"learning_rate: \[1, 2\]: not a value"):
        load_recipe(write_recipe(learning_rate=[1, 2]))
    with pytest.raises(UserError, match="arm: invalid choice: 'row'"):
        load_recipe(write_recipe(arm="row"))


def test_abbreviations_and_stray_words_are_refused(write_recipe):
    with pytest.raises(UserError, match="no setting is called 'learning'; did you mean 'learning_rate'"):
        load_recipe(write_recipe(), ["--learning", "1"])
    with pytest.raises(UserError, match="'stray' belongs to no setting"):
        load_recipe(write_recipe(), ["stray"])


@pytest.mark.parametrize(
    ("key", "value", "way_out"),
    [
        ("packing", True, "layout: packed"),
        ("assistant_only_loss", True, "chats are learnt on assistant turns"),
        ("eos_token", "</s>", "tokenizer's folder"),
        ("loss_type", "dft", "negative log-likelihood"),
        ("max_steps", 5, "num_train_epochs"),
        ("dataloader_drop_last", True, "drops the tokens"),
        ("average_tokens_across_devices", False, "number of devices"),
        ("train_sampling_strategy", "group_by_length", "drawn from data_seed"),
        ("use_cache", True, "attend to one another"),
        ("save_only_model", True, "cannot be resumed"),
    ],
)
def test_a_setting_under_which_tokens_would_be_lost_is_refused_with_the_way_out(write_recipe, key, value, way_out):
    with pytest.raises(UserError, match=f"{key}: {value} is not for kinj: .*{way_out}"):
        load_recipe(write_recipe(**{key: value}))
    assert load_recipe(write_recipe(packing=False))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", -1.0),
        ("learning_rate", 0.0),
        ("num_train_epochs", 0),
        ("per_device_train_batch_size", 0),
        ("gradient_accumulation_steps", -2),
        ("per_device_eval_batch_size", 0),
        ("save_steps", 0),
        ("lora_r", 0),
        ("lora_alpha", -1),
    ],
)
def test_a_number_with_which_nothing_is_learnt_is_refused(write_recipe, key, value):
    with pytest.raises(UserError, match=f"{key}: {value}.*above 0"):
        load_recipe(write_recipe(**{key: value, "use_peft": True}))


@pytest.mark.parametrize("key", ["weight_decay", "max_grad_norm", "seed", "data_seed", "dataloader_num_workers"])
def test_a_number_that_means_nothing_below_0_is_refused(write_recipe, key):
    with pytest.raises(UserError, match=f"{key}: -1.*must not be below 0"):
        load_recipe(write_recipe(**{key: -1}))
    assert load_recipe(write_recipe(**{key: 0}))


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("seed", 2**32, "must be at most 4294967295"),
        ("data_seed", 10**20, "must be at most 4294967295"),
        ("lora_dropout", 1.0, "must be at most 0.99: with 1 nothing would be learnt"),
        ("lora_task_type", "SEQ_CLS", "only CAUSAL_LM is trained here"),
    ],
)
def test_a_value_that_libraries_would_stumble_over_is_refused(write_recipe, key, value, why):
    with pytest.raises(UserError, match=f"recipe.yaml: {key}: {value}: {why}"):
        load_recipe(write_recipe(**{key: value, "use_peft": True}))


@pytest.mark.parametrize(("key", "meant"), [("searchx", "search"), ("stagesx", "stages")])
def test_search_and_stages_are_among_the_names_that_a_mistyped_key_may_mean(write_recipe, key, meant):
    with pytest.raises(UserError, match=f"no setting is called '{key}'; did you mean '{meant}'"):
        load_recipe(write_recipe(**{key: []}))


def test_a_setting_whose_library_is_absent_is_refused_and_a_broken_library_is_not_called_one(write_recipe, monkeypatch):
    with pytest.raises(UserError, match=r"recipe\.yaml: .*deepspeed"):
        load_recipe(write_recipe(), ["--deepspeed", "zero.json"])

    def load_broken(_):
        raise ImportError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr("trl.SFTConfig.__post_init__", load_broken)
    with pytest.raises(ImportError, match="libcudart") as failed:
        load_recipe(write_recipe())
    assert not isinstance(failed.value, UserError)


def test_a_value_that_stands_twice_in_a_grid_is_refused_however_it_is_written(write_recipe):
    with pytest.raises(UserError, match="search: learning_rate: 1e-05 stands twice: remove one"):
        load_recipe(write_recipe(search={"learning_rate": [1e-5, "0.00001"]}))
    assert load_recipe(write_recipe(search={"learning_rate": [1e-5, 1e-4]})).search == {"learning_rate": [1e-5, 1e-4]}


@pytest.mark.parametrize(
    ("key", "value", "needed"),
    [
        ("lora_r", 8, "use_peft"),
        ("lora_target_modules", ["q_proj", "v_proj"], "use_peft"),
        ("use_dora", True, "use_peft"),
        ("bnb_4bit_quant_type", "fp4", "load_in_4bit"),
        ("use_bnb_nested_quant", True, "load_in_4bit"),
    ],
)
def test_a_key_that_only_another_one_makes_read_is_refused_without_it(write_recipe, key, value, needed):
    with pytest.raises(UserError, match=f"{key} is given, but .*{needed}: true"):
        load_recipe(write_recipe(**{key: value}))
    with pytest.raises(UserError, match=f"{key} is given"):
        load_recipe(write_recipe(), [f"--{key}", *map(str, value if isinstance(value, list) else [value])])
    assert load_recipe(write_recipe(**{key: value, needed: True})).given[key] == value


def test_a_day_is_read_from_yaml_and_checked(write_recipe):
    path = write_recipe(arm="instruct", data="x")
    path.write_text(path.read_text() + "chat_date: 2026-11-30\n")
    assert load_recipe(path).data.chat_date == "2026-11-30"
    with pytest.raises(UserError, match=r"chat_date: 30\.11\.2026: a day is written as"):
        load_recipe(path, ["--chat_date", "30.11.2026"])
    with pytest.raises(UserError, match="chat_date is given, but arm raw does not read it"):
        load_recipe(write_recipe(), ["--chat_date", "2026-11-30"])


def test_an_adapter_of_the_command_line_does_not_reach_the_recipe_that_is_matched(write_recipe):
    path = write_recipe(arm="qa", match="steps", match_to="paraphrase", use_peft=True)
    assert load_recipe(path, ["--lora_r", "4"]).reference.name == "paraphrase"


def test_a_recipe_without_an_output_folder_is_refused(write_recipe):
    path = write_recipe()
    path.write_text("".join(line for line in path.open() if not line.startswith("output_dir")))
    with pytest.raises(UserError, match="no output_dir: name the folder"):
        load_recipe(path)
    assert load_recipe(path, ["--output_dir", "somewhere"]).training.output_dir == "somewhere"


def test_a_key_that_stands_twice_is_refused_with_its_line(write_recipe, tmp_path):
    path = tmp_path / "twice.yaml"
    lines = write_recipe().read_text()
    path.write_text(lines + "paraphrases: 1\nseed: 0\nparaphrases: 2\n")
    with pytest.raises(UserError, match=rf"the key 'paraphrases' stands twice .*line {lines.count(chr(10)) + 3}"):
        load_recipe(path)
    path.write_text(lines + "search:\n  seed: [1]\n  seed: [2]\n")
    with pytest.raises(UserError, match="the key 'seed' stands twice"):
        load_recipe(path)


def test_a_secret_among_the_settings_is_refused_without_being_shown(write_recipe):
    with pytest.raises(UserError, match=r"hub_token: .*set HF_TOKEN in the environment") as error:
        load_recipe(write_recipe(), ["--hub_token", "hf_sesame"])
    assert "sesame" not in str(error.value)


def test_what_trl_would_choose_by_itself_is_decided_and_said(write_recipe):
    recipe = load_recipe(write_recipe())
    assert recipe.training.activation_checkpointing is False
    assert recipe.training.report_to == []
    assert recipe.training.data_seed == recipe.training.seed == 0
    assert recipe.decided["optim"] == "adamw_torch"
    assert recipe.decided["bf16"] == recipe.training.bf16
    chosen = load_recipe(write_recipe(gradient_checkpointing=True, seed=3, bf16=False))
    assert chosen.training.activation_checkpointing is True
    assert chosen.training.data_seed == 3
    assert "bf16" not in chosen.decided


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"gold_share": 0.5}, "gold_share is given, but arm raw does not read it"),
        ({"arm": "repeat", "paraphrases": 2}, "match: say what is to be equal"),
        ({"match": "steps"}, "name the recipe to match by match_to"),
        ({"arm": "repeat", "match": "steps", "match_to": "raw"}, "arm repeat is matched to its own"),
        ({"arm": "qa", "layout": "joined"}, "joined cuts prompts from their answers"),
        ({"arm": "paraphrase", "paraphrases": 0}, "this is arm raw"),
        ({"arm": "raft", "gold_share": 1.5}, "gold_share: 1.5: a share is from 0 to 1"),
        ({"arm": "raft", "distractors": -1}, "distractors: -1: must be at least 0"),
        ({"arm": "instruct"}, "arm instruct needs `data`"),
        ({"arm": "mix", "replay_share": 0.5, "qa_share": 0.5, "data": "x"}, "their sum must be below 1"),
        ({"num_train_epochs": 1.5}, "num_train_epochs: 1.5: whole epochs"),
        ({"arm": None}, "no arm: choose one of raw, repeat"),
        ({"model_name_or_path": None}, "no model_name_or_path"),
        ({"learning_rate": None}, "learning_rate: null: not a value"),
    ],
)
def test_what_does_not_go_together_is_refused(write_recipe, values, match):
    with pytest.raises(UserError, match=match):
        load_recipe(write_recipe(**values))


def test_a_recipe_is_matched_to_a_shipped_one_by_its_name(write_recipe):
    reference = load_recipe(write_recipe(arm="qa", match="steps", match_to="paraphrase"), ["--seed", "4"]).reference
    assert (reference.name, reference.path) == ("paraphrase", shipped_recipes()["paraphrase"])
    assert (reference.data.arm, reference.training.seed) == ("paraphrase", 4)


def test_overrides_are_words_by_setting_the_last_mention_counting():
    words = ["--lora-r=4", "--seed", "1", "--use_peft", "--lora_target_modules", "q", "v", "--seed", "2"]
    overrides = parse_overrides(words)
    assert overrides == {
        "lora_r": ("--lora-r=4",),
        "use_peft": ("--use_peft",),
        "lora_target_modules": ("--lora_target_modules", "q", "v"),
        "seed": ("--seed", "2"),
    }
    assert words_of(without(overrides, {"lora_target_modules"})) == ["--lora-r=4", "--use_peft", "--seed", "2"]


def test_of_a_setting_given_and_negated_the_last_mention_counts(write_recipe):
    words = ["--remove_unused_columns", "--no_remove_unused_columns"]
    assert load_recipe(write_recipe(), words).training.remove_unused_columns is False
    assert load_recipe(write_recipe(), [*words, words[0]]).training.remove_unused_columns is True


def test_a_file_that_is_no_recipe_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no such recipe file; kinj ships .*paraphrase.*raw"):
        load_recipe(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("arm: [raw\n")
    with pytest.raises(UserError, match=r"broken.yaml: not YAML"):
        load_recipe(broken)
    broken.write_text("- arm\n")
    with pytest.raises(UserError, match="expected a mapping"):
        load_recipe(broken)


def test_values_to_search_are_typed_and_named_like_settings(write_recipe, tmp_path):
    path = tmp_path / "search.yaml"
    path.write_text(write_recipe().read_text() + "search:\n  learning_rate: [1e-6, 5e-5]\n  num_train_epochs: [1, 2]\n")
    assert load_recipe(path).search == {"learning_rate": [1e-6, 5e-5], "num_train_epochs": [1.0, 2.0]}
    path.write_text(write_recipe().read_text() + "search:\n  learnin_rate: [1]\n")
    with pytest.raises(UserError, match="search: no setting is called 'learnin_rate'; did you mean 'learning_rate'"):
        load_recipe(path)
    path.write_text(write_recipe().read_text() + "search: 3\n")
    with pytest.raises(UserError, match="search: expected settings"):
        load_recipe(path)


def test_stages_start_from_one_another_and_share_what_stands_outside_them(write_recipe, tmp_path):
    raw = write_recipe("raw", arm="raw", learning_rate=1e-4, output_dir="unused", layout="joined")
    path = write_recipe(
        "two",
        paraphrases=2,
        stages=[{"recipe": raw.name, "num_train_epochs": 5}, {"arm": "paraphrase", "learning_rate": 3e-6}],
    )
    recipe = load_recipe(path, ["--seed", "7"])
    first, second = recipe.stages
    out = tmp_path / "out"
    assert (first.data.arm, first.training.output_dir) == ("raw", str(out / "stage-1-raw"))
    assert (second.data.arm, second.training.output_dir) == ("paraphrase", str(out))
    assert second.model.model_name_or_path == str(out / "stage-1-raw")
    assert first.base == second.base
    assert first.base.name == first.model.model_name_or_path
    assert (first.training.num_train_epochs, second.training.num_train_epochs) == (5, 2)
    assert (first.training.learning_rate, second.training.learning_rate) == (1e-4, 3e-6)
    assert first.training.seed == second.training.seed == 7
    assert second.data.paraphrases == 2
    assert recipe.training is second.training


@pytest.mark.parametrize(
    ("values", "words", "match"),
    [
        ({"stages": []}, [], "stages: expected a list"),
        ({"stages": [{"arm": "raw"}], "arm": "raw"}, [], "arm is given outside"),
        ({"stages": [{"arm": "raw"}]}, ["--arm", "qa"], "arm is given outside"),
        ({"stages": [{"arm": "raw"}], "gold_share": 0.5}, [], "gold_share is given, but no stage reads it"),
        ({"stages": [{"arm": "raw"}]}, ["--gold_share", "0.5"], "gold_share is given, but no stage reads it"),
        ({"stages": [{"stages": []}]}, [], "stages inside stages"),
        ({"stages": [{"arm": "raw"}], "search": {"seed": [1]}}, [], "choose the settings of one stage"),
    ],
)
def test_stages_that_do_not_go_together_are_refused(write_recipe, values, words, match):
    with pytest.raises(UserError, match=match):
        load_recipe(write_recipe(**values), words)


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_opens_with_its_command_and_loads(name):
    path = find_recipe(Path(name))
    first = path.read_text().splitlines()[0]
    assert first.startswith((f"# kinj train {name}.yaml", "# accelerate launch"))
    assert f"{name}.yaml" in first
    recipe = load_recipe(name)
    assert recipe.path == path
    for stage in recipe.stages or (recipe,):
        json.dumps(stage.given, default=str)


def test_there_is_a_recipe_for_every_arm_and_for_both_orders_of_stages():
    arms = {yaml.safe_load(path.read_text()).get("arm") for path in shipped_recipes().values()}
    assert arms == {"raw", "repeat", "paraphrase", "qa", "instruct", "raft", "mix", None}
    order = {name: [s.data.arm for s in load_recipe(name).stages] for name in shipped_recipes()}
    assert order["raw-then-instruct"] == ["raw", "instruct"]
    assert order["questions-first-then-documents"] == ["qa", "paraphrase"]


def test_the_docs_table_has_each_key_of_ours_with_the_arms_that_read_it_and_its_default():
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    table = page.split("### Keys of ours")[1].split("\n### ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line[:3] == "| `"]
    documented = {key.strip("`"): (arms, default) for key, arms, default, _ in rows}

    def arms_of(key):
        readers = [arm for arm, keys in ARM_KEYS.items() if key in keys]
        return ", ".join(readers) or "all"

    def shown(value):
        return "null" if value is None else str(value)

    assert documented == {field.name: (arms_of(field.name), shown(field.default)) for field in fields(DataSettings)}
