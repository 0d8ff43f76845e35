from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from kinj.errors import MissingExtraError, UserError
from kinj.records import Chunk, Query
from kinj.retrieval import build_index, find_embedder, open_retriever

TEXTS = [
    f"The tower of {city} was painted {color}." for city in ("Arvada", "Ithaca") for color in ("blue", "gold", "dun")
]


def test_dense_ranks_by_the_inner_product_of_unit_vectors(indexed, tiny_embedder, ids):
    index = indexed(*TEXTS, embedder=str(tiny_embedder))
    embedder = find_embedder(str(tiny_embedder))
    passages, queries = embedder.embed_passages(TEXTS), embedder.embed_queries(["gold tower", "Ithaca"])
    assert np.linalg.norm(passages, axis=1) == pytest.approx(np.ones(6), abs=1e-6)
    scores = queries @ passages.T
    found = open_retriever("dense", index=index.folder).search([Query("gold tower"), Query("Ithaca")], 6)
    assert ids(found) == [[f"c{row:02d}" for row in np.argsort(-row_scores)] for row_scores in scores]
    assert [p.score for p in found[0]] == pytest.approx(sorted(scores[0], reverse=True), abs=1e-5)


def test_equal_passages_tie_exactly_and_go_by_chunk_id_at_every_cut(indexed, tiny_embedder, ids):
    texts = [TEXTS[0]] * 20 + ["The council had voted for it in May."] * 15 + [TEXTS[0]] * 20
    retriever = open_retriever("dense", index=indexed(*texts, embedder=str(tiny_embedder)).folder)
    same = [f"c{i:02d}" for i in range(55) if not 20 <= i < 35]
    for k in (1, 3, 20, 21, 40):
        found = retriever.search([Query(TEXTS[0])], k)
        assert ids(found) == [same[:k]]
        assert len({p.score for p in found[0]}) == 1


def test_hybrid_fuses_bm25_and_dense(indexed, tiny_embedder, ids):
    from kinj.retrieval.fusion import fuse
    from kinj.retrieval.index import Candidate

    index = indexed(*TEXTS, embedder=str(tiny_embedder)).folder
    query = Query("Which tower is gold?")
    rankings = [open_retriever(name, index=index).search([query], 6)[0] for name in ("bm25", "dense")]
    fused = fuse([[Candidate(passage.chunk_id, passage.score) for passage in ranking] for ranking in rankings], 4)
    texts = {passage.chunk_id: passage.text for ranking in rankings for passage in ranking}
    [found] = open_retriever("hybrid", index=index).search([query], 4)
    assert [(p.chunk_id, p.score) for p in found] == fused
    assert [(p.rank, p.text) for p in found] == [(rank, texts[one.chunk_id]) for rank, one in enumerate(fused, 1)]


def test_vectors_are_embedded_with_the_passage_prefix_and_queries_with_theirs(indexed, tiny_embedder, tmp_path, ids):
    import json
    import shutil

    prefixed = tmp_path / "prefixed"
    shutil.copytree(tiny_embedder, prefixed)
    settings = prefixed / "config_sentence_transformers.json"
    wanted = json.loads(settings.read_text()) | {"prompts": {"query": "Which ", "document": "painted blue "}}
    settings.write_text(json.dumps(wanted))
    plain, other = find_embedder(str(tiny_embedder)), find_embedder(str(prefixed))
    assert (other.query_prefix, other.passage_prefix) == ("Which ", "painted blue ")
    assert other.embed_queries(["tower?"]) == pytest.approx(plain.embed_queries(["Which tower?"]), abs=1e-5)
    assert other.embed_passages(["dun"]) == pytest.approx(plain.embed_passages(["painted blue dun"]), abs=1e-5)
    assert other.sha256 != plain.sha256


def test_passages_beyond_the_window_are_counted_and_said(indexed, tiny_embedder, caplog):
    caplog.set_level("WARNING")
    index = indexed("tower " * 100, "a tower", embedder=str(tiny_embedder))
    assert index.manifest["embedder"]["window"] == 48
    assert index.manifest["embedder"]["passages_cut"] == 1
    assert "1 of 2 passages are longer than the 48 tokens" in caplog.text


