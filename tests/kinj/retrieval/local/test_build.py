from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj.records import Chunk, Query
from kinj.retrieval import build_index, collection_index, open_index, open_retriever


def test_the_same_index_is_reused_and_said_so(indexed, caplog):
    caplog.set_level("INFO")
    first = indexed("red fox", "red hen")
    written = (first.folder / "manifest.json").stat().st_mtime_ns
    indexed("red fox", "red hen")
    assert (first.folder / "manifest.json").stat().st_mtime_ns == written
    assert "already holds this index: reused" in caplog.text


def test_other_chunks_are_refused_unless_overwriting(indexed, chunks, ids):
    folder = indexed("red fox").folder
    with pytest.raises(UserError, match=r"holds another index \(1 chunks, embedder none\): add --overwrite"):
        build_index(chunks("blue whale", "hen"), folder)
    assert len(open_index(folder)) == 1
    build_index(chunks("blue whale", "hen"), folder, overwrite=True)
    assert ids(open_retriever("bm25", index=folder).search([Query("whale")], 3)) == [["c00"]]


def test_another_embedder_is_refused_unless_overwriting(indexed, chunks, tiny_embedder):
    folder = indexed("red fox").folder
    with pytest.raises(UserError, match="holds another index"):
        build_index(chunks("red fox"), folder, str(tiny_embedder))


def test_a_folder_of_something_else_is_never_replaced(chunks, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/mine.txt").write_text("dear")
    with pytest.raises(UserError, match="exists and is not an index of kinj"):
        build_index(chunks("red fox"), tmp_path / "letters", overwrite=True)
    assert (tmp_path / "letters/mine.txt").read_text() == "dear"


def test_a_file_in_the_way_is_never_replaced(chunks, tmp_path):
    (tmp_path / "notes").write_text("dear")
    with pytest.raises(UserError, match="exists and is not an index of kinj"):
        build_index(chunks("red fox"), tmp_path / "notes", overwrite=True)


def test_an_empty_folder_is_filled(chunks, tmp_path):
    (tmp_path / "new").mkdir()
    assert len(build_index(chunks("red fox"), tmp_path / "new")) == 1


def test_nothing_but_the_index_and_its_lock_is_left(indexed, tmp_path):
    indexed("red fox")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".index.lock", "index"]


def test_the_old_index_serves_until_the_new_one_is_complete(indexed, chunks, tiny_embedder, monkeypatch):
    from kinj.retrieval.embedding.embedder import Embedder

    folder = indexed("red fox").folder
    reader = open_retriever("bm25", index=folder)

    def interrupted(self, texts):
        raise KeyboardInterrupt

    monkeypatch.setattr(Embedder, "embed_passages", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_index(chunks("blue whale"), folder, str(tiny_embedder), overwrite=True)
    assert open_index(folder).content == reader.describe()["index"]
    assert reader.search([Query("fox")], 1)[0]


def test_a_reader_goes_on_while_its_index_is_replaced(indexed, chunks, ids):
    folder = indexed("red fox", "red hen").folder
    reader = open_retriever("bm25", index=folder)
    build_index(chunks("blue whale"), folder, overwrite=True)
    assert ids(reader.search([Query("red fox")], 2)) == [["c00", "c01"]]


def test_an_index_that_must_not_be_written_is_read_without_writing(indexed, chunks, monkeypatch, ids):
    folder = indexed("red fox", "red hen").folder
    for lock in (folder / "bm25").glob("*.lock"):
        lock.unlink()
    before = sorted((folder / "bm25").iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    retriever = open_retriever("bm25", index=folder)
    assert ids(retriever.search([Query("red"), Query("hen")], 3)) == [["c00", "c01"], ["c01"]]
    assert sorted((folder / "bm25").iterdir()) == before


def test_links_in_which_tantivy_still_takes_its_lock_are_removed_all_the_same(
    indexed, monkeypatch, ids, tmp_path_factory
):
    folder, links = indexed("red fox", "red hen").folder, tmp_path_factory.mktemp("links")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(tempfile, "tempdir", str(links))
    removed, rmdir = threading.Event(), os.rmdir

    def lock_meanwhile(path, *given, **named):
        if not removed.is_set():
            [place] = links.iterdir()
            (place / ".tantivy-meta.lock").touch()
            removed.set()
        rmdir(path, *given, **named)

    monkeypatch.setattr(os, "rmdir", lock_meanwhile)
    retriever = open_retriever("bm25", index=folder)
    assert removed.is_set()
    assert list(links.iterdir()) == []
    assert ids(retriever.search([Query("hen")], 3)) == [["c01"]]


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_every_file_can_be_read_by_those_who_share_the_folder(indexed):
    files = [path for path in indexed("red fox").folder.rglob("*") if path.is_file()]
    modes = {path.stat().st_mode for path in files}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no chunks: there is nothing to index"),
        ([Chunk("a", "d", "x", 0, 1), Chunk("a", "d", "y", 1, 2)], "the chunk id 'a' was given twice"),
        ([Chunk("a", "d", " \n", 0, 2)], "chunk 'a' has an empty text"),
    ],
)
def test_bad_chunks_are_refused_before_anything_is_written(given, message, tmp_path):
    with pytest.raises(UserError, match=message):
        build_index(given, tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_index_is_refused_with_the_command_that_builds_it(tmp_path):
    with pytest.raises(UserError, match=r"does not exist; build it with: kinj index build IN \S+/none$"):
        open_retriever("bm25", index=tmp_path / "none")


def test_a_half_built_index_is_refused(indexed):
    folder = indexed("red fox").folder
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"unfinished, .*build it with: kinj index build"):
        open_index(folder)


