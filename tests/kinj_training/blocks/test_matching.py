import pytest

from kinj.errors import UserError
from kinj_training.base import load_tokenizer
from kinj_training.plan import make_plan
from kinj_training.recipe.loading import load_recipe


def plan(path, *words):
    recipe = load_recipe(path, words)
    return make_plan(recipe, load_tokenizer(recipe.base), 1)


@pytest.mark.parametrize("layout", ["packed", "joined", "single"])
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_repeat_has_the_steps_and_blocks_of_its_paraphrase_arm_in_every_layout(write_recipe, layout, seed):
    words = ("--layout", layout, "--seed", seed, "--max_length", "64")
    repeat = plan(write_recipe("repeat", arm="repeat", paraphrases=3, match="steps"), *words)
    paraphrase = plan(write_recipe("paraphrase", arm="paraphrase", paraphrases=3), *words)
    assert repeat.steps == paraphrase.steps
    assert len(repeat.blocks) == len(paraphrase.blocks)


def test_every_text_is_repeated_as_often_as_any_other_but_for_the_last_copy(write_recipe):
    made = plan(write_recipe(arm="repeat", paraphrases=4, match="steps", layout="single"))
    ids = [block.text_ids[0] for block in made.blocks]
    counts = {ids.count(text_id) for text_id in ids}
    assert max(counts) - min(counts) <= 1
    assert made.counts["distinct_texts"] == 9


def test_matching_by_tokens_comes_within_half_a_text(write_recipe):
    repeat = plan(write_recipe("repeat", arm="repeat", paraphrases=4, match="tokens")).counts
    paraphrase = plan(write_recipe("paraphrase", arm="paraphrase", paraphrases=4)).counts
    longest = 60
    assert abs(repeat["tokens"] - paraphrase["tokens"]) <= longest / 2


def test_any_arm_is_matched_to_any_recipe_under_the_command_lines_same_words(write_recipe):
    write_recipe("target", arm="paraphrase", paraphrases=4)
    path = write_recipe("qa", arm="qa", match="steps", match_to="target.yaml")
    for words in ((), ("--split", "test"), ("--max_length", "96", "--num_train_epochs", "3")):
        matched = plan(path, *words)
        assert matched.steps == plan(path.parent / "target.yaml", *words).steps
        assert matched.counts["kinds"].keys() == {"pair"}
        assert matched.counts["matched"]["name"] == "target"


def test_an_arm_with_more_texts_than_its_target_is_shortened(write_recipe):
    write_recipe("target", arm="raw", split="dev")
    made = plan(write_recipe("long", arm="paraphrase", paraphrases=4, match="steps", match_to="target.yaml"))
    assert made.steps == plan(write_recipe("target", arm="raw", split="dev")).steps
    assert made.counts["texts"] < 45


def test_other_epochs_share_the_targets_steps_or_are_refused(write_recipe):
    write_recipe("target", arm="paraphrase", paraphrases=4, layout="single", num_train_epochs=1)  # 45 texts, 23 steps
    path = write_recipe("own", match="steps", match_to="target.yaml", num_train_epochs=23)
    assert plan(path).steps == 23
    with pytest.raises(UserError, match="target takes 23 steps, which 2 epochs cannot share evenly"):
        plan(write_recipe("own", match="steps", match_to="target.yaml", num_train_epochs=2))


def test_steps_that_no_number_of_texts_gives_are_refused(write_recipe):
    # Each text fills many blocks of two tokens, and a step is one block, so whole texts step over the target.
    write_recipe("target", arm="qa", layout="single", split="dev", gradient_accumulation_steps=1)
    path = write_recipe("own", match="steps", match_to="target.yaml", max_length=8, gradient_accumulation_steps=1)
    with pytest.raises(UserError, match="raise max_length"):
        plan(path)


def test_a_target_that_is_matched_itself_is_refused(write_recipe):
    write_recipe("other", match="steps", match_to="own.yaml")
    with pytest.raises(UserError, match="is matched itself, or has stages"):
        plan(write_recipe("own", match="steps", match_to="other.yaml"))


def test_the_recipe_to_match_is_read_with_the_recipe_and_planning_opens_no_recipe_file(write_recipe):
    target = write_recipe("target", arm="paraphrase", paraphrases=4)
    steps = plan(target).steps
    recipe = load_recipe(write_recipe("qa", arm="qa", match="steps", match_to="target.yaml"))
    target.unlink()
    recipe.path.unlink()
    assert make_plan(recipe, load_tokenizer(recipe.base), 1).steps == steps


@pytest.mark.parametrize("by", ["steps", "tokens"])
def test_where_nothing_is_left_to_learn_matching_ends_with_that(by, write_recipe):
    path = write_recipe("own", arm="qa", unfit="leave_out", max_length=30, match=by, match_to="target.yaml")
    write_recipe("target")
    with pytest.raises(UserError, match=r"nothing is left to learn: all 18 texts were left out \(18 by unfit"):
        plan(path)
