"""`update=`: what an index held before is kept, and the result is that of a fresh build; on both back ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj.records import Chunk, Query
from kinj.retrieval import build_elastic_index, build_index, open_index, open_retriever
from kinj.retrieval.embedding.embedder import Embedder

CITIES = ["Arvada", "Belmont", "Corvallis", "Decatur", "Elkhart", "Fresno", "Gilroy", "Hoboken", "Ithaca", "Joplin"]


def chunk(name: str, text: str, **changes: str) -> Chunk:
    return Chunk(name, name.partition("#")[0], text, 0, len(text), **changes)


def towers(*cities: str, color: str = "blue") -> list[Chunk]:
    return [chunk(f"{city}#1", f"The water tower of {city} was painted {color} in May 2031.") for city in cities]


def old() -> list[Chunk]:
    return towers(*CITIES[:9])


def new() -> list[Chunk]:
    """Three as before, one changed, one with another date alone, one moved to another id, one added; three are gone."""
    before = old()
    return [
        *before[:3],
        *towers(CITIES[3], color="gold"),
        replace(before[4], date="2031-05-01"),
        replace(before[5], id="Fresno#2"),
        *towers("Joplin"),
    ]


SUMMARY = "2 chunks added, 2 changed, 4 gone, 3 as before"


@pytest.fixture(scope="module", params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.long)])
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Builds an index on one of the back ends; gives the name to open it by."""
    folder = tmp_path_factory.mktemp("update")
    patch = pytest.MonkeyPatch()
    if request.param == "elasticsearch":
        for name, value in request.getfixturevalue("elasticsearch_server").environment.items():
            patch.setenv(name, value)

    def make(given: list[Chunk], name: str, embedder: Path | None = None, **settings) -> str:
        model = str(embedder) if embedder else None
        if request.param == "embedded":
            build_index(given, folder / name, model, **settings)
            return str(folder / name)
        build_elastic_index(given, f"{folder.name}-{name}", model, **settings)
        return f"elasticsearch:{folder.name}-{name}"

    yield make
    patch.undo()


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passages that went through the model."""
    texts: list[str] = []
    embed = Embedder.embed_passages

    def spy(self: Embedder, given: list[str]):
        texts.extend(given)
        return embed(self, given)

    monkeypatch.setattr(Embedder, "embed_passages", spy)
    return texts


def answers(index: str, retriever: str) -> list[list[tuple[str, float, int]]]:
    queries = [Query(f"Which color did {city} get in May 2031?") for city in CITIES]
    found = open_retriever(retriever, index=index).search(queries, 5)
    return [[(p.chunk_id, pytest.approx(p.score, abs=1e-6), p.rank) for p in passages] for passages in found]


def test_an_update_embeds_what_is_new_and_gives_what_a_fresh_build_gives(build, tiny_embedder, embedded, caplog):
    caplog.set_level(logging.INFO)
    index = build(old(), "index", tiny_embedder)
    embedded.clear()
    assert build(new(), "index", update=True) == index
    assert sorted(embedded) == sorted(one.text for one in new() if "gold" in one.text or "Joplin" in one.text)
    assert f"{SUMMARY}; 5 vectors kept, 2 to make" in caplog.text
    fresh = build(new(), "fresh", tiny_embedder)
    for retriever in ("bm25", "dense", "hybrid"):
        updated, anew = (open_retriever(retriever, index=name) for name in (index, fresh))
        assert updated.fingerprint == anew.fingerprint
        assert answers(index, retriever) == answers(fresh, retriever)
    assert open_index(index).manifest["embedder"] == open_index(fresh).manifest["embedder"]


def test_without_an_embedder_it_says_what_changed(build, caplog):
    caplog.set_level(logging.INFO)
    index = build(old(), "words")
    build(new(), "words", update=True)
    assert SUMMARY in caplog.text
    assert "vectors" not in caplog.text
    fresh = build(new(), "fresh-words")
    assert answers(index, "bm25") == answers(fresh, "bm25")
    assert open_retriever("bm25", index=index).fingerprint == open_retriever("bm25", index=fresh).fingerprint


def test_an_update_without_a_change_does_nothing(build, tiny_embedder, embedded, caplog):
    build(old(), "same", tiny_embedder)
    embedded.clear()
    caplog.set_level(logging.INFO)
    build(old(), "same", update=True)
    assert embedded == []
    assert "already holds this index: reused" in caplog.text


def test_an_update_of_what_is_not_there_builds_it(build):
    assert len(open_index(build(old(), "first", update=True))) == 9


def test_an_update_keeps_the_language_and_the_prefixes_of_the_build(build, tiny_embedder):
    index = build(old(), "kept", tiny_embedder, language="de", passage_prefix="passage: ")
    build(new(), "kept", update=True)
    manifest = open_index(index).manifest
    assert manifest["analysis"]["languages"] == {"de": len(new())}
    assert manifest["embedder"]["passage_prefix"] == "passage: "


def test_texts_of_another_language_come_into_an_english_index(build):
    index = build(old(), "grown")
    build([*old(), chunk("zh#1", "租金每月三千元，合同期为两年。")], "grown", update=True)  # noqa: RUF001  # a Chinese comma
    [found] = open_retriever("bm25", index=index).search([Query("租金")], 1)
    assert [passage.chunk_id for passage in found] == ["zh#1"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"passage_prefix": "x"}, "was built with passage_prefix='': --overwrite in place of --update changes it"),
        ({"made_from": ["IN", "--chunk-tokens", "9"]}, "was built without --chunk-tokens: give the same"),
    ],
)
def test_other_settings_than_those_of_the_build_are_refused(build, tiny_embedder, settings, why):
    build(old(), "settings", tiny_embedder, made_from=["IN"])
    with pytest.raises(UserError, match=why):
        build(new(), "settings", update=True, **settings)


def test_vectors_for_an_index_that_has_none_are_refused(build, tiny_embedder):
    build(old(), "none")
    with pytest.raises(UserError, match=r"was built without an embedder; build it with: .* --overwrite"):
        build(new(), "none", tiny_embedder, update=True)


def test_an_update_that_was_interrupted_goes_on_where_it_stopped(tmp_path, tiny_embedder, embedded, monkeypatch):
    monkeypatch.setattr("kinj.retrieval.embedding.shards.SHARD", 2)
    build_index(old(), tmp_path / "index", str(tiny_embedder))
    before = answers(str(tmp_path / "index"), "dense")
    embedded.clear()
    embed, shards = Embedder.embed_passages, 0

    def stops(self: Embedder, given: list[str]):
        nonlocal shards
        shards += 1
        if shards == 2:
            raise KeyboardInterrupt
        return embed(self, given)

    given = [*old()[:2], *towers("Joplin", "Kearny", "Laredo", "Macon")]
    with monkeypatch.context() as patch:
        patch.setattr(Embedder, "embed_passages", stops)
        with pytest.raises(KeyboardInterrupt):
            build_index(given, tmp_path / "index", update=True)
    assert answers(str(tmp_path / "index"), "dense") == before
    assert len(embedded) == 2
    assert len(build_index(given, tmp_path / "index", update=True)) == 6
    assert sorted(embedded) == sorted(one.text for one in given[2:])
