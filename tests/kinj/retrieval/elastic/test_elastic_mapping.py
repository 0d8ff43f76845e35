"""How vectors are kept on Elasticsearch where the user does not say."""

from __future__ import annotations

from kinj.retrieval.elastic.mapping import EXACT_CHUNKS, vector_mapping, vector_options


def test_few_vectors_are_kept_flat_and_more_in_a_graph_whose_best_are_compared_whole():
    assert vector_options(None, EXACT_CHUNKS) == {"type": "flat"}
    options = vector_options(None, EXACT_CHUNKS + 1)
    graph = {"type": "bbq_hnsw", "m": 16, "ef_construction": 100}
    assert options == {**graph, "num_candidates": 500, "oversample": 3}
    field = vector_mapping(options, 384)["vector"]
    assert field["index_options"] == {**graph, "rescore_vector": {"oversample": 3}}


def test_a_graph_of_whole_vectors_is_not_compared_again():
    assert vector_options("hnsw", 10) == {"type": "hnsw", "m": 16, "ef_construction": 100, "num_candidates": 500}
