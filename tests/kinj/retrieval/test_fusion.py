from __future__ import annotations

from kinj.retrieval.fusion import fuse
from kinj.retrieval.index import Candidate


def ranking(*ids):
    return [Candidate(one, 9.0 - rank) for rank, one in enumerate(ids, 1)]


def test_the_score_is_the_sum_of_one_over_sixty_plus_rank():
    fused = fuse([ranking("a", "b"), ranking("c", "a")], 3)
    assert fused == [("a", 1 / 61 + 1 / 62), ("c", 1 / 61), ("b", 1 / 62)]


def test_ties_go_to_the_smaller_chunk_id():
    assert [p.chunk_id for p in fuse([ranking("z", "a"), ranking("a", "z")], 2)] == ["a", "z"]


def test_one_empty_ranking_leaves_the_other():
    assert [p.chunk_id for p in fuse([[], ranking("b", "a")], 5)] == ["b", "a"]
