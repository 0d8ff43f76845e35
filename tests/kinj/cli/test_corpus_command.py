"""`kinj corpus`, as it is typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinj.cli import main

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
def corpus(kinj: Callable[..., Said], tmp_path: Path, tiny_tokenizer: Path, make_pdf: Callable[..., bytes]):
    """Runs `kinj corpus files in OUT` on a folder of three texts, one of them broken."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/owl.md").write_text("---\ntitle: The owl\n---\n# Owl\n\nThe owl hunts at night over the fields.\n")
    (tmp_path / "in/lease.pdf").write_bytes(make_pdf([[(72, 700, "The tenant pays the rent each month.", 11)]]))
    (tmp_path / "in/broken.docx").write_bytes(b"PK no zip")
    (tmp_path / "in/logo.png").write_bytes(b"\x89PNG")
    return lambda *words: kinj("corpus", "files", "in", "out", "--tokenizer", tiny_tokenizer, *words)


def test_files_become_a_collection_and_everything_left_out_is_said(corpus):
    code, out, errors = corpus()
    assert code == 0
    shown = {line[:21].strip(): line[21:] for line in out.splitlines()}
    assert shown["since the last time"] == "3 added, 0 changed, 0 gone, 0 unchanged"
    assert shown["documents"].startswith("2, 17 words, ")
    assert shown["languages"] == "2 en"
    assert shown["licences"] == "2 unknown"
    assert shown["duplicates left out"] == "none"
    assert shown["not read"] == "1: out/unread.jsonl"
    assert shown["taken out of texts"] == "1 front matters"
    assert "passed over, since no reader is for them: 1 .png" in errors
    assert "not read: in/broken.docx: no .docx: File is not a zip file" in errors
    assert "next: kinj index build out my_index" in errors


def test_typed_again_it_says_that_nothing_changed(corpus):
    corpus()
    _, out, _ = corpus()
    assert "0 added, 0 changed, 0 gone, 3 unchanged" in out


def test_json_gives_the_manifest_and_the_changes(corpus):
    code, out, _ = corpus("--json")
    values = json.loads(out)
    assert code == 0
    assert values["changes"] == {"added": 3, "changed": 0, "gone": 0, "unchanged": 0}
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert {name: values[name] for name in manifest} == manifest
    assert manifest["made_from"] == ["in"]


def test_strict_ends_at_the_first_that_cannot_be_read(corpus):
    code, _, errors = corpus("--strict")
    assert code == 2
    assert errors.splitlines()[-1] == "kinj: in/broken.docx: no .docx: File is not a zip file (--strict)"


def test_an_interruption_says_what_to_type(corpus, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kinj.corpus.preparing.Preparer.prepare", interrupt)
    code, _, errors = corpus()
    assert code == 130
    assert "interrupted: type the same command to go on; what was read is kept" in errors


def test_a_collection_becomes_an_index_whose_passages_are_found(corpus, kinj):
    corpus()
    code, out, errors = kinj("index", "build", "out", "index")
    assert (code, out) == (0, "index: 2 chunks, BM25\n")
    assert "out: collection" in errors
    code, out, _ = kinj("search", "index", "tenant rent")
    assert code == 0
    assert "The tenant pays the rent each month." in out


def test_chunk_and_index_build_read_the_same_kinds_of_files(corpus, kinj, tiny_tokenizer):
    code, out, _ = kinj("chunk", "in/lease.pdf", "in/owl.md", "c.jsonl", "--tokenizer", tiny_tokenizer)
    assert (code, out) == (0, "wrote c.jsonl: 2 chunks\n")
    code, _, errors = kinj("index", "build", "in", "index", "--tokenizer", tiny_tokenizer)
    assert code == 2
    assert "in/broken.docx: no .docx: File is not a zip file; `kinj corpus files in OUT` reads the rest" in errors


def test_an_unfinished_collection_is_not_indexed(corpus, kinj):
    corpus()
    Path("out/manifest.json").unlink()
    code, _, errors = kinj("index", "build", "out", "index")
    assert code == 2
    assert "out is a collection that is not finished: type the same `kinj corpus` command again" in errors


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--encoding", "latin-99"), "--encoding latin-99: no such character encoding"),
        (("--questions", "nothing"), "--questions nothing: no such file or folder"),
        (("--near-duplicates", "2"), "--near-duplicates 2.0: a share of at most 1"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(corpus, words, why):
    code, _, errors = corpus(*words)
    assert code == 2
    assert errors.splitlines()[-1].startswith(f"kinj: {why}")


def test_a_collection_inside_its_input_is_refused(kinj, corpus, tiny_tokenizer):
    code, _, errors = kinj("corpus", "files", "in", "in/out", "--tokenizer", tiny_tokenizer)
    assert (code, errors) == (
        2,
        "kinj: in/out lies inside in, and would be read the next time: name a folder outside it\n",
    )
