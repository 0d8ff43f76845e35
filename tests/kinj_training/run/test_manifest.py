"""A finished folder's manifest carries what a report needs, and the docs say every key of it."""

import re
from pathlib import Path

import pytest

from kinj.checkpoint import fingerprint, read_training

DOCS = Path(__file__).parents[3] / "docs" / "training.md"
#: the keys whose own keys the table lists too
NESTED = ("base", "data", "lora", "seeds")


def documented_keys():
    table = DOCS.read_text().split("## The manifest")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def keys_of(told):
    flat = {key for key in told if key not in NESTED}
    return flat | {f"{key}.{inner}" for key in NESTED for inner in told[key] or ()}


@pytest.fixture
def train_lora(write_recipe, kinj_train):
    def train(**values):
        lora = {"use_peft": True, "lora_r": 4, "lora_alpha": 12, "lora_dropout": 0.25, "num_train_epochs": 1}
        done = kinj_train(write_recipe("towers-lora", arm="paraphrase", paraphrases=1, split="dev", **lora, **values))
        assert done.code == 0, done.output

    return train


def test_the_manifest_of_an_adapters_training_names_recipe_texts_and_lora(
    train_lora, manifest, training_collection, tmp_path
):
    train_lora(lora_target_modules=["v_proj", "q_proj"], seed=7)
    told = manifest(tmp_path / "out")
    assert (told["recipe"], told["arm"], told["split"]) == ("towers-lora", "paraphrase", "dev")
    assert told["collection"] == str(training_collection)
    assert told["lora"] == {"r": 4, "alpha": 12, "dropout": 0.25, "target_modules": ["q_proj", "v_proj"]}
    assert told["seeds"] == {"seed": 7, "data_seed": 7}
    assert told["fingerprint"] == fingerprint(tmp_path / "out") != told["base"]["fingerprint"]
    assert keys_of(told) == documented_keys()


def test_lora_modules_that_nobody_names_are_those_that_peft_chose(train_lora, manifest, tmp_path):
    train_lora()
    assert manifest(tmp_path / "out")["lora"]["target_modules"] == ["q_proj", "v_proj"]


def test_the_manifest_of_a_full_training_has_no_lora_and_is_known_as_a_trainings(
    write_recipe, kinj_train, manifest, tiny_model, tmp_path
):
    assert kinj_train(write_recipe(num_train_epochs=1)).code == 0
    told = manifest(tmp_path / "out")
    assert told["lora"] is None
    assert (told["recipe"], told["split"]) == ("recipe", None)
    assert told["base"] == {"name": str(tiny_model), "fingerprint": fingerprint(tiny_model), "commit": None}
    assert keys_of(told) == {key for key in documented_keys() if not key.startswith("lora.")}
    assert read_training(tmp_path / "out") == told
