from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinj.corpus import build, load_tokenizer, read_chunks, read_documents
from kinj.corpus.build import BuildSettings, Built, build_corpus, is_unfinished
from kinj.corpus.journal import open_journal
from kinj.corpus.sources import FileSource, Item, Known
from kinj.errors import MissingExtraError, UserError
from kinj.records import Chunk

NIGHT = "The owl hunts at night over the fields of the valley and sleeps by day in the old barn. "
DAY = "The vole gathers grass in the morning and carries it along narrow paths to its nest. "


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "owl.txt").write_text(NIGHT * 8)
    (folder / "vole.md").write_text(f"# Vole\n\n{DAY * 8}")
    (folder / "owl_again.txt").write_text(f"{NIGHT * 8}The end of it.")
    (folder / "owl_copy.txt").write_text(NIGHT.upper() * 8)
    (folder / "broken.pdf").write_bytes(b"%PDF nothing")
    rent = {"id": "r", "text": "Die Miete wird am Ersten des Monats bezahlt.", "license": "CC0-1.0"}
    (folder / "rent.jsonl").write_text(json.dumps(rent) + '\n{"id":\n')
    return folder


@pytest.fixture
def make(texts: Path, tmp_path: Path, tiny_tokenizer: Path):
    """Builds the collection of the folder of texts."""

    def run(out: str = "out", source: object = None, **settings: object) -> Built:
        chosen = BuildSettings(**({"chunk_tokens": 60} | settings))
        tokenizer = load_tokenizer(str(tiny_tokenizer))
        return build_corpus(source or FileSource((texts,)), tmp_path / out, tokenizer, chosen)

    return run


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def content(built: Built) -> dict[str, object]:
    """All that a collection says: its files but the journal, and its manifest but its name."""
    files = {file.name: file.read_bytes() for file in built.folder.iterdir() if file.suffix != ".sqlite"}
    assert json.loads(files.pop("manifest.json")) == built.manifest
    del built.manifest["files"], files["changes.jsonl"]  # which a collection made at once has not
    return files | built.manifest | {"name": ""}


