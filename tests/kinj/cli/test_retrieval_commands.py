"""`kinj chunk`, `kinj index` and `kinj search`, as they are typed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinj.cli import main
from kinj.corpus import read_chunks

Said = tuple[int, str, str]


@pytest.fixture
def kinj(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Said]:
    """Runs `kinj ARGS` in a folder of its own; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["kinj", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, errors = capsys.readouterr()
        return int(ended.value.code or 0), out, errors

    return run


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "ithaca.txt").write_text("The water tower of Ithaca was painted blue. " * 12)
    (folder / "fresno.md").write_text("# Fresno\n\nThe council [of Fresno] voted.")
    return folder


@pytest.fixture
def index(kinj: Callable[..., Said], collection: Path) -> Path:
    assert kinj("index", "build", collection / "chunks.jsonl", "index")[0] == 0
    return Path("index")


def test_chunk_writes_chunks_that_index_build_takes(kinj, texts, tiny_tokenizer):
    code, out, errors = kinj("chunk", texts, "out/chunks.jsonl", "--chunk-tokens", 40, "--tokenizer", tiny_tokenizer)
    count = len(list(read_chunks([Path("out/chunks.jsonl")])))
    assert (code, out) == (0, f"wrote out/chunks.jsonl: {count} chunks\n")
    assert f"{texts}: folder of texts" in errors
    assert f"cut 2 documents into {count} chunks of at most 40 tokens" in errors
    code, out, errors = kinj("index", "build", "out/chunks.jsonl", "index")
    assert (code, out) == (0, f"index: {count} chunks, BM25\n")
    assert "out/chunks.jsonl: chunks" in errors


def test_chunk_does_not_replace_a_file_unless_asked(kinj, texts, tiny_tokenizer):
    Path("mine.jsonl").write_text("mine")
    code, _, errors = kinj("chunk", texts, "mine.jsonl", "--tokenizer", tiny_tokenizer)
    assert (code, errors) == (2, "kinj: mine.jsonl exists: add --overwrite, or choose another file\n")
    assert kinj("chunk", texts, "mine.jsonl", "--tokenizer", tiny_tokenizer, "--overwrite")[0] == 0
    assert len(list(read_chunks([Path("mine.jsonl")]))) == 2


