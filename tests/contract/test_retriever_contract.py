"""What every retriever keeps to, whichever it is and whatever index it reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kinj.corpus import read_chunks
from kinj.errors import UserError
from kinj.records import Chunk, Query
from kinj.retrieval import RETRIEVERS, Retriever, build_elastic_index, build_index, open_index, open_retriever

CHUNKS = 9
EXPLAINED = ("bm25", "dense", "hybrid")


@pytest.fixture(scope="module", params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.long)])
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Builds an index of the given chunks on one of the back ends; gives the name to open it by."""
    folder = tmp_path_factory.mktemp("contract")
    patch = pytest.MonkeyPatch()
    if request.param == "elasticsearch":
        for name, value in request.getfixturevalue("elasticsearch_server").environment.items():
            patch.setenv(name, value)

    def make(chunks: list[Chunk], name: str, embedder: Path) -> str:
        if request.param == "embedded":
            build_index(chunks, folder / name, str(embedder))
            return str(folder / name)
        build_elastic_index(chunks, f"{folder.name}-{name}", str(embedder), overwrite=True)
        return f"elasticsearch:{folder.name}-{name}"

    yield make
    patch.undo()


@pytest.fixture(scope="module")
def index(build: Callable[..., str], collection: Path, tiny_embedder: Path) -> str:
    return build(read_chunks([collection / "chunks.jsonl"]), "index", tiny_embedder)


@pytest.fixture(scope="module")
def opened(index: str) -> Callable[[str], Retriever]:
    cache: dict[str, Retriever] = {}

    def get(name: str) -> Retriever:
        if name not in cache:
            cache[name] = open_retriever(name, index=index)
        return cache[name]

    return get


@pytest.fixture(params=RETRIEVERS)
def retriever(request: pytest.FixtureRequest, opened: Callable[[str], Retriever]) -> Retriever:
    return opened(request.param)


@pytest.fixture(scope="module")
def queries(collection: Path) -> list[Query]:
    rows = [json.loads(line) for line in (collection / "questions.jsonl").read_text().splitlines()]
    return [Query(row["question"], tuple(row["chunk_ids"]), row["id"]) for row in rows]


def test_each_query_gets_its_own_passages_ranked_from_one_without_repeats(retriever, queries):
    found = retriever.search(queries, 3)
    assert len(found) == len(queries)
    for passages in found:
        assert 1 <= len(passages) <= 3
        assert [p.rank for p in passages] == list(range(1, len(passages) + 1))
        assert len({p.chunk_id for p in passages}) == len(passages)
        scores = [p.score for p in passages]
        assert scores == sorted(scores, reverse=True)


def test_a_passage_carries_the_text_and_document_of_its_chunk(retriever, queries, collection):
    chunks = {chunk.id: chunk for chunk in read_chunks([collection / "chunks.jsonl"])}
    for passage in retriever.search(queries[:1], 3)[0]:
        assert passage.text == chunks[passage.chunk_id].text
        assert passage.document_id == chunks[passage.chunk_id].document_id


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_passage_carries_the_source_and_licence_of_its_chunk(name, collection, tiny_embedder, build):
    known = {"source": "https://example.org/1", "license": "CC0-1.0", "title": "Towers", "date": "2031-05-01"}
    chunks = [replace(chunk, **known) for chunk in read_chunks([collection / "chunks.jsonl"])]
    retriever = open_retriever(name, index=build(chunks, "known", tiny_embedder))
    [passages] = retriever.search([Query("water tower", (chunks[0].id,))], 3)
    for passage in passages:
        assert {field: getattr(passage, field) for field in known} == known


def test_a_k_beyond_the_index_gives_what_there_is(retriever, queries):
    [passages] = retriever.search(queries[:1], 1000)
    assert 1 <= len(passages) <= CHUNKS
    assert len({p.chunk_id for p in passages}) == len(passages)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(retriever, queries, k):
    with pytest.raises(UserError, match=f"k={k}: at least one passage"):
        retriever.search(queries, k)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_query_is_refused_by_its_id(retriever, text):
    with pytest.raises(UserError, match="query 'q7' is empty"):
        retriever.search([Query(text, ("d0.1",), "q7")], 3)


def test_no_queries_give_no_passages(retriever):
    assert retriever.search([], 3) == []


