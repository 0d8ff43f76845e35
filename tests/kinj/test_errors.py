import importlib
import sys

import pytest

from kinj.errors import MissingExtraError, UserError, nearest
from kinj.retrieval import Embedder


@pytest.mark.parametrize(
    ("word", "meant"), [("retreiver", "retriever"), ("placment", "placement"), ("k", "k"), ("dtype", None)]
)
def test_the_nearest_name_is_the_one_that_a_mistyped_word_means(word, meant):
    assert nearest(word, ("retriever", "placement", "k", "index")) == meant


def test_a_user_error_is_no_value_error_which_libraries_catch():
    assert not issubclass(UserError, ValueError)
    assert issubclass(MissingExtraError, UserError)


@pytest.mark.parametrize("library", ["faiss", "sentence_transformers", "elasticsearch"])
def test_a_library_that_is_there_and_broken_keeps_its_cause(library, tmp_path, monkeypatch):
    def use() -> None:
        if library == "faiss":
            importlib.import_module("kinj.retrieval.local.vectors")
        elif library == "elasticsearch":
            from kinj.retrieval.elastic.connection import connect

            connect()
        else:
            Embedder("name", "folder", tmp_path, "", "", "0" * 64).embed_queries(["text"])

    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text("import a_part_that_is_broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "kinj.retrieval.local.vectors", raising=False)
    with pytest.raises(ModuleNotFoundError, match="No module named 'a_part_that_is_broken'"):
        use()
