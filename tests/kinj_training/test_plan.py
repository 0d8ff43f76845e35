import shutil

import pytest
from transformers import AutoTokenizer

from kinj.errors import UserError
from kinj_training.base import load_tokenizer
from kinj_training.plan import make_plan
from kinj_training.recipe.loading import load_recipe
from kinj_training.texts.tokens import NO_LOSS


def plan(recipe, world_size=1):
    return make_plan(recipe, load_tokenizer(recipe.base), world_size)


def test_every_token_given_stands_in_a_block_and_is_learnt_but_for_first_ones(write_recipe):
    made = plan(load_recipe(write_recipe(arm="paraphrase", paraphrases=3)))
    assert made.counts["texts"] == 9 * 4
    held = sum(len(block.input_ids) for block in made.blocks)
    assert held == made.counts["tokens"] + made.counts["tokens_read_again"]
    assert sum(block.targets for block in made.blocks) == made.counts["targets"] == made.counts["tokens"] - 36


def test_a_text_longer_than_a_block_goes_on_in_another_and_loses_no_target(write_recipe):
    whole = plan(load_recipe(write_recipe(), ["--layout", "single"]))
    cut = plan(load_recipe(write_recipe(max_length=16)))
    assert cut.counts["tokens"] == whole.counts["tokens"]
    assert cut.counts["targets"] == whole.counts["targets"]
    assert cut.counts["tokens_read_again"] > 0
    assert max(len(block.input_ids) for block in cut.blocks) <= 16


def test_the_joined_layout_is_one_stream_cut_every_max_length_tokens(write_recipe):
    recipe = load_recipe(write_recipe(layout="joined", max_length=32))
    made = plan(recipe)
    assert [len(block.input_ids) for block in made.blocks[:-1]] == [32] * (len(made.blocks) - 1)
    assert made.counts["tokens_read_again"] == 0
    stream = [token for block in made.blocks for token in block.input_ids]
    tokenizer = load_tokenizer(recipe.base)
    text = tokenizer.decode(stream)
    assert text.startswith("<s>The water tower")
    assert text.endswith("voted for it.</s>")
    assert text.count("</s><s>") == 8
    assert all(label != NO_LOSS for block in made.blocks for label in block.labels)


def test_repeat_takes_exactly_the_steps_and_blocks_of_its_paraphrase_arm(write_recipe):
    shared = {"paraphrases": 4, "split": "test"}
    repeat = plan(load_recipe(write_recipe("repeat", arm="repeat", match="steps", **shared)))
    paraphrase = plan(load_recipe(write_recipe("paraphrase", arm="paraphrase", **shared)))
    assert repeat.steps == paraphrase.steps
    assert len(repeat.blocks) == len(paraphrase.blocks)
    assert set(repeat.counts["kinds"]) == {"chunk"}
    assert repeat.counts["matched"]["name"] == "paraphrase-4"


def test_steps_follow_from_blocks_batch_epochs_and_processes(write_recipe):
    recipe = load_recipe(write_recipe(max_length=64, layout="single", num_train_epochs=3))
    assert plan(recipe).steps == 5 * 3  # nine texts, two to a batch
    assert plan(recipe, world_size=2).steps == 3 * 3


def test_the_same_recipe_gives_the_same_plan_and_another_seed_another(write_recipe):
    path = write_recipe(arm="paraphrase", paraphrases=2)
    first, second = plan(load_recipe(path)), plan(load_recipe(path))
    assert first.sha256 == second.sha256
    assert plan(load_recipe(path, ["--output_dir", "elsewhere", "--logging_steps", "3"])).sha256 == first.sha256
    assert plan(load_recipe(path, ["--data_seed", "1"])).sha256 != first.sha256
    assert plan(load_recipe(path, ["--learning_rate", "3e-5"])).sha256 != first.sha256


def test_held_out_texts_are_validation_paraphrases_of_the_injected_documents_only(write_recipe):
    path = write_recipe(arm="paraphrase", paraphrases=4)
    assert plan(load_recipe(path)).counts["held_out"]["texts"] == 2
    test = plan(load_recipe(path, ["--split", "test"]))
    assert test.held_out == []
    ids = {text_id for block in plan(load_recipe(path)).blocks for text_id in block.text_ids}
    assert not [text_id for text_id in ids if text_id.endswith(".p4")]


@pytest.mark.parametrize(
    ("warmup", "epochs", "steps", "idle"),
    [
        (0.03, 1, 0, 0),  # rounded up it would be the first of 5 steps, at learning rate 0
        (0.03, 7, 2, 1),  # 1.05 of 35, rounded up as transformers does
        (0, 1, 0, 0),
        (2, 1, 2, 1),
    ],
)
def test_a_warm_up_of_less_than_a_step_is_none_and_steps_at_rate_0_are_counted(
    warmup, epochs, steps, idle, write_recipe
):
    recipe = load_recipe(write_recipe(layout="single", warmup_steps=warmup, num_train_epochs=epochs))
    counts = plan(recipe).counts
    assert (counts["warmup_steps"], counts["idle_steps"]) == (steps, idle)
    if steps:
        assert steps == recipe.training.get_warmup_steps(counts["steps"])


def test_a_training_that_would_learn_nothing_is_refused(write_recipe):
    one_step = write_recipe(split="dev", num_train_epochs=1, warmup_steps=1)
    with pytest.raises(UserError, match=r"warmup_steps: 1.*: all 1 steps would have learning rate 0"):
        plan(load_recipe(one_step))
    for kind in ("cosine", "constant_with_warmup", "inverse_sqrt", "polynomial", "constant", "reduce_lr_on_plateau"):
        kinds = {"lr_scheduler_type": kind, "eval_strategy": "epoch"}
        path = write_recipe(split="dev", num_train_epochs=1, warmup_steps=0.03, **kinds)
        assert plan(load_recipe(path)).counts["idle_steps"] == 0


def test_a_tokenizer_with_one_token_more_than_the_model_is_refused_where_a_text_has_it(
    write_recipe, tiny_model, training_collection, tmp_path
):
    model, towers = (shutil.copytree(folder, tmp_path / folder.name) for folder in (tiny_model, training_collection))
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["Arvada"])
    tokenizer.save_pretrained(model)
    recipe = load_recipe(write_recipe(model_name_or_path=str(model), collection=str(towers)))
    added = tokenizer.convert_tokens_to_ids("Arvada")
    with pytest.raises(UserError, match=rf"{model}: its tokenizer gives token {added} \('Arvada'\), but its"):
        make_plan(recipe, tokenizer, 1)
    # The documents of dev do not have it.
    assert make_plan(load_recipe(recipe.path, ["--split", "dev"]), tokenizer, 1).steps