def test_passages_do_not_depend_on_the_other_queries(retriever, queries):
    together = retriever.search(queries, 4)
    backwards = retriever.search(queries[::-1], 4)[::-1]
    alone = [retriever.search([query], 4)[0] for query in queries]
    ids = [[p.chunk_id for p in passages] for passages in together]
    assert [[p.chunk_id for p in passages] for passages in backwards] == ids
    assert [[p.chunk_id for p in passages] for passages in alone] == ids


def test_a_repeated_query_gets_equal_passages_in_lists_of_its_own(retriever, queries):
    first, second = retriever.search([queries[0], queries[0]], 3)
    assert first == second
    assert first is not second


def test_the_description_is_json_and_names_retriever_index_and_embedder(retriever, tiny_embedder):
    said = json.loads(json.dumps(retriever.describe()))
    assert said["fingerprint"] == retriever.fingerprint
    assert said["retriever"] in RETRIEVERS
    assert said["chunks"] == CHUNKS
    assert said["embedder"]["name"] == str(tiny_embedder)
    assert len(said["index"]) == 64


@pytest.mark.parametrize("name", RETRIEVERS)
def test_the_fingerprint_is_the_same_when_opened_again(name, index, opened):
    assert open_retriever(name, index=index).fingerprint == opened(name).fingerprint


@pytest.mark.parametrize("name", RETRIEVERS)
def test_the_fingerprint_changes_with_the_chunks(name, collection, tiny_embedder, opened, build):
    fewer = build(list(read_chunks([collection / "chunks.jsonl"]))[1:], "fewer", tiny_embedder)
    assert open_retriever(name, index=fewer).fingerprint != opened(name).fingerprint


def test_no_two_retrievers_share_a_fingerprint(opened):
    assert len({opened(name).fingerprint for name in RETRIEVERS}) == len(RETRIEVERS)


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_best_of_few_are_the_first_of_many(name, opened, queries):
    few, many = opened(name).search(queries, 2), opened(name).search(queries, 6)
    assert [[p.chunk_id for p in passages] for passages in few] == [[p.chunk_id for p in ps[:2]] for ps in many]


def test_an_unknown_name_is_refused_with_the_names_there_are(index):
    with pytest.raises(
        UserError, match=r"retriever=bm52: .*none, bm25, dense, hybrid, gold, gold\+distractors, distractors, all"
    ):
        open_retriever("bm52", index=index)


def test_everything_is_every_chunk_in_the_order_of_ids_for_every_query(opened, queries, collection):
    found = opened("all").search(queries, 1_000)
    ids = sorted(chunk.id for chunk in read_chunks([collection / "chunks.jsonl"]))
    assert [[passage.chunk_id for passage in passages] for passages in found] == [ids] * len(queries)


def chunk_of(text: str, **known: str) -> Chunk:
    return Chunk("a", "d", text, start=0, end=len(text), **known)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (chunk_of("a" * 80_000), r"chunk 'a': its word a{20}… has 80000 bytes, .* words of at most 32766: cut it"),
        (chunk_of("red ä" + "ä" * 16_383), r"chunk 'a': its word ä{20}… has 32768 bytes"),
        (chunk_of("red", source="s" * 70_000), "chunk 'a': its source has 70000 bytes, .* at most 32766: shorten it"),
        (chunk_of("red", title="ü" * 20_000), "chunk 'a': its title has 40000 bytes"),
    ],
)
def test_what_one_back_end_could_not_keep_is_refused_by_both(chunk, message, build, tiny_embedder):
    with pytest.raises(UserError, match=message):
        build([chunk], "immense", tiny_embedder)


def test_the_longest_word_and_value_that_are_kept_are_found_and_longer_words_of_a_query_find_nothing(
    build, tiny_embedder
):
    word, source = "a" * 32_766, "s" * 32_766
    index = build([chunk_of(f"red {word}", source=source, license="l" * 70_000)], "longest", tiny_embedder)
    [found, longer] = open_retriever("bm25", index=index, filter=f"source:{source}").search(
        [Query(word), Query(word + "a")], 1
    )
    assert ([passage.chunk_id for passage in found], longer) == (["a"], [])


def test_equal_texts_are_counted_when_an_index_is_built(build, tiny_embedder):
    texts = ["red fox", "red fox", "blue whale", "red fox", "Red fox"]
    made = [Chunk(f"c{i}", f"d{i}", text, start=0, end=len(text)) for i, text in enumerate(texts)]
    manifest = open_index(build(made, "equal", tiny_embedder)).manifest
    assert manifest["chunks"]["repeated"] == 2
