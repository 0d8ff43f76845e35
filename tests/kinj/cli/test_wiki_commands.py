"""`kinj corpus wikipedia`, `dump`, and the ready-made collections, as they are typed, on a recorded wiki."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinj.cli import main
from kinj.corpus.ready_made import SUBJECTS, Subject, find_collection, use_collection
from kinj.corpus.wiki import api
from kinj.errors import UserError

WIKI = Path(__file__).parents[1] / "corpus/wiki"
API = ("--api", "http://wiki.example/api.php", "--contact", "me@example.org")
Said = tuple[int, str, str]


@pytest.fixture
def kinj(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_tokenizer: Path
) -> Callable[..., Said]:
    """Runs `kinj corpus ARGS` on the recorded wiki, in a folder and a cache of its own."""
    spec = importlib.util.spec_from_file_location("recorded_wiki", WIKI / "conftest.py")
    recorded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "recorded_wiki", recorded)
    spec.loader.exec_module(recorded)
    monkeypatch.setattr(api, "_session", lambda contact: recorded.Replay())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KINJ_CONTACT", raising=False)

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["kinj", "corpus", *map(str, words), *chosen(words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, errors = capsys.readouterr()
        return int(ended.value.code or 0), out, errors

    def chosen(words: tuple[object, ...]) -> list[str]:
        return [] if "--collection" in words else ["--tokenizer", str(tiny_tokenizer)]

    return run


def test_pages_around_one_become_a_collection_and_the_rest_is_said(kinj):
    code, out, errors = kinj("wikipedia", "sky", "--around", "Sky", *API)
    assert code == 0
    shown = {line[:21].strip(): line[21:] for line in out.splitlines()}
    assert shown["since the last time"] == "3 added, 0 changed, 0 gone, 0 unchanged"
    assert shown["licences"] == "3 CC BY-SA 4.0"
    assert "passed over: 1: disambiguation pages" in errors
    assert "passed over: 1: no page of that title: deleted, or never written" in errors
    manifest = json.loads(Path("sky/manifest.json").read_text())
    assert manifest["kind"] == "wikipedia"
    assert manifest["made_from"] == ["--around", "Sky", "--limit", "4000", "--api", "http://wiki.example/api.php"]
    assert "me@example.org" not in Path("sky/manifest.json").read_text()


def test_typed_again_nothing_is_read_again(kinj):
    kinj("wikipedia", "sky", "--around", "Sky", *API)
    before = {file.name: file.read_bytes() for file in Path("sky").glob("*.json*")}
    _, out, _ = kinj("wikipedia", "sky", "--around", "Sky", *API)
    assert "0 added, 0 changed, 0 gone, 3 unchanged" in out
    assert {file.name: file.read_bytes() for file in Path("sky").glob("*.json*")} == before


def test_categories_of_months_are_filled_in(kinj):
    code, out, _ = kinj("wikipedia", "events", "--from", "2026-08", *API)
    assert code == 0
    assert "1 added" in out
    [document] = map(json.loads, Path("events/documents.jsonl").read_text().splitlines())
    assert (document["title"], document["text"]) == ("Election of August", "People voted on 3 August. It was warm.")


def test_an_export_becomes_a_collection(kinj):
    code, out, errors = kinj("dump", WIKI / "export.xml", "all", "--license", "CC BY-SA 4.0")
    assert code == 0
    assert "8 added" in out
    assert "passed over: 1: redirects" in errors


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("wikipedia", "out", *API), "which pages? --category NAME, --around TITLE"),
        (("wikipedia", "out", "--around", "Sky"), "--contact '': your e-mail address"),
        (("wikipedia", "out", "--around", "Sky", "--lang", "../x", "--contact", "a@b.c"), "--lang ../x: the code of a"),
        (("wikipedia", "out", "--around", "Sky", "--to", "2026-08", *API), "--to 2026-08: --from says where"),
        (("wikipedia", "out", "--category", "Sky", "--from", "2026-08", *API), "put {month} or {mm}"),
        (("dump", "nothing.xml", "out"), "nothing.xml: no such file"),
        (("mmlu", "--collection", "x"), "--collection x: for one subject, as `kinj corpus mmlu_anatomy"),
        (("mmlu_anatomy", "out", "--collection", "x"), "is taken where it is: leave out away"),
        (("mmlu_anatomy", "--collection", "x"), "x is no collection, since it has no chunks.jsonl"),
    ],
)
def test_a_mistake_is_named_in_one_line(kinj, words, why):
    code, _, errors = kinj(*words)
    assert code == 2
    assert why in errors.splitlines()[-1]
    assert not Path("out").exists()


def test_a_subject_s_collection_goes_to_the_cache_and_is_found_by_its_name(kinj, monkeypatch, tmp_path):
    monkeypatch.setitem(SUBJECTS, "mmlu_anatomy", Subject("Sky", depth=1))
    with pytest.raises(UserError, match="mmlu_anatomy is not there yet: `kinj corpus mmlu_anatomy --contact"):
        find_collection("mmlu_anatomy")
    code, out, errors = kinj("mmlu_anatomy", *API)
    assert code == 0
    assert "3 added" in out
    assert find_collection("mmlu_anatomy") == tmp_path / "cache/collections/mmlu_anatomy"
    assert "kinj_mmlu_anatomy searches it: lm_eval --tasks kinj_mmlu_anatomy --model kinj_rag" in errors


def test_a_folder_of_one_s_own_serves_for_a_subject(kinj, monkeypatch, tmp_path):
    monkeypatch.setitem(SUBJECTS, "mmlu_anatomy", Subject("Sky", depth=1))
    assert kinj("mmlu_anatomy", "here", *API)[0] == 0
    assert find_collection("mmlu_anatomy") == tmp_path / "here"
    assert kinj("mmlu_astronomy", "--collection", "here")[:2] == (0, "kinj_mmlu_astronomy searches here\n")
    assert find_collection("mmlu_astronomy") == tmp_path / "here"


def test_a_collection_that_has_gone_or_is_unfinished_is_said(kinj, monkeypatch):
    monkeypatch.setitem(SUBJECTS, "mmlu_anatomy", Subject("Sky", depth=1))
    kinj("mmlu_anatomy", "here", *API)
    Path("here/manifest.json").unlink()
    with pytest.raises(UserError, match="here is a collection that is not finished"):
        find_collection("mmlu_anatomy")
    for file in Path("here").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="here is no collection, since it has no chunks"):
        find_collection("mmlu_anatomy")


def test_a_broken_note_of_a_collection_is_said(kinj, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/chunks.jsonl").touch()
    use_collection("mmlu_anatomy", tmp_path / "c")
    (tmp_path / "cache/collections/mmlu_anatomy.json").write_text("[]")
    with pytest.raises(UserError, match=r"mmlu_anatomy\.json is broken: delete it, then `kinj corpus"):
        find_collection("mmlu_anatomy")


def test_events_of_a_month_are_its_categories_and_its_days(kinj, monkeypatch):
    monkeypatch.setattr("kinj.cli.ready_made.DAYS", "Current events/{year} {month} {day}")
    code, _, errors = kinj("current_events", "out", "--from", "2026-08", "--depth", "0", *API)
    assert code == 0
    documents = [json.loads(line) for line in Path("out/documents.jsonl").read_text().splitlines()]
    assert {document["title"]: document["date"] for document in documents} == {
        "Current events/2026 August 1": "2026-08-01",
        "Election of August": "2026-08-01T12:02:20Z",
    }
    assert "not read: Current events/2026 August 2: no page of that title: deleted, or never written" in errors
