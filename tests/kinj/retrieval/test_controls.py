from __future__ import annotations

import pytest

from kinj.errors import UserError
from kinj.records import Query
from kinj.retrieval import open_retriever

ARMS = ("gold", "gold+distractors", "distractors")


@pytest.fixture
def index(indexed):
    return indexed(*[f"red fox number {i}" for i in range(12)], per_document=2).folder


def test_gold_gives_the_chunks_that_the_query_names_in_their_order(index, ids):
    found = open_retriever("gold", index=index).search([Query("who?", ("c05", "c02")), Query("who?", ("c01",))], 3)
    assert ids(found) == [["c05", "c02"], ["c01"]]


def test_gold_gives_no_more_than_k(index, ids):
    assert ids(open_retriever("gold", index=index).search([Query("who?", ("c05", "c02", "c01"))], 2)) == [
        ["c05", "c02"]
    ]


def test_distractors_are_bm25s_best_of_other_documents(index, ids):
    query = Query("red fox number 4", ("c04",))
    [ranked] = ids(open_retriever("bm25", index=index).search([query], 12))
    found = open_retriever("distractors", index=index).search([query], 3)
    assert ids(found) == [[one for one in ranked if one not in ("c04", "c05")][:3]]
    assert [p.rank for p in found[0]] == [1, 2, 3]


def test_distractors_are_found_below_a_gold_document_of_any_length(chunks, tmp_path, ids):
    from kinj.retrieval import build_index

    made = chunks(*["red red fox"] * 90, per_document=90) + chunks(*["a fox"] * 93, per_document=90)[90:]
    build_index(made, tmp_path / "index")
    found = open_retriever("distractors", index=tmp_path / "index").search([Query("red fox", ("c00",))], 2)
    assert ids(found) == [["c90", "c91"]]


def test_gold_among_distractors_counts_k_in_total(index, ids):
    retriever = open_retriever("gold+distractors", index=index)
    [found] = ids(retriever.search([Query("red fox number 4", ("c04",), "q")], 4))
    [others] = ids(open_retriever("distractors", index=index).search([Query("red fox number 4", ("c04",), "q")], 3))
    assert len(found) == 4
    assert [one for one in found if one != "c04"] == others
    assert ids(retriever.search([Query("red fox number 4", ("c04",), "q")], 1)) == [["c04"]]


def test_the_seed_draws_golds_place_and_every_place_comes_up(index, ids):
    query = Query("red fox", ("c04",), "q1")

    def place(seed, query=query):
        [found] = ids(open_retriever("gold+distractors", index=index, seed=seed).search([query], 4))
        return found.index("c04")

    places = [place(seed) for seed in range(20)]
    assert set(places) == {0, 1, 2, 3}
    assert places == [place(seed) for seed in range(20)]


def test_golds_place_depends_on_the_query_and_not_on_its_neighbours(index, ids):
    retriever = open_retriever("gold+distractors", index=index, seed=3)
    queries = [Query("red fox", ("c04",), f"q{i}") for i in range(8)]
    together = ids(retriever.search(queries, 4))
    assert together == ids(retriever.search(queries[::-1], 4))[::-1]
    assert len({found.index("c04") for found in together}) > 1


def test_the_seed_is_part_of_the_fingerprint_only_where_it_draws(index):
    def prints(name):
        return {open_retriever(name, index=index, seed=seed).fingerprint for seed in (0, 1)}

    assert [len(prints(name)) for name in ("gold", "gold+distractors", "distractors", "bm25")] == [1, 2, 1, 1]


@pytest.mark.parametrize("arm", ARMS)
def test_a_query_without_known_chunks_is_refused_by_its_name(index, arm):
    with pytest.raises(UserError, match="query 'q9' does not say which chunks hold its answer"):
        open_retriever(arm, index=index).search([Query("red", ("c01",), "q1"), Query("fox", (), "q9")], 2)


@pytest.mark.parametrize("arm", ARMS)
def test_a_gold_chunk_that_the_index_lacks_is_refused(index, arm):
    with pytest.raises(UserError, match="no chunk 'other#1': index the collection that the questions came from"):
        open_retriever(arm, index=index).search([Query("red", ("other#1",))], 2)