def test_passages_beyond_the_window_are_counted_a_few_at_a_time(indexed, tiny_embedder, monkeypatch):
    from kinj.retrieval.embedding import embedder

    monkeypatch.setattr(embedder, "_COUNTED", 2)
    texts = ["tower " * 100, "a tower", "blue " * 100, "gold", "dun " * 100]
    assert indexed(*texts, embedder=str(tiny_embedder)).manifest["embedder"]["passages_cut"] == 3


def test_an_index_without_vectors_is_refused_with_the_command_that_makes_them(indexed):
    index = indexed("red fox")
    with pytest.raises(
        UserError, match=r"built without an embedder; .*kinj index build IN .* --embedder sent\S+ --overwrite"
    ):
        open_retriever("dense", index=index.folder)


def test_an_index_of_another_embedder_is_refused_with_both_names(indexed, tiny_embedder, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(tiny_embedder, other)
    weights = other / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    index = indexed("red fox", embedder=str(tiny_embedder))
    with pytest.raises(UserError, match=f"was built with embedder {tiny_embedder} .*, not with {other} "):
        open_retriever("hybrid", index=index.folder, embedder=str(other))


def test_the_same_model_in_another_folder_is_the_same_embedder(indexed, tiny_embedder, tmp_path):
    import shutil

    moved = tmp_path / "moved"
    shutil.copytree(tiny_embedder, moved)
    (moved / "README.md").write_text("# A copy\n")
    index = indexed("red fox", embedder=str(tiny_embedder))
    assert open_retriever("dense", index=index.folder, embedder=str(moved)).search([Query("fox")], 1)[0]


def test_bm25_reads_an_index_with_vectors_and_does_not_load_the_model(indexed, tiny_embedder, monkeypatch):
    from kinj.retrieval.embedding import find

    index = indexed("red fox", embedder=str(tiny_embedder))
    monkeypatch.setattr(find, "find_embedder", None)
    with_vectors = open_retriever("bm25", index=index.folder)
    without = open_retriever("bm25", index=indexed("red fox", name="plain").folder)
    assert with_vectors.fingerprint == without.fingerprint


def test_dense_without_sentence_transformers_says_what_to_install(indexed, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs sentence-transformers, .*pip install 'kinj\[dense\]'"):
        indexed("red fox", embedder="some/model")


def test_dense_without_faiss_says_what_to_install(indexed, tiny_embedder, monkeypatch):
    index = indexed("red fox", embedder=str(tiny_embedder))
    monkeypatch.delitem(sys.modules, "kinj.retrieval.local.vectors")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"needs faiss-cpu, .*pip install 'kinj\[dense\]'"):
        open_retriever("dense", index=index.folder)


@pytest.mark.parametrize(("rows", "dimensions"), [(1, 1), (5, 3), (200, 384)])
def test_vectors_are_written_in_pieces_as_faiss_writes_them_whole(tmp_path, rows, dimensions):
    import faiss

    from kinj.retrieval.local.vectors import Vectors, write_vectors

    vectors = np.random.default_rng(0).normal(size=(rows, dimensions)).astype("float32")
    index = faiss.IndexFlatIP(dimensions)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "whole"))
    pieces = [vectors[start : start + 64] for start in range(0, rows, 64)]
    assert write_vectors(tmp_path / "pieces", pieces) == dimensions
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()
    assert len(Vectors(tmp_path / "pieces")) == rows


def test_vectors_of_two_sizes_or_none_are_an_error(tmp_path):
    from kinj.retrieval.local.vectors import write_vectors

    with pytest.raises(ValueError, match="a row of 3 numbers among rows of 2"):
        write_vectors(tmp_path / "v", [np.ones((1, 2), "float32"), np.ones((1, 3), "float32")])
    with pytest.raises(ValueError, match="no vectors to write"):
        write_vectors(tmp_path / "v", [])