def test_a_bad_line_ends_with_its_place_and_leaves_nothing_behind(kinj, tmp_path, tiny_tokenizer):
    Path("d.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "b"\n')
    for command in (("chunk", "d.jsonl", "out.jsonl"), ("index", "build", "d.jsonl", "out")):
        code, out, errors = kinj(*command, "--tokenizer", tiny_tokenizer)
        assert (code, out) == (2, "")
        assert errors.splitlines()[-1].startswith("kinj: d.jsonl:2: not JSON")
    assert [path.name for path in tmp_path.iterdir()] == ["d.jsonl"]


def test_build_takes_documents_and_folders_together_and_repeats_the_command_when_refused(
    kinj, texts, tiny_tokenizer, caplog
):
    Path("d.jsonl").write_text('{"id": "a", "text": "Red fox."}\n')
    words = ("index", "build", "d.jsonl", "texts", "my index", "--chunk-tokens", 60, "--tokenizer", tiny_tokenizer)
    code, _, errors = kinj(*words)
    assert code == 0
    assert "d.jsonl: documents" in errors
    assert "cut 3 documents" in errors
    assert kinj(*words)[0] == 0
    assert "already holds this index: reused" in caplog.text
    Path("my index/chunks.jsonl").write_text("")
    code, _, errors = kinj("index", "info", "my index")
    assert code == 2
    assert (
        f"kinj index build d.jsonl texts --chunk-tokens 60 --tokenizer {tiny_tokenizer} 'my index' --overwrite"
        in errors
    )


def test_one_id_from_two_inputs_is_refused(kinj, tiny_tokenizer):
    Path("d.jsonl").write_text('{"id": "a", "text": "Red fox."}\n')
    Path("c.jsonl").write_text('{"id": "a#000001", "document_id": "a", "text": "x", "start": 0, "end": 1}\n')
    code, _, errors = kinj("chunk", "d.jsonl", "c.jsonl", "out.jsonl", "--tokenizer", tiny_tokenizer)
    assert code == 2
    assert "d.jsonl:1: the id 'a#000001' was used before, at c.jsonl:1" in errors


def test_info_says_what_the_index_holds(kinj, index, collection):
    code, out, _ = kinj("index", "info", index)
    said = dict(line.split("  ", 1) for line in out.splitlines())
    assert code == 0
    assert said["chunks"].strip() == "9 of 9 documents"
    assert said["made from"].strip() == str(collection / "chunks.jsonl")
    code, out, _ = kinj("index", "info", index, "--json")
    assert json.loads(out)["chunks"]["sha256"] == said["chunks' SHA-256"].strip()


def test_info_says_which_embedder_the_vectors_are_of(kinj, collection, tiny_embedder):
    kinj("index", "build", collection / "chunks.jsonl", "dense", "--embedder", tiny_embedder)
    _, out, _ = kinj("index", "info", "dense")
    assert f"BM25 and vectors of {tiny_embedder}" in out
    assert "24 dimensions" in out
    assert "0 longer than its window of 48 tokens" in out
    code, out, _ = kinj("search", "dense", "Belmont tower", "--retriever", "hybrid", "-k", 2, "--json")
    assert code == 0
    assert len(json.loads(out)) == 2


def test_prefixes_of_the_build_are_in_info_and_in_the_command_that_builds_it_again(kinj, collection, tiny_embedder):
    chunks = collection / "chunks.jsonl"
    prefixes = ("--query-prefix", "Instruct: find it\nQuery: ", "--passage-prefix", "")
    code, _, _ = kinj("index", "build", chunks, "instructed", "--embedder", tiny_embedder, *prefixes)
    assert code == 0
    _, out, _ = kinj("index", "info", "instructed")
    assert "query prefix        'Instruct: find it\\nQuery: '" in out
    assert json.loads(kinj("index", "info", "instructed", "--json")[1])["made_from"] == [str(chunks), *prefixes]
    code, out, _ = kinj("search", "instructed", "Belmont tower", "--retriever", "dense", "-k", 2, "--json")
    assert (code, len(json.loads(out))) == (0, 2)
    code, _, err = kinj("index", "build", chunks, "words", "--query-prefix", "x")
    assert code != 0
    assert "query_prefix=x: only with an embedder" in err


def test_search_shows_a_table_and_json(kinj, index):
    code, out, _ = kinj("search", index, "tower of Belmont", "-k", 2)
    assert code == 0
    assert "d1.1" in out
    assert "The water tower of Belmont was painted blue in May 2031." in out
    _, out, _ = kinj("search", index, "tower of Belmont", "-k", 2, "--json")
    passages = json.loads(out)
    assert [passage["rank"] for passage in passages] == [1, 2]
    assert passages[0]["chunk_id"] == "d1.1"


def test_search_shows_brackets_as_they_are(kinj, texts, tiny_tokenizer):
    kinj("index", "build", texts, "index", "--tokenizer", tiny_tokenizer)
    assert "The council [of Fresno] voted." in kinj("search", "index", "council")[1]


def test_search_takes_a_filter(kinj, index):
    _, out, _ = kinj("search", index, "tower", "--filter", "document_id:d1+document_id:d3", "--json")
    assert sorted(passage["chunk_id"] for passage in json.loads(out)) == ["d1.1", "d3.1"]
    code, _, errors = kinj("search", index, "tower", "--filter", "document_id")
    assert (code, errors.count("\n")) == (2, 1)
    assert "filter=document_id: document_id has no value; write it as date:" in errors


def test_the_three_commands_take_an_index_on_elasticsearch(kinj, collection, elasticsearch_server, monkeypatch):
    for name, value in elasticsearch_server.environment.items():
        monkeypatch.setenv(name, value)
    words = ("index", "build", collection / "chunks.jsonl", "elasticsearch:towers", "--shards", 2)
    code, out, errors = kinj(*words, "--overwrite")
    assert (code, out) == (0, "elasticsearch:towers: 9 chunks, BM25\n")
    assert 'try it: kinj search elasticsearch:towers "some words"' in errors
    _, out, _ = kinj("index", "info", "elasticsearch:towers")
    said = dict(line.split("  ", 1) for line in out.splitlines())
    assert said["chunks"].strip() == "9 of 9 documents"
    assert said["on the cluster"].strip().startswith("towers-")
    assert said["made from"].strip() == f"{collection / 'chunks.jsonl'} --shards 2"
    _, out, _ = kinj("index", "info", "elasticsearch:towers", "--json")
    assert json.loads(out)["fingerprint"] == said["chunks' SHA-256"].strip()
    _, out, _ = kinj("search", "elasticsearch:towers", "tower of Belmont", "-k", 1, "--json")
    assert [passage["chunk_id"] for passage in json.loads(out)] == ["d1.1"]


def test_settings_of_a_cluster_are_refused_for_a_folder(kinj, collection):
    code, _, errors = kinj("index", "build", collection / "chunks.jsonl", "index", "--num-candidates", 9)
    assert code == 2
    assert errors == "kinj: --num-candidates: only for an index on Elasticsearch, elasticsearch:NAME\n"


def test_search_says_when_nothing_is_found(kinj, index):
    code, out, _ = kinj("search", index, "the of and")
    assert (code, out) == (0, "nothing in index shares a word with 'the of and' (stop words do not count)\n")
    assert kinj("search", index, "the of and", "--json")[1] == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "none", "words"), "none does not exist; build it with: kinj index build IN none"),
        (("search", "index", "words", "-k", "0"), "k=0: at least one passage"),
        (("search", "index", " "), "query '' is empty"),
        (
            ("search", "index", "words", "--retriever", "gold"),
            "--retriever gold: here the choice is bm25, dense, hybrid",
        ),
        (("search", "index", "words", "--retriever", "dense"), "was built without an embedder; build it with"),
        (("index", "build", "nowhere.jsonl", "new"), "nowhere.jsonl: no such file"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(kinj, index, arguments, message):
    code, out, errors = kinj(*arguments)
    assert (code, out) == (2, "")
    assert errors.startswith("kinj: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_an_error_of_the_system_is_one_line_too(kinj, collection):
    Path("file").write_text("")
    code, _, errors = kinj("index", "build", collection / "chunks.jsonl", "file/index")
    assert code == 2
    assert errors.splitlines()[-1].startswith("kinj: ")
    assert "Traceback" not in errors


def test_an_interrupted_build_says_how_to_go_on(kinj, collection, monkeypatch):
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kinj.retrieval.build_index", interrupted)
    code, _, errors = kinj("index", "build", collection / "chunks.jsonl", "index")
    assert code == 130
    assert errors.endswith("kinj: interrupted: type the same command to go on; what was embedded is kept\n")


@pytest.mark.parametrize("command", [("chunk",), ("index", "build"), ("index", "info"), ("search",)])
def test_help_has_an_example(kinj, command):
    code, out, _ = kinj(*command, "--help")
    assert code == 0
    assert f"Example: kinj {' '.join(command)}" in out


def test_importing_the_command_line_and_retrieval_loads_no_heavy_library():
    heavy = ("torch", "transformers", "sentence_transformers", "faiss", "lm_eval", "numpy", "datasets", "elasticsearch")
    script = f"import sys, kinj.cli, kinj.retrieval; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_equal_texts_are_said_at_the_build_in_info_and_at_a_search(kinj):
    rows = [{"id": f"c{i}", "document_id": f"d{i}", "text": "red fox", "start": 0, "end": 7} for i in range(5)]
    Path("equal.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    count = "4 of 5 chunks repeat the text of another"
    assert f"{count}: equal passages can fill a question's k" in kinj("index", "build", "equal.jsonl", "equal")[2]
    assert count in kinj("index", "info", "equal")[1]
    assert "4 of these 5 passages repeat the text of a better one" in kinj("search", "equal", "fox")[2]


def test_the_language_is_found_and_said_or_given_and_kept(kinj, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for name, text in (("rent", "Die Miete wurde im Mai erhöht, und der Vertrag läuft zwei Jahre."), ("zh", "租金")):
        line = {"id": name, "document_id": name, "text": text, "start": 0, "end": len(text)}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    assert kinj("index", "build", "rent.jsonl", "zh.jsonl", "index")[0] == 0
    said = "de (1 chunk, Snowball stemmer and stop words); zh (1 chunk, pairs of letters)"
    assert f"language of the texts (--language sets it): {said}" in caplog.messages
    assert "language         de 1, zh 1" in kinj("index", "info", "index")[1]
    [found] = json.loads(kinj("search", "index", "Mieten", "--json")[1])
    assert found["chunk_id"] == "rent"
    assert kinj("index", "build", "rent.jsonl", "other", "--language", "fr")[0] == 0
    assert "language as given: fr (1 chunk, Snowball stemmer and stop words)" in caplog.messages
    made_from = json.loads(kinj("index", "info", "other", "--json")[1])["made_from"]
    assert made_from == ["rent.jsonl", "--language", "fr"]
    assert kinj("index", "build", "rent.jsonl", "third", "--language", "french")[0] == 2


def test_an_update_says_what_changed_and_is_not_an_overwriting(kinj, texts, tiny_tokenizer, caplog):
    caplog.set_level(logging.INFO)
    command = ("index", "build", texts, "index", "--tokenizer", tiny_tokenizer)
    assert kinj(*command)[0] == 0
    (texts / "fresno.md").unlink()
    (texts / "gilroy.txt").write_text("The water tower of Gilroy was painted gold.")
    assert kinj(*command, "--update")[0] == 0
    assert "index: 1 chunk added, 0 changed, 1 gone, 1 as before" in caplog.messages
    assert kinj(*command, "--update", "--overwrite")[0] == 2
    code, _, errors = kinj(*command, "--update", "--chunk-tokens", 20)
    assert code == 2
    assert "index was built without --chunk-tokens: give the same, or --overwrite in place of --update" in errors
