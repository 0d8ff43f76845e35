"""Texts of one's own as a collection: whatever `kinj index build` takes, cut as it cuts, without a question asked."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from kinj.cli import main
from kinj.errors import UserError
from kinj.hub.packaged import DEMO
from kinj_training.base import load_tokenizer
from kinj_training.plan import make_plan
from kinj_training.recipe.loading import load_recipe
from kinj_training.recipe.settings import DataSettings
from kinj_training.run.accuracy import refuse_unscorable
from kinj_training.run.train import next_step
from kinj_training.texts.own import open_collection
from kinj_training.texts.texts import select_texts

LONG = " ".join(f"The water tower of Arvada was painted in year {i}." for i in range(120))


@pytest.fixture(autouse=True)
def default_tokenizer(tiny_tokenizer, tmp_path, monkeypatch):
    """The tokenizer that counts a chunk's tokens where none is named, without a hub."""
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    DEMO.folder.mkdir(parents=True)
    shutil.copy(tiny_tokenizer / "tokenizer.json", DEMO.folder)
    (DEMO.folder / "manifest.json").write_text(json.dumps({"wheel_sha256": DEMO.wheel_sha256}))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my_documents"
    (folder / "more").mkdir(parents=True)
    (folder / "towers.txt").write_bytes(b"\xef\xbb\xbfThe tower is red.\r\nIt is old.")
    (folder / "more" / "notes.md").write_text(f"# Notes\n\n{LONG}")
    return folder


def write(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


DOCUMENTS = ({"id": 1, "text": LONG}, {"id": "b", "text": "The tower is red."})


@pytest.fixture
def make_inputs(folder, tmp_path):
    """(what is named as the collection, what `kinj index build` is given for it)"""

    def make(form):
        chunks = tmp_path / "chunks.jsonl"
        main_ok(["chunk", str(folder), str(chunks)])
        if form == "folder of texts":
            return folder, folder
        if form == "documents":
            return (write(tmp_path / "documents.jsonl", *DOCUMENTS),) * 2
        if form == "chunks":
            return chunks, chunks
        place = tmp_path / "made" / ("documents.jsonl" if form == "folder of documents" else "chunks.jsonl")
        write(place, *DOCUMENTS)
        if form == "folder of chunks":
            shutil.copy(chunks, place)
        return place.parent, place

    return make


def main_ok(words):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code


@pytest.mark.parametrize("form", ["folder of texts", "documents", "chunks", "folder of documents", "folder of chunks"])
def test_the_chunks_learnt_are_those_that_index_build_indexes(form, make_inputs, tmp_path):
    collection, inputs = make_inputs(form)
    main_ok(["index", "build", str(inputs), str(tmp_path / "index")])
    indexed = [json.loads(line) for line in (tmp_path / "index" / "chunks.jsonl").read_text().splitlines()]
    learnt = {text.id: text.text for text in select_texts(str(collection), None).chunks()}
    assert len(learnt) > 2
    assert learnt == {chunk["id"]: chunk["text"] for chunk in indexed}


def test_a_benchmark_folder_without_questions_keeps_its_splits_paraphrases_and_pairs(
    training_collection, write_recipe, tmp_path
):
    folder = shutil.copytree(training_collection, tmp_path / "unasked")
    (folder / "questions.jsonl").unlink()
    whole = open_collection(str(training_collection))
    unasked = open_collection(str(folder))
    assert (unasked.chunks, unasked.paraphrases, unasked.pairs) == (whole.chunks, whole.paraphrases, whole.pairs)
    assert unasked.questions == ()
    path = write_recipe(arm="paraphrase", paraphrases=2, split="dev", collection=str(folder))
    counts = plan(load_recipe(path)).counts
    assert (counts["texts"], counts["questions_checked"], counts["held_out"]["texts"]) == (6, 0, 2)


def plan(recipe):
    return make_plan(recipe, load_tokenizer(recipe.base), 1)


def test_the_plan_names_what_was_read_and_changes_with_a_word_of_a_text(folder, write_recipe, caplog):
    recipe = load_recipe(write_recipe(collection=str(folder)))
    with caplog.at_level("INFO"):
        first = plan(recipe)
    assert (first.counts["documents"], first.counts["questions_checked"]) == (2, 0)
    assert first.counts["chunks"] > 2
    assert f"{folder}: cut 2 documents into {first.counts['chunks']} chunks of at most 256 tokens" in caplog.text
    assert plan(recipe).sha256 == first.sha256
    (folder / "towers.txt").write_text("The tower is blue.\nIt is old.")
    changed = plan(recipe)
    assert changed.sha256 != first.sha256
    assert changed.as_data()["sha256"] != first.as_data()["sha256"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"split": "dev"}, r"split: dev: .*my_documents has no splits: leave it out"),
        ({"arm": "paraphrase"}, r"paraphrases: 10: .*my_documents has none to train on: take arm raw"),
        ({"arm": "repeat", "match": "steps"}, r"paraphrases: 10: .*my_documents has none to train on: take arm raw"),
        ({"arm": "qa"}, r"my_documents: no pairs\.jsonl .*: take arm raw"),
        ({"arm": "raft"}, r"my_documents: no pairs\.jsonl .*: take arm raw"),
        ({"arm": "mix", "replay_share": 0, "paraphrases": 0, "qa_share": 0.1}, r"a mix also does with qa_share: 0"),
    ],
)
def test_what_plain_texts_do_not_have_is_said_with_the_way_out(values, why, folder, write_recipe):
    with pytest.raises(UserError, match=why):
        plan(load_recipe(write_recipe(collection=str(folder), **values)))


def test_a_mix_of_plain_texts_does_without_paraphrases_and_pairs(folder, write_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    data = write(tmp_path / "general.jsonl", *({"text": f"General text number {i}."} for i in range(99)))
    path = write_recipe(arm="mix", paraphrases=0, qa_share=0, collection=str(folder), data=str(data))
    assert set(plan(load_recipe(path)).counts["kinds"]) == {"chunk", "replay"}


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("empty.txt", b" \n", r"collection: .*empty\.txt: empty: no letter .*: mend it, or take it out of ."),
        ("latin.txt", b"caf\xe9", r"collection: .*latin\.txt: not UTF-8 .*: mend it, or take it out of .*my_documents"),
    ],
)
def test_a_faulty_text_is_named_with_the_way_to_go_on_without_it(file, content, why, folder):
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=why):
        open_collection(str(folder))


def test_nothing_there_and_no_tokenizer_to_cut_by_are_said(folder, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"collection: .*gone: neither a file or folder of texts, nor .*current_events"):
        open_collection(str(tmp_path / "gone"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match=r"nothing holds no file that a reader is for: \.txt, \.md, "):
        open_collection(str(tmp_path / "nothing"))
    shutil.rmtree(DEMO.folder)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("kinj.corpus.tokenizer.find_model", _offline)
    with pytest.raises(UserError, match=r"`kinj demo-model`.*a file that `kinj chunk` made is a collection too"):
        open_collection(str(folder))


def _offline(*_arguments, **_more):
    raise OSError("offline")


def test_no_command_asks_about_plain_texts(folder, tmp_path):
    words = shlex.split(next_step(tmp_path, DataSettings(arm="raw", collection=str(folder))))
    assert words[-2:] == ["--tasks", "TASK"]
    assert "--metadata" not in words
    with pytest.raises(UserError, match=r"accuracy_task: kinj_benchmark_option: .*my_documents has no questions"):
        refuse_unscorable("kinj_benchmark_option", None, {"collection": str(folder)})
