"""Searching a real cluster: the same words, scores and order as the embedded index, in one request, or an error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinj.errors import UserError
from kinj.records import Query
from kinj.retrieval import build_elastic_index, find_embedder, open_retriever
from kinj.retrieval.elastic import index as elastic_index
from kinj.retrieval.elastic import search as elastic_search
from kinj.retrieval.elastic.connection import Connection, connect
from kinj.retrieval.local.bm25 import _analyser

TEXTS = [
    f"The tower of {city} was painted {color}." for city in ("Arvada", "Ithaca") for color in ("blue", "gold", "dun")
]


@pytest.fixture
def cluster(elasticsearch_server, monkeypatch: pytest.MonkeyPatch) -> Connection:
    for name, value in elasticsearch_server.environment.items():
        monkeypatch.setenv(name, value)
    return connect()


@pytest.fixture
def built(cluster, chunks) -> Callable[..., str]:
    def build(*texts: str, embedder: object = None, **settings: Any) -> str:
        build_elastic_index(chunks(*texts), "searched", embedder and str(embedder), overwrite=True, **settings)
        return "elasticsearch:searched"

    return build


@pytest.mark.parametrize(
    "text",
    [
        "The Running Dogs, and THE cat's toys",
        "foo_bar 3.14 e-mail A.B.C.",
        "Ärzte naïve Москва 東京タワー x²½ हिन्दी",
        "generously national flies dying singing news",
        "to be or not to be",
    ],
)
def test_text_becomes_the_same_terms_as_in_the_embedded_index(cluster, built, text):
    built("red fox")
    said = cluster.request("POST", "/searched/_analyze", {"analyzer": "kinj_english", "text": text}, what="analyse")
    assert [token["token"] for token in said["tokens"]] == _analyser().analyze(text)


@pytest.mark.parametrize("shards", [1, 3])
def test_scores_are_lucenes_bm25_over_all_shards(built, shards):
    index = built("red fox fox", "red hen", "blue whale swims deep", "grey mouse", shards=shards)
    [[best]] = open_retriever("bm25", index=index).search([Query("fox")], 1)
    idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    length = 3 / ((3 + 2 + 4 + 2) / 4)
    assert best.score == pytest.approx(idf * 2 * (1.2 + 1) / (2 + 1.2 * (1 - 0.75 + 0.75 * length)), rel=1e-5)


def test_signs_of_query_languages_are_text_and_stop_words_find_nothing(built, ids):
    index = built("red fox", "red hen", "blue whale")
    for words in ('fox AND "hen', "fox:hen", "+fox -red", "(fox", "fox~2 OR *", "text:fox^3", "fox\\"):
        assert "c00" in ids(open_retriever("bm25", index=index).search([Query(words)], 3))[0]
    assert open_retriever("bm25", index=index).search([Query("to be or not to be?")], 3) == [[]]


def test_ties_go_to_the_smaller_chunk_id_at_every_cut(built, ids, tiny_embedder):
    index = built(*["red fox"] * 30, "red red fox fox", embedder=tiny_embedder, shards=2)
    for k in (1, 2, 5, 29, 30, 31):
        [found] = ids(open_retriever("bm25", index=index).search([Query("red fox")], k))
        assert found == (["c30"] + [f"c{i:02d}" for i in range(30)])[:k]
        [found] = ids(open_retriever("dense", index=index).search([Query("red fox")], k))
        same = [one for one in found if one != "c30"]
        assert same == [f"c{i:02d}" for i in range(30)][: len(same)]


def test_dense_ranks_by_the_inner_product_of_unit_vectors(built, tiny_embedder, ids):
    index = built(*TEXTS, embedder=tiny_embedder)
    embedder = find_embedder(str(tiny_embedder))
    scores = embedder.embed_queries(["gold tower", "Ithaca"]) @ embedder.embed_passages(TEXTS).T
    found = open_retriever("dense", index=index).search([Query("gold tower"), Query("Ithaca")], 6)
    assert ids(found) == [[f"c{row:02d}" for row in np.argsort(-row_scores)] for row_scores in scores]
    assert [p.score for p in found[0]] == pytest.approx(sorted(scores[0], reverse=True), abs=1e-5)


def test_a_large_index_is_searched_by_its_graph_and_a_small_one_is_not_and_both_say_so(
    built, tiny_embedder, monkeypatch, ids, caplog
):
    caplog.set_level("INFO")
    index = built(*TEXTS, embedder=tiny_embedder, vectors="int8_hnsw", m=4, num_candidates=50)
    assert "the graph will not be searched" in caplog.text
    exact = open_retriever("dense", index=index)
    assert exact.describe()["neighbours"] == {"search": "exact"}
    of_exact, [expected] = exact.fingerprint, exact.search([Query("gold tower")], 6)
    monkeypatch.setattr(elastic_index, "EXACT_CHUNKS", 3)
    near = open_retriever("dense", index=index)
    options = {"type": "int8_hnsw", "m": 4, "ef_construction": 100, "num_candidates": 50, "oversample": 3}
    assert near.describe()["neighbours"] == {"search": "approximate", **options}
    assert near.fingerprint != of_exact
    [found] = near.search([Query("gold tower")], 6)
    assert {passage.chunk_id for passage in found} == {passage.chunk_id for passage in expected}
    assert [p.score for p in found] == pytest.approx([p.score for p in expected], abs=1e-5)
    few = open_retriever("dense", index=index, filter="document_id:d02+document_id:d03")
    assert few.describe()["neighbours"] == {"search": "exact"}
    four = "+".join(f"document_id:d{i:02d}" for i in range(4))
    half = open_retriever("dense", index=index, filter=four)
    assert half.describe()["neighbours"]["search"] == "approximate"
    assert sorted(ids(half.search([Query("gold tower")], 6))[0]) == ["c00", "c01", "c02", "c03"]


def watched(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, dict], None] = lambda turn, answer: None) -> list:
    """Each multi-search that is sent, as its number of lines; `change` alters the real server's answer."""
    sent: list[int] = []
    once = Connection.once

    def send(self: Connection, method: str, path: str, body: Any = None, **rest: Any) -> Any:
        answer = once(self, method, path, body, **rest)
        if path.endswith("_msearch"):
            sent.append(body.count(b"\n") // 2)
            change(len(sent), answer)
        return answer

    monkeypatch.setattr(Connection, "once", send)
    return sent


def test_a_batch_is_one_request_for_both_ways_of_hybrid_and_one_for_the_best_passages(
    built, tiny_embedder, monkeypatch
):
    retriever = open_retriever("hybrid", index=built(*TEXTS, embedder=tiny_embedder))
    sent = watched(monkeypatch)
    queries = [Query(f"tower {i}") for i in range(20)]
    retriever.search(queries, 3)
    assert sent == [40, 1]
    monkeypatch.setattr(elastic_search, "SEARCHES", 16)
    retriever.search(queries, 3)
    assert sent[2:] == [16, 16, 8, 1]


def test_texts_are_sent_only_for_the_passages_that_are_given(built, tiny_embedder, monkeypatch, ids):
    retriever = open_retriever("hybrid", index=built(*TEXTS, embedder=tiny_embedder))
    with_texts: list[list[str]] = []

    def look(turn: int, answer: dict) -> None:
        hits = [hit for item in answer["responses"] for hit in item["hits"]["hits"]]
        with_texts.append([hit["_id"] for hit in hits if "_source" in hit])

    watched(monkeypatch, look)
    [given] = ids(retriever.search([Query("gold tower")], 2))
    assert (with_texts[0], sorted(with_texts[1])) == ([], sorted(given))


def timed_out(item: dict) -> None:
    item["timed_out"] = True


def shard_failed(item: dict) -> None:
    item["_shards"] |= {"failed": 1, "successful": 0}


def shard_lacking(item: dict) -> None:
    item["_shards"]["successful"] = 0


def too_busy(item: dict) -> None:
    item.clear()
    reason = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
    item |= {"status": 429, "error": {"root_cause": [reason], "type": "search_phase_execution_exception"}}


TROUBLES = [(timed_out, "timed out"), (shard_failed, "1 of 1 shards did not answer"),
            (shard_lacking, "1 of 1 shards did not answer"), (too_busy, "429 es_rejected_.*queue is full")]  # fmt: skip


@pytest.mark.parametrize("spoil", [spoil for spoil, _ in TROUBLES])
def test_an_answer_that_is_not_whole_is_asked_for_again_alone(built, monkeypatch, ids, spoil):
    retriever = open_retriever("bm25", index=built(*TEXTS))
    queries = [Query("gold"), Query("Ithaca"), Query("dun")]
    whole = ids(retriever.search(queries, 3))
    sent = watched(monkeypatch, lambda turn, answer: spoil(answer["responses"][-1]) if turn < 3 else None)
    assert ids(retriever.search(queries, 3)) == whole
    assert sent == [3, 1, 1, 1]  # the last fetches the passages


@pytest.mark.parametrize(("spoil", "message"), TROUBLES)
def test_answers_that_stay_incomplete_end_in_an_error_that_says_how_long(built, monkeypatch, spoil, message):
    monkeypatch.setenv("ELASTICSEARCH_WAIT", "0.5")
    retriever = open_retriever("bm25", index=built(*TEXTS))
    watched(monkeypatch, lambda turn, answer: spoil(answer["responses"][0]))
    with pytest.raises(UserError, match=rf"did not search for [01] s: .*{message}.*no part of an answer was used"):
        retriever.search([Query("gold")], 3)


def test_an_error_that_stays_the_same_is_not_waited_for(built, monkeypatch):
    retriever = open_retriever("bm25", index=built(*TEXTS))

    def refuse(turn: int, answer: dict) -> None:
        answer["responses"][0] = {"status": 400, "error": {"type": "too_many_clauses", "reason": "over 4096"}}

    sent = watched(monkeypatch, refuse)
    with pytest.raises(UserError, match="did not search: 400 too_many_clauses: over 4096"):
        retriever.search([Query("gold")], 3)
    assert sent == [1]


def test_a_cluster_index_of_another_embedder_or_none_is_refused(built, tiny_embedder, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(tiny_embedder, other)
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    index = built("red fox", embedder=tiny_embedder)
    with pytest.raises(UserError, match=f"was built with embedder {tiny_embedder} .*, not with {other} "):
        open_retriever("hybrid", index=index, embedder=str(other))
    with pytest.raises(UserError, match=r"built without an embedder; .* --embedder sent\S+ --overwrite"):
        open_retriever("dense", index=built("red fox"))


def test_the_fingerprint_names_the_back_end_only_where_it_ranks(built, chunks, tmp_path, tiny_embedder):
    from kinj.retrieval import build_index

    index = built("red fox", "red hen", embedder=tiny_embedder)
    folder = build_index(chunks("red fox", "red hen"), tmp_path / "index", str(tiny_embedder)).folder

    def same(name: str) -> bool:
        one, other = open_retriever(name, index=index), open_retriever(name, index=folder)
        assert one.describe()["index"] == other.describe()["index"]
        return one.fingerprint == other.fingerprint

    assert [same(name) for name in ("gold", "bm25", "dense", "hybrid")] == [True, False, False, False]


@pytest.mark.parametrize("name", ["bm25", "distractors"])
def test_a_query_of_more_words_than_the_server_takes_is_named_with_the_limit_at_once(built, name):
    retriever = open_retriever(name, index=built("red fox", "blue whale word17"))
    long = " ".join(f"word{i}" for i in range(20_000))
    asked = [Query(f"fox {i}", ("c00",), f"t:{i}") for i in range(70)]
    began = time.monotonic()
    with pytest.raises(UserError, match=r"query 't:long' \(word0 word1 .*maxClauseCount is set to \d+.* index folder"):
        retriever.search([*asked, Query(long, ("c00",), "t:long")], 1)
    assert time.monotonic() - began < 30


def test_a_query_of_5_000_words_finds_what_the_embedded_index_finds(built, indexed, ids):
    texts = ["red fox word17", "blue whale word3 word4", "grey mouse"]
    query = Query(" ".join(f"word{i}" for i in range(5_000)))
    ours, theirs = indexed(*texts).folder, built(*texts)
    assert ids(open_retriever("bm25", index=theirs).search([query], 3)) == [["c01", "c00"]]
    assert ids(open_retriever("bm25", index=ours).search([query], 3)) == [["c01", "c00"]]