def test_a_file_that_faiss_reads_otherwise_is_an_error(tmp_path, monkeypatch):
    from kinj.retrieval.local import vectors

    given = [np.ones((2, 2), "float32")]
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "_ROWS_AT", 16)
        with pytest.raises(RuntimeError, match="IndexFlat codes"):
            vectors.write_vectors(tmp_path / "v", given)
    monkeypatch.setattr(np, "ascontiguousarray", np.zeros_like)
    with pytest.raises(ValueError, match="does not read what was written for it"):
        vectors.write_vectors(tmp_path / "v", given)


@pytest.mark.real_model
def test_minilm_finds_a_passage_that_shares_no_word_with_the_query(indexed, ids):
    folders = [Path.home() / ".cache/kinj/models/all-MiniLM-L6-v2", Path.home() / ".cache/kinj-models/minilm"]
    folder = next((folder for folder in folders if (folder / "modules.json").is_file()), None)
    if folder is None:
        pytest.skip("MiniLM is in no local cache: kinj demo-model --embedder")
    texts = ["The physician examined her patient.", "Interest rates rose again.", "A goalkeeper saved the penalty."]
    index = indexed(*texts, embedder=str(folder))
    queries = [Query("doctor visiting somebody ill"), Query("soccer match"), Query("central bank decision")]
    assert [found[0] for found in ids(open_retriever("dense", index=index.folder).search(queries, 1))] == [
        "c00",
        "c02",
        "c01",
    ]


def test_hybrid_reads_the_texts_of_its_winners_alone(indexed, tiny_embedder, ids, monkeypatch):
    from kinj.retrieval.chunkfile import ChunkFile

    retriever = open_retriever("hybrid", index=indexed(*TEXTS, embedder=str(tiny_embedder)).folder)
    read, whole = [], ChunkFile.__getitem__

    def note(self: ChunkFile, row: int):
        read.append(f"c{row:02d}")
        return whole(self, row)

    monkeypatch.setattr(ChunkFile, "__getitem__", note)
    [found] = ids(retriever.search([Query("Which tower is gold?")], 2))
    assert sorted(read) == sorted(found)


@pytest.mark.parametrize("name", ["bm25", "dense", "hybrid", "distractors"])
def test_passages_and_scores_are_the_same_in_however_many_batches(indexed, tiny_embedder, monkeypatch, name):
    from kinj.retrieval import index as retrieval_index
    from kinj.retrieval.local import index as local_index

    folder = indexed(*TEXTS, embedder=str(tiny_embedder)).folder
    queries = [Query(f"{text} and more of it" if i % 2 else text, ("c00",)) for i, text in enumerate(TEXTS)]
    together = open_retriever(name, index=folder).search(queries, 3)
    for module in (retrieval_index, local_index):
        monkeypatch.setattr(module, "BATCH", 2)
    assert open_retriever(name, index=folder).search(queries, 3) == together


def test_prefixes_given_to_the_build_are_kept_with_the_index_and_used_in_each_search(indexed, tiny_embedder, tmp_path):
    prefixes = {"query_prefix": "Which ", "passage_prefix": "painted blue "}
    plain = indexed(*TEXTS, embedder=str(tiny_embedder))
    made = [Chunk(f"c{i:02d}", f"d{i:02d}", text, 0, len(text)) for i, text in enumerate(TEXTS)]
    index = build_index(made, tmp_path / "prefixed", str(tiny_embedder), **prefixes)
    assert {name: index.manifest["embedder"][name] for name in prefixes} == prefixes
    retriever = open_retriever("dense", index=index.folder)
    [best] = retriever.search([Query("tower is gold?")], 6)
    embedder = find_embedder(str(tiny_embedder), **prefixes)
    [scores] = embedder.embed_queries(["tower is gold?"]) @ embedder.embed_passages(TEXTS).T
    assert [p.score for p in best] == pytest.approx(sorted(scores, reverse=True), abs=1e-5)
    assert retriever.fingerprint != open_retriever("dense", index=plain.folder).fingerprint
    with pytest.raises(UserError, match="holds another index"):
        build_index(made, index.folder, str(tiny_embedder))


def test_a_prefix_without_an_embedder_is_refused(tmp_path):
    with pytest.raises(UserError, match="passage_prefix=x: only with an embedder, which reads it before each text"):
        build_index([Chunk("a", "d", "x", 0, 1)], tmp_path / "index", passage_prefix="x")
