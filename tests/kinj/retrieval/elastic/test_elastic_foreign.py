"""An index that somebody else built, searched on a real cluster as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kinj.errors import UserError
from kinj.records import Query
from kinj.retrieval import find_embedder, open_index, open_retriever
from kinj.retrieval.elastic.connection import Connection, connect
from kinj.retrieval.elastic.foreign import ForeignIndex

TEXTS = ["the red fox", "the red hen", "a blue whale", "red red paint"]


@pytest.fixture
def theirs(elasticsearch_server, monkeypatch: pytest.MonkeyPatch, tiny_embedder) -> Iterator[Connection]:
    """A cluster with the index `theirs`: nested fields of text, vectors, dates and keywords."""
    for name, value in elasticsearch_server.environment.items():
        monkeypatch.setenv(name, value)
    connection = connect()
    keyword = {"type": "keyword"}
    properties = {
        "body": {"properties": {"words": {"type": "text"}}},
        "title": {"type": "text", "fields": {"raw": keyword}},
        "subject": keyword,
        "date": {"type": "date"},
        "near": {"type": "dense_vector", "dims": 24, "similarity": "cosine"},
        "off": {"type": "dense_vector", "dims": 24, "index": False},
    }
    settings = {"number_of_replicas": 0}
    connection.request("PUT", "/theirs", {"settings": settings, "mappings": {"properties": properties}}, what="make")
    vectors = find_embedder(str(tiny_embedder)).embed_passages(TEXTS).tolist()
    for number, (text, vector) in enumerate(zip(TEXTS, vectors, strict=True)):
        document = {"body": {"words": text}, "title": f"On {text}", "subject": "animals", "near": vector}
        document["date"] = f"2023-08-0{number + 1}"
        connection.request("PUT", f"/theirs/_doc/t{number}", document, what="fill", refresh=True)
    yield connection
    connection.request("DELETE", "/theirs", what="delete")


def opened(name: str = "bm25", **given: str):
    return open_retriever(name, index="elasticsearch:theirs", **{"text_field": "body.words", **given})


def test_it_is_ranked_by_its_text_field_and_gives_its_documents(theirs):
    [[first, second, third]] = opened().search([Query("red")], 5)
    assert [first.chunk_id, second.chunk_id, third.chunk_id] == ["t3", "t0", "t1"]
    assert (first.text, first.title, first.date, first.document_id) == (
        "red red paint", "On red red paint", "2023-08-04", "t3"
    )  # fmt: skip
    assert second.score == third.score


def test_its_vectors_are_searched_with_the_embedder_that_is_named(theirs, tiny_embedder, ids):
    given = {"vector_field": "near", "embedder": str(tiny_embedder)}
    for name in ("dense", "hybrid"):
        [found] = ids(opened(name, **given).search([Query("a blue whale")], 4))
        assert found[0] == "t2"
        assert len(found) == 4
    said = opened("dense", **given).describe()
    assert said["back_end"]["vector_field"] == "near"
    assert said["neighbours"]["num_candidates"] == 500
    assert said["embedder"]["name"] == str(tiny_embedder)


def test_its_fingerprint_is_what_the_server_says_of_it_and_results_say_so(theirs):
    first = opened()
    said = first.describe()["back_end"]
    assert (said["documents"], said["highest_sequence_number"]) == (4, 3)
    assert len(said["uuid"]) == 22
    assert said["text_field"] == "body.words"
    assert said["built_by"].startswith("somebody else")
    assert opened().fingerprint == first.fingerprint
    document = {"body": {"words": "red ink"}}
    theirs.request("PUT", "/theirs/_doc/t3", document, what="change", refresh=True)
    assert opened().describe()["back_end"]["documents"] == 4
    assert opened().fingerprint != first.fingerprint
    assert opened(text_field="title").fingerprint != opened().fingerprint


def test_it_is_filtered_by_its_own_fields(theirs, ids):
    assert ids(opened(filter="date:2023-08-02..2023-08-03").search([Query("red blue")], 5)) == [["t2", "t1"]]
    assert ids(opened(filter="title:On the red hen+subject:animals").search([Query("red")], 5)) == [["t1"]]
    with pytest.raises(UserError, match="has a source; fields to filter by: date, subject, title"):
        opened(filter="source:x")
    with pytest.raises(UserError, match="no chunk of elasticsearch:theirs meets it"):
        opened(filter="subject:law")


def test_a_document_deleted_between_ranking_and_fetching_ends_the_search_with_its_id(theirs, monkeypatch):
    rank = ForeignIndex.rank

    def rank_and_delete(self: ForeignIndex, *given: Any) -> Any:
        rankings = list(rank(self, *given))
        theirs.request("DELETE", "/theirs/_doc/t0", what="delete", refresh=True)
        return rankings

    monkeypatch.setattr(ForeignIndex, "rank", rank_and_delete)
    with pytest.raises(UserError, match="no chunk 't0': it was deleted while the index was read"):
        opened().search([Query("red")], 3)


def test_gold_passages_are_its_documents_by_id(theirs, ids):
    assert ids(opened("gold").search([Query("?", ("t2", "t0"))], 3)) == [["t2", "t0"]]
    with pytest.raises(UserError, match="no chunk 't9'"):
        opened("gold").search([Query("?", ("t9",))], 3)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("bm25", {"text_field": None}, "was not built by kinj: say by text_field= .* there are: body.words, title"),
        ("bm25", {"text_field": "subject"}, "'subject' is no field of text there"),
        ("bm25", {"vector_field": "title"}, "vector_field=title is no field of vectors; there are: near, off"),
        ("bm25", {"vector_field": "off"}, "the vectors in vector_field=off are not indexed"),
        ("dense", {"vector_field": "near"}, "dense retrieval needs vector_field=.* and embedder="),
        ("dense", {"embedder": "x"}, "dense retrieval needs vector_field="),
    ],
)
def test_what_it_lacks_is_said(theirs, name, given, message):
    with pytest.raises(UserError, match=message):
        opened(name, **given)


def test_vectors_of_another_size_than_the_embedders_are_refused(theirs, tiny_embedder):
    other = {"properties": {"small": {"type": "dense_vector", "dims": 8}}}
    theirs.request("PUT", "/theirs/_mapping", other, what="add")
    with pytest.raises(UserError, match=r"keeps vectors of 8 dimensions in small, but embedder=.* makes 24"):
        opened("dense", vector_field="small", embedder=str(tiny_embedder))


def test_vectors_of_whole_numbers_are_refused_when_the_index_is_opened(theirs):
    other = {"properties": {"whole": {"type": "dense_vector", "dims": 24, "element_type": "byte"}}}
    theirs.request("PUT", "/theirs/_mapping", other, what="add")
    with pytest.raises(UserError, match=r"vector_field=whole keeps whole numbers \(byte\), .*: name a field"):
        opened("dense", vector_field="whole", embedder="x")


def test_an_alias_that_shows_only_a_part_is_refused(theirs):
    shown = {"actions": [{"add": {"index": "theirs", "alias": "part", "filter": {"term": {"subject": "animals"}}}}]}
    theirs.request("POST", "/_aliases", shown, what="show")
    with pytest.raises(UserError, match="is an alias with a filter of its own: name the index behind it, theirs"):
        open_index("elasticsearch:part", text_field="body.words")


def test_the_fields_of_an_index_of_kinj_are_known(theirs, chunks, indexed):
    from kinj.retrieval import build_elastic_index

    build_elastic_index(chunks("red fox"), "ours", overwrite=True)
    with pytest.raises(UserError, match="text_field=text: kinj built elasticsearch:ours and knows its fields"):
        open_index("elasticsearch:ours", text_field="text")
    with pytest.raises(UserError, match="vector_field=v: only for an index on Elasticsearch"):
        open_index(indexed("red fox").folder, vector_field="v")
