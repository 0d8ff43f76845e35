"""Blocks as a model gets them: no part reads another, and every token counts once."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from kinj.errors import UserError
from kinj_training.blocks.block import Block
from kinj_training.blocks.collator import COLUMNS, BlockCollator, to_dataset
from kinj_training.blocks.schedule import EpochSampler, Schedule
from kinj_training.run.probe import refuse_leaking
from kinj_training.texts.tokens import NO_LOSS


def block(*parts, first=0):
    ids = tuple(range(first, first + sum(parts)))
    return Block(tuple(f"t{first + i}" for i in range(len(parts))), ids, ids, tuple(parts))


def rows(*blocks):
    return [{name: list(getattr(row, name)) for name in COLUMNS} for row in blocks]


def logits(model, batch):
    with torch.no_grad():
        return model(**{k: v for k, v in batch.items() if k in ("input_ids", "position_ids")}, use_cache=False).logits


@pytest.fixture(scope="module")
def load():
    return lambda folder: AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("flat", [False, True])
def test_a_packed_row_gives_each_part_the_logits_it_has_alone(flat, tiny_model, load):
    model, blocks = load(tiny_model), (block(5, 9, 3, first=10), block(7, 2, first=40))
    packed = logits(model, BlockCollator(flat)(rows(*blocks)))
    if flat:
        packed = packed[0].split([17, 9])
    for row, seen in zip(blocks, packed, strict=True):
        start = 0
        for length in row.lengths:
            alone = logits(model, {"input_ids": torch.tensor([row.input_ids[start : start + length]])})[0]
            torch.testing.assert_close(seen[start : start + length], alone, atol=1e-4, rtol=1e-4)
            start += length


@pytest.mark.parametrize("flat", [False, True])
def test_the_first_token_of_a_part_and_padding_are_no_targets_and_the_count_is_the_blocks_own(flat):
    blocks = (block(5, 9, 3, first=10), block(7, 2, first=40), block(4, first=60))
    batch = BlockCollator(flat)(rows(*blocks))
    assert batch["labels"][:, 1:].ne(NO_LOSS).sum() == sum(row.targets for row in blocks) == 24
    assert batch["tokens"] == 30
    assert batch["text_ids"] == ["t10", "t11", "t12", "t40", "t41", "t60"]


def test_rows_of_one_part_need_no_positions():
    batch = BlockCollator()(rows(block(4), block(3)))
    assert set(batch) == {"input_ids", "labels", "text_ids", "tokens"}
    assert batch["labels"].tolist() == [[NO_LOSS, 1, 2, 3], [NO_LOSS, 1, 2, NO_LOSS]]


def test_blank_rows_make_the_batches_even_and_hold_nothing():
    dataset = to_dataset([block(4), block(3), block(5)], share=2)
    assert len(dataset) == 4
    blank = BlockCollator()([dataset[3]])
    assert blank["labels"].ne(NO_LOSS).sum() == blank["tokens"] == len(blank["text_ids"]) == 0


def test_an_epochs_order_depends_on_seed_and_epoch_alone_and_holds_every_block_once():
    schedule = Schedule(blocks=20, batch=3, seed=4, shuffled=True)
    orders = [schedule.order(epoch) for epoch in range(3)]
    assert [sorted(order) for order in orders] == [list(range(20))] * 3
    assert orders[0] != orders[1] != orders[2]
    # Resumed in the second epoch, a new sampler draws the second epoch's order; blank rows stay last.
    assert list(EpochSampler(schedule, 21, lambda: 9)) == [*orders[1], 20]
    assert Schedule(20, 3, 5, shuffled=True).order(0) != orders[0] != Schedule(20, 3, 3, shuffled=True).order(1)


def test_the_planned_count_covers_a_part_of_an_epoch():
    blocks = [block(n + 2) for n in range(5)]
    schedule = Schedule(blocks=5, batch=2, seed=0, shuffled=False)
    assert schedule.steps_per_epoch == 3
    assert schedule.token_count(blocks, 6) == (2 * 20, 2 * 15)
    assert schedule.token_count(blocks, 4) == (20 + 5, 15 + 3)


def test_a_model_that_keeps_texts_apart_is_accepted(tiny_model, load):
    model = load(tiny_model).train()
    refuse_leaking(model, flat=False)
    refuse_leaking(model, flat=True)
    assert model.training


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MambaConfig", {"state_size": 4, "conv_kernel": 4}),  # a state runs through the row
        ("OPTConfig", {"ffn_dim": 96, "word_embed_proj_dim": 48}),  # its positions come from the mask
    ],
)
def test_a_model_whose_texts_read_each_other_is_refused(name, settings, make_tiny_model, load):
    with pytest.raises(UserError, match=r"models let packed texts read each other .*layout: single"):
        refuse_leaking(load(make_tiny_model(name, **settings)), flat=False)
