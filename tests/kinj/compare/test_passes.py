"""One retrieval for several k, exactly where the ranking of k is the head of the longer one."""

import pytest

from kinj.compare.passes import takes_head
from kinj.compare.plan import ReadingArm
from kinj.jsonl import read_records
from kinj.records import Chunk, Query, Question
from kinj.retrieval import RETRIEVERS, build_index, open_retriever


@pytest.fixture(scope="module")
def index(collection, tiny_embedder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "towers"
    build_index(list(read_records(collection / "chunks.jsonl", Chunk)), folder, str(tiny_embedder))
    return folder


@pytest.fixture(scope="module")
def queries(collection):
    questions = read_records(collection / "questions.jsonl", Question)
    return [Query(question.question, question.chunk_ids, question.id) for question in questions]


@pytest.mark.parametrize("retriever", [name for name in RETRIEVERS if name not in ("gold+distractors", "all")])
def test_fewer_passages_are_the_head_of_more(index, queries, retriever):
    opened = open_retriever(retriever, index=index)
    longest = opened.search(queries, 7)
    for k in (1, 2, 3, 5):
        assert takes_head(ReadingArm(retriever=retriever, k=(k,)), k)
        assert opened.search(queries, k) == [ranking[:k] for ranking in longest]


def test_gold_among_distractors_is_searched_for_each_k(index, queries):
    opened = open_retriever("gold+distractors", index=index)
    assert opened.search(queries, 2) != [ranking[:2] for ranking in opened.search(queries, 5)]
    assert not takes_head(ReadingArm(retriever="gold+distractors", k=(2,)), 2)


def test_hybrid_is_searched_for_each_k_beyond_the_depth_of_its_fusion():
    arm = ReadingArm(retriever="hybrid", k=(100, 101))
    assert [takes_head(arm, k) for k in (100, 101)] == [True, False]


def test_nearest_neighbours_on_a_cluster_are_searched_for_each_k():
    assert not takes_head(ReadingArm(retriever="dense", index="elasticsearch:towers"), 3)
    assert takes_head(ReadingArm(retriever="bm25", index="elasticsearch:towers"), 3)


def test_all_k_models_and_arms_share_one_pass(comparison):
    made = comparison(reading=["none", {"retriever": "bm25", "k": [1, 3]}, {"name": "o", "retriever": "bm25", "k": 5}])
    [one] = made.passes
    assert one.settings["k"] == 5
    assert {planned.passages for planned in made.cells if planned.cell.k} == {one.id}


def test_placement_needs_no_pass_of_its_own_and_another_query_does(comparison):
    arm = {"retriever": "bm25", "k": [1]}
    placed = comparison(reading=["none", arm, {**arm, "name": "p", "placement": "question", "order": "best_last"}])
    assert len(placed.passes) == 1
    asked = comparison(reading=["none", arm, {**arm, "name": "q", "query": "question+options"}])
    assert len(asked.passes) == 2


def test_gold_among_distractors_has_a_pass_for_each_k(comparison):
    made = comparison(reading=["none", {"retriever": "gold+distractors", "k": [2, 3]}])
    assert sorted(one.settings["k"] for one in made.passes) == [2, 3]