def test_a_collection_holds_documents_chunks_what_was_left_out_and_a_manifest(make, texts):
    built = make()
    documents = list(read_documents([built.folder]))
    assert [document.id for document in documents] == ["owl", "r", "vole"]
    assert [document.language for document in documents] == ["en", "de", "en"]
    chunks = list(read_chunks([built.folder / "chunks.jsonl"]))
    by_id = {document.id: document for document in documents}
    assert {chunk.document_id for chunk in chunks} == set(by_id)
    assert all(by_id[chunk.document_id].text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert [(row["id"], row["kind"], row["like"]) for row in rows(built.folder / "duplicates.jsonl")] == [
        ("owl_again", "near", "owl"),
        ("owl_copy", "exact", "owl"),
    ]
    unread = {row["place"].removeprefix(f"{texts}/"): row["reason"] for row in rows(built.folder / "unread.jsonl")}
    assert list(unread) == ["broken.pdf", "rent.jsonl:2"]
    manifest = json.loads((built.folder / "manifest.json").read_text())
    assert manifest == built.manifest
    assert manifest["counts"]["documents"] == 3
    assert manifest["counts"]["words"] == sum(len(document.text.split()) for document in documents)
    assert manifest["languages"] == {"en": 2, "de": 1}
    assert manifest["licenses"] == {"unknown": 2, "CC0-1.0": 1}
    assert manifest["duplicates"] == {"exact": 1, "near": 1}
    assert manifest["unread"] == 2
    assert built.changes == {"added": 7, "changed": 0, "gone": 0, "unchanged": 0}


def test_the_tokens_are_those_of_the_chunks(make, tiny_tokenizer):
    built, tokenizer = make(), load_tokenizer(str(tiny_tokenizer))
    texts = [chunk.text for chunk in read_chunks([built.folder / "chunks.jsonl"])]
    assert built.manifest["counts"]["tokens"] == sum(
        len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts
    )


def test_nothing_is_done_again_where_nothing_changed(make, monkeypatch):
    before = make()
    times = {file.name: file.stat().st_mtime_ns for file in before.folder.iterdir() if file.suffix != ".sqlite"}
    monkeypatch.setattr(build.Preparer, "prepare", None)
    monkeypatch.setattr(build._Writer, "write", None)
    again = make()
    assert again.changes == {"added": 0, "changed": 0, "gone": 0, "unchanged": 7}
    assert {f.name: f.stat().st_mtime_ns for f in again.folder.iterdir() if f.suffix != ".sqlite"} == times


def test_only_what_changed_is_read_and_said(make, texts, monkeypatch):
    make()
    prepared = []
    prepare = build.Preparer.prepare
    monkeypatch.setattr(
        build.Preparer, "prepare", lambda self, document: prepared.append(document.id) or prepare(self, document)
    )
    (texts / "vole.md").write_text(f"# Vole\n\n{DAY * 9}")
    (texts / "new.txt").write_text("A stoat crosses the frozen brook and looks back once.")
    (texts / "owl_again.txt").unlink()
    built = make()
    assert sorted(prepared) == ["new", "vole"]
    assert built.changes == {"added": 1, "changed": 1, "gone": 1, "unchanged": 5}
    changes = {row["key"].removeprefix(f"{texts}/"): row["change"] for row in rows(built.folder / "changes.jsonl")}
    assert changes == {"new.txt": "added", "owl_again.txt": "gone", "vole.md": "changed"}
    assert content(built) == content(make("fresh"))
    assert [document.id for document in read_documents([built.folder])] == ["new", "owl", "r", "vole"]


def test_a_duplicate_takes_the_place_of_a_document_that_is_gone(make, texts):
    make()
    (texts / "owl.txt").unlink()
    ids = [document.id for document in read_documents([make().folder])]
    assert ids == ["owl_again", "r", "vole"]


def test_another_size_of_chunks_cuts_again_and_reads_nothing_again(make, monkeypatch):
    make()
    monkeypatch.setattr(FileSource, "_file", _only_known(FileSource._file))
    built = make(chunk_tokens=20)
    assert built.changes["unchanged"] == 7
    assert content(built) == content(make("fresh", chunk_tokens=20))


def _only_known(read):
    def check(self, found, its_format, known: Known) -> Item:
        item = read(self, found, its_format, known)
        assert item.content is None or known(item.key) is None
        return item

    return check


class Stop(BaseException):
    """Ends the work as a kill does: nothing that the build catches."""


class StoppingSource:
    """The files, up to the n-th item."""

    kind, unit = "files", "bytes"

    def __init__(self, texts: Path, count: int) -> None:
        self._source, self._count = FileSource((texts,)), count
        self.made_from = self._source.made_from

    def total(self) -> int:
        return self._source.total()

    def items(self, known: Known) -> Iterator[Item]:
        for number, item in enumerate(self._source.items(known)):
            if number == self._count:
                raise Stop
            yield item


@pytest.mark.parametrize("count", range(7))
def test_a_build_stopped_while_reading_goes_on_to_the_same_folder(make, texts, count):
    with pytest.raises(Stop):
        make(source=StoppingSource(texts, count))
    read = []
    source = FileSource((texts,))

    class Watched(StoppingSource):
        def items(self, known: Known) -> Iterator[Item]:
            for item in source.items(known):
                read.append(item.content is not None)
                yield item

    built = make(source=Watched(texts, -1))
    # A row that cannot be read is looked at again each time; it is the fifth item.
    assert read == [number >= count or number == 5 for number in range(7)]
    assert built.changes["added"] == 7
    assert content(built) == content(make("fresh"))


@pytest.mark.parametrize("count", range(7))
def test_a_build_stopped_while_writing_is_unfinished_and_goes_on_to_the_same_folder(make, monkeypatch, tmp_path, count):
    write, calls = build._Writer.write, iter(range(99))

    def stop(self: object, entry: object) -> None:
        if next(calls) == count:
            raise Stop
        write(self, entry)

    monkeypatch.setattr(build._Writer, "write", stop)
    with pytest.raises(Stop):
        make()
    assert is_unfinished(tmp_path / "out")
    with pytest.raises(UserError, match="is a collection that is not finished: type the same `kinj corpus` command"):
        list(read_documents([tmp_path / "out"]))
    monkeypatch.undo()
    built = make()
    assert built.changes["added"] == 7
    assert content(built) == content(make("fresh"))


@pytest.mark.parametrize("name", ["write_manifest", "Journal.complete"])
def test_a_build_stopped_at_its_end_goes_on_to_the_same_folder(make, monkeypatch, name):
    def stop(*_: object) -> None:
        raise Stop

    monkeypatch.setattr(f"kinj.corpus.build.{name}", stop)
    with pytest.raises(Stop):
        make()
    monkeypatch.undo()
    built = make()
    assert built.changes["added"] == 7
    assert content(built) == content(make("fresh"))


def test_a_collection_that_changes_stays_whole_until_all_of_it_is_new(make, texts, tmp_path):
    before = content(make())
    (texts / "new.txt").write_text("A stoat crosses the frozen brook and looks back once.")
    with pytest.raises(Stop):
        make(source=StoppingSource(texts, 3))
    files = {name: (tmp_path / "out" / name).read_bytes() for name in before if str(name).endswith("jsonl")}
    assert files == {name: before[name] for name in files}
    assert not is_unfinished(tmp_path / "out")


BUILD = """
import sys
from pathlib import Path
from kinj.corpus import load_tokenizer
from kinj.corpus.build import BuildSettings, build_corpus
from kinj.corpus.sources import FileSource
texts, out, tokenizer = sys.argv[1:]
build_corpus(FileSource((Path(texts),)), Path(out), load_tokenizer(tokenizer), BuildSettings(chunk_tokens=30))
"""


@pytest.mark.long
def test_a_build_killed_at_any_moment_goes_on_to_the_same_folder(texts, tmp_path, tiny_tokenizer):
    rows = [json.dumps({"id": n, "text": f"{NIGHT} {n} {DAY} {n * 7} {NIGHT}"}) for n in range(3000)]
    (texts / "many.jsonl").write_text("\n".join(rows))

    def start(out: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", BUILD, str(texts), str(tmp_path / out), str(tiny_tokenizer)]
        return subprocess.Popen(words)

    started = time.monotonic()
    assert start("fresh").wait() == 0
    whole = time.monotonic() - started
    kills = 0
    for tenth in range(1, 40):
        process = start("out")
        try:
            assert process.wait(timeout=whole * tenth / 10) == 0
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 3
    fresh, resumed = ({f.name: f.read_bytes() for f in (tmp_path / out).iterdir()} for out in ("fresh", "out"))
    assert fresh.keys() == resumed.keys()
    manifests = [json.loads(files["manifest.json"]) | {"name": ""} for files in (fresh, resumed)]
    assert manifests[0] == manifests[1]
    assert all(fresh[name] == resumed[name] for name in fresh if name.endswith(".jsonl"))


def test_strict_stops_at_the_first_that_cannot_be_read_and_keeps_what_was(make, texts):
    with pytest.raises(UserError, match=r"broken\.pdf: no PDF, or broken .* \(--strict\)"):
        make(is_strict=True)
    (texts / "broken.pdf").unlink()
    with pytest.raises(UserError, match=r"rent\.jsonl:2: not JSON .* \(--strict\)"):
        make(is_strict=True)
    assert make().manifest["unread"] == 1


def test_an_id_that_two_files_have_is_named_with_both_places(make, texts, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/owl.txt").write_text("Another owl, of another wood.")
    built = make(source=FileSource((texts, tmp_path / "more")))
    last = rows(built.folder / "unread.jsonl")[-1]
    assert last["place"].endswith("more/owl.txt")
    assert last["reason"] == f"the id 'owl' was used before, at {texts}/owl.txt"
    assert built.manifest["unread"] == 3


def test_a_row_whose_id_comes_twice_is_named(make, texts):
    (texts / "rent.jsonl").write_text('{"id": "r", "text": "Die Miete."}\n' * 3)
    for _ in range(2):
        built = make()
        assert [row["reason"] for row in rows(built.folder / "unread.jsonl")][1:] == [
            "comes a second time: only the first one was read"
        ] * 2
    assert built.changes == {"added": 0, "changed": 0, "gone": 0, "unchanged": 8}


def test_a_file_to_look_at_is_listed(make, texts, make_pdf):
    (texts / "scan.pdf").write_bytes(make_pdf([[(72, 700, "The first page has text.", 11)], []], pictures=[1]))
    built = make()
    [doubt] = rows(built.folder / "doubtful.jsonl")
    assert (doubt["id"], doubt["reason"]) == ("scan", "scanned, without text: page 2")
    assert built.manifest["doubtful"] == 1
    assert [document.pages for document in read_documents([built.folder])][2] == (0, 24)


def test_benchmark_questions_in_the_texts_are_reported_and_others_make_them_looked_for_again(make, texts, tmp_path):
    asked = "Why does the owl hunt at night over the fields of the wide valley?"
    (tmp_path / "q.jsonl").write_text(json.dumps({"id": 1, "question": asked}) + "\n")
    (texts / "quiz.txt").write_text(f"A quiz. {asked} Nobody knows.")
    assert make().manifest["questions"] == {"looked_for": 0, "found": 0}
    built = make(questions=(tmp_path / "q.jsonl",))
    assert built.manifest["questions"] == {"looked_for": 1, "found": 1}
    [found] = rows(built.folder / "questions_found.jsonl")
    assert (found["document_id"], found["question"]) == ("quiz", f"{tmp_path}/q.jsonl:1")


def test_what_readers_took_out_is_counted(make, texts):
    (texts / "site.md").write_text("---\ntitle: Stoat\n---\nThe stoat {{< icon >}} is small and quick. {{< icon >}}")
    assert make().manifest["removed"] == {"front matters": 1, "short codes": 2}


@pytest.mark.parametrize(("made", "why"), [("file", "is a file"), ("folder", "holds files that are not of `kinj corp")])
def test_a_place_that_is_taken_is_refused(make, tmp_path, made, why):
    if made == "file":
        (tmp_path / "out").touch()
    else:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/thesis.docx").touch()
    with pytest.raises(UserError, match=f"out {why}"):
        make()


def test_a_collection_of_another_kind_of_source_is_refused(make, texts):
    make()
    source = StoppingSource(texts, -1)
    source.kind = "wiki"
    with pytest.raises(UserError, match="out is a collection of files, not of wiki: name another folder"):
        make(source=source)


def test_a_collection_that_another_process_writes_is_refused(make, tmp_path):
    make()
    with open_journal(tmp_path / "out"), pytest.raises(UserError, match="another process is writing this collection"):
        make()


def test_a_journal_that_is_none_is_refused(make, tmp_path):
    make()
    (tmp_path / "out/journal.sqlite").write_bytes(b"no database at all, " * 99)
    with pytest.raises(UserError, match=r"journal\.sqlite is broken \(file is not a database\): delete the folder"):
        make()


def test_an_input_that_became_empty_takes_nothing_away(make, texts):
    before = make().manifest
    for file in texts.iterdir():
        file.unlink()
    with pytest.raises(UserError, match=r"nothing that can be read is left in .*in; .*out stays as it was"):
        make()
    assert json.loads((texts.parent / "out/manifest.json").read_text()) == before
    assert len(list(read_documents([texts.parent / "out"]))) == 3


def test_texts_that_say_nothing_make_no_collection(make, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none/a.txt").touch()
    with pytest.raises(UserError, match=r"no document could be read; .*out/unread\.jsonl says why"):
        make(source=FileSource((tmp_path / "none",)))
    assert is_unfinished(tmp_path / "out")


@pytest.mark.parametrize("share", [0, 1.5, -1])
def test_a_share_that_is_none_is_refused(make, share):
    with pytest.raises(UserError, match=f"--near-duplicates {share}: a share of at most 1"):
        make(near=share)


def test_a_disk_that_is_full_is_an_error_of_the_system_and_loses_nothing(make, monkeypatch):
    record_line = build.record_line

    def fill(record: object) -> str:
        if isinstance(record, Chunk):
            raise OSError(errno.ENOSPC, "No space left on device")
        return record_line(record)

    monkeypatch.setattr(build, "record_line", fill)
    with pytest.raises(OSError, match="No space left") as caught:
        make()
    assert caught.value.filename.endswith("/out")
    monkeypatch.undo()
    built = make()
    assert not list(built.folder.glob("*.part"))
    assert content(built) == content(make("fresh"))


def test_a_journal_on_a_full_disk_is_an_error_of_the_system(make, monkeypatch, tmp_path):
    monkeypatch.setattr("kinj.corpus.journal._PRAGMAS", ("locking_mode = EXCLUSIVE", "max_page_count = 8"))
    with pytest.raises(OSError, match="full") as caught:
        make()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "out/journal.sqlite"))
    monkeypatch.undo()
    assert content(make()) == content(make("fresh"))


def test_a_library_that_is_not_installed_stops_the_build(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(MissingExtraError, match="pypdfium2"):
        make()
