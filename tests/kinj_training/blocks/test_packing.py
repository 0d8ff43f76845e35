import random

import pytest

from kinj_training.blocks.packing import lay_out
from kinj_training.texts.tokens import NO_LOSS, Tokens


def text(name, length, start=0):
    ids = tuple(range(start, start + length))
    return Tokens(name, "chunk", ids, ids, has_prompt=False)


@pytest.fixture
def texts():
    draw = random.Random(0)
    lengths = [draw.randint(2, 90) for _ in range(200)]
    return [text(f"t{i}", length, sum(lengths[:i])) for i, length in enumerate(lengths)]


@pytest.mark.parametrize("layout", ["packed", "single"])
def test_packed_and_single_blocks_hold_every_target_of_every_text_once(texts, layout):
    blocks = lay_out(layout, texts, 64)
    assert sum(block.targets for block in blocks) == sum(text.targets for text in texts)
    labels = sorted(label for block in blocks for label in block.labels if label != NO_LOSS)
    assert labels == sorted(label for text in texts for label in text.labels)
    assert max(len(block.input_ids) for block in blocks) <= 64
    assert all(sum(block.lengths) == len(block.input_ids) == len(block.labels) for block in blocks)
    assert all(len(block.lengths) == len(block.text_ids) for block in blocks)


def test_packed_blocks_are_nearly_full_and_single_ones_hold_one_text_each(texts):
    packed = lay_out("packed", texts, 256)
    held = sum(len(block.input_ids) for block in packed)
    assert held / (len(packed) * 256) > 0.97
    assert all(len(block.lengths) == 1 for block in lay_out("single", texts, 256))


def test_more_texts_never_make_fewer_blocks(texts):
    counts = [len(lay_out("packed", texts[:n], 96)) for n in range(1, len(texts))]
    assert counts == sorted(counts)


def test_a_continued_text_reads_its_last_token_again_and_learns_it_once():
    first, second, third = lay_out("single", [text("t", 10)], 4)
    assert (first.input_ids, first.labels) == ((0, 1, 2, 3), (0, 1, 2, 3))
    assert (second.input_ids, second.labels) == ((3, 4, 5, 6), (NO_LOSS, 4, 5, 6))
    assert (third.input_ids, third.labels) == ((6, 7, 8, 9), (NO_LOSS, 7, 8, 9))


def test_a_text_of_exactly_one_block_is_one_block():
    [block] = lay_out("packed", [text("t", 4)], 4)
    assert (block.input_ids, block.lengths) == ((0, 1, 2, 3), (4,))


def test_the_joined_stream_keeps_order_and_the_last_short_block():
    blocks = lay_out("joined", [text("a", 5), text("b", 6, 5)], 4)
    assert [block.input_ids for block in blocks] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10)]
    assert [block.text_ids for block in blocks] == [("a",), ("a", "b"), ("b",)]
    assert all(block.lengths == (len(block.input_ids),) for block in blocks)


def test_a_joined_stream_whose_last_block_is_one_token_learns_it_too():
    blocks = lay_out("joined", [text("a", 9)], 4)
    assert (blocks[-1].input_ids, blocks[-1].labels) == ((7, 8), (NO_LOSS, 8))
