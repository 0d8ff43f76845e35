from __future__ import annotations

from kinj.records import Passage
from kinj.retrieval.fusion import fuse


def ranking(*ids):
    return [Passage(one, "d", one.upper(), 9.0 - rank, rank) for rank, one in enumerate(ids, 1)]


def test_the_score_is_the_sum_of_one_over_sixty_plus_rank():
    fused = fuse([ranking("a", "b"), ranking("c", "a")], 3)
    assert [(p.chunk_id, p.score, p.rank) for p in fused] == [
        ("a", 1 / 61 + 1 / 62, 1),
        ("c", 1 / 61, 2),
        ("b", 1 / 62, 3),
    ]
    assert fused[0].text == "A"


def test_ties_go_to_the_smaller_chunk_id():
    assert [p.chunk_id for p in fuse([ranking("z", "a"), ranking("a", "z")], 2)] == ["a", "z"]


def test_one_empty_ranking_leaves_the_other():
    assert [p.chunk_id for p in fuse([[], ranking("b", "a")], 5)] == ["b", "a"]