@pytest.mark.parametrize("change", ["red fax", "red fox and more"])
def test_changed_chunks_are_refused_with_the_command_of_the_build(chunks, tmp_path, change):
    folder = build_index(chunks("red fox"), tmp_path / "index", made_from=["my texts", "--chunk-tokens", "99"]).folder
    path = folder / "chunks.jsonl"
    path.write_text(path.read_text().replace("red fox", change))
    command = f"kinj index build 'my texts' --chunk-tokens 99 {folder} --overwrite"
    with pytest.raises(UserError, match=f"chunks.jsonl changed after the index was built; build it with: {command}"):
        open_index(folder)


def test_a_lost_part_is_refused(indexed, chunks):
    folder, other = indexed("red fox", "hen").folder, indexed("red fox", name="other").folder
    (folder / "bm25").rename(folder / "lost")
    (other / "bm25").rename(folder / "bm25")
    with pytest.raises(UserError, match="its BM25 index has 1 rows for 2 chunks; build it with"):
        open_retriever("bm25", index=folder).search([Query("fox")], 1)


@pytest.mark.parametrize(("key", "value"), [("format", 0), ("analysis", {"stemmer": "none"})])
def test_an_index_of_another_version_is_refused(indexed, key, value):
    folder = indexed("red fox").folder
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {key: value}))
    with pytest.raises(UserError, match=r"written by another version of kinj; .* --overwrite"):
        open_index(folder)


def test_the_folder_of_another_stage_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"kind": "checkpoint"}')
    with pytest.raises(UserError, match="is not an index of kinj"):
        open_index(tmp_path)


def test_a_collections_index_is_built_once_in_the_cache(collection, monkeypatch, tmp_path, ids):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path))
    folder = collection_index(collection, None)
    assert folder.parent == tmp_path / "indexes"
    assert ids(open_retriever("bm25", index=folder).search([Query("Belmont")], 1)) == [["d1.1"]]
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert collection_index(collection, None) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == written


def test_a_changed_collection_and_another_embedder_get_indexes_of_their_own(
    collection, tiny_embedder, monkeypatch, tmp_path
):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    changed = tmp_path / "towers"
    changed.mkdir()
    lines = (collection / "chunks.jsonl").read_text().splitlines(keepends=True)
    (changed / "chunks.jsonl").write_text("".join(lines[:-1]))
    folders = [
        collection_index(*given) for given in ((collection, None), (changed, None), (collection, str(tiny_embedder)))
    ]
    assert len(set(folders)) == 3


def test_a_collection_without_chunks_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"chunks.jsonl: no such file; a collection needs"):
        collection_index(tmp_path, None)


def test_chunks_are_taken_one_at_a_time_and_the_index_is_that_of_a_list(chunks, tmp_path):
    made = chunks(*[f"tower number {number}" for number in range(500)])
    built = build_index(iter(made[::-1]), tmp_path / "iterator")
    listed = build_index(made, tmp_path / "list")
    assert built.content == listed.content
    assert (built.folder / "chunks.jsonl").read_bytes() == (listed.folder / "chunks.jsonl").read_bytes()


def test_an_error_among_the_chunks_leaves_nothing_behind(chunks, tmp_path):
    def failing():
        yield from chunks("red fox", "red hen")
        raise UserError("chunks.jsonl:3: not JSON")

    with pytest.raises(UserError, match=r"chunks\.jsonl:3: not JSON"):
        build_index(failing(), tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_cannot_be_written_with_no_temporary_folder_is_refused_in_one_line(indexed, monkeypatch):
    from kinj.retrieval.local import bm25

    folder = indexed("red fox").folder
    monkeypatch.setattr(bm25.os, "access", lambda *_: False)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(UserError, match=r"cannot be written, nor is there a folder for temporary files .* set TMPDIR"):
        open_index(folder)


def test_a_collections_index_in_a_cache_that_cannot_be_written_is_refused_plainly(collection, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"cache/indexes, which cannot be written \(Not a directory\): set KINJ"):
        collection_index(collection, None)


def test_a_mount_point_is_refused_before_anything_is_built(chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "index")
    with pytest.raises(UserError, match=r"index is a mount point, .*: name a folder inside it"):
        build_index(chunks("red fox"), tmp_path / "index")
    assert list(tmp_path.iterdir()) == []
