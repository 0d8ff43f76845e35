from __future__ import annotations

import errno
import gc
import json
from pathlib import Path

import pytest

from kinj.corpus import open_inputs, read_chunks, read_documents, used_ids
from kinj.errors import UserError
from kinj.records import Chunk, Document


def lines(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


CHUNK = {"id": "d#1", "document_id": "d", "text": "red fox", "start": 3, "end": 10}
DOCUMENT = {"id": "d", "text": "A red fox."}


def test_inputs_are_told_apart_by_their_keys(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.md").write_text("# Fox")
    given = [lines(tmp_path / "c.jsonl", CHUNK), lines(tmp_path / "d.jsonl", DOCUMENT), texts]
    inputs = open_inputs(given)
    assert [kind for _, kind in inputs.kinds] == ["chunks", "documents", "folder of texts"]
    assert [chunk.id for chunk in inputs.chunks()] == ["d#1"]
    assert [document.id for document in inputs.documents()] == ["d", "a"]


def test_a_folder_gives_its_txt_and_md_files_by_their_path(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_bytes("Füchse\r\nzwei".encode())
    (tmp_path / "sub/a.MD").write_text("one")
    (tmp_path / "sub/picture.png").write_bytes(b"\x89PNG")
    documents = read_documents([tmp_path])
    assert [(document.id, document.text) for document in documents] == [("b", "Füchse\nzwei"), ("sub/a", "one")]


def test_a_byte_order_mark_and_line_ends_of_another_system_are_no_part_of_a_text(tmp_path):
    (tmp_path / "lease.txt").write_bytes(b"\xef\xbb\xbfLease signed.\r\nRent due.\rEnd.")
    [document] = read_documents([tmp_path])
    assert document.text == "Lease signed.\nRent due.\nEnd."
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode() + b"\r\n")
    assert [document.id for document in read_documents([path])] == [DOCUMENT["id"]]


def test_files_that_differ_in_their_suffix_alone_keep_it_in_their_ids(tmp_path):
    for name in ("notes.txt", "notes.md", "other.txt", "notes.png"):
        (tmp_path / name).write_text(name)
    assert [document.id for document in read_documents([tmp_path])] == ["notes.md", "notes.txt", "other"]


def test_null_is_an_absent_optional_key_and_ids_may_be_whole_numbers(tmp_path):
    [document] = read_documents([lines(tmp_path / "d.jsonl", DOCUMENT | {"id": 7, "title": None, "date": None})])
    assert (document.id, document.title, document.date) == ("7", "", "")
    [chunk] = read_chunks([lines(tmp_path / "c.jsonl", CHUNK | {"id": 71, "document_id": 7})])
    assert (chunk.id, chunk.document_id) == ("71", "7")


def test_an_address_stands_in_for_the_source(tmp_path):
    [document] = read_documents([lines(tmp_path / "d.jsonl", DOCUMENT | {"url": "https://example.org"})])
    assert document.source == "https://example.org"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (DOCUMENT | {"text": " \n"}, "d.jsonl:2: 'd' has an empty text"),
        (DOCUMENT | {"id": "first"}, "d.jsonl:2: the id 'first' was used before, at .*d.jsonl:1"),
        ({"id": "x"}, "d.jsonl:2: no 'text'"),
        ({"id": 7.5, "text": "x"}, "d.jsonl:2: 'id' is float, expected str"),
        ({"id": True, "text": "x"}, "d.jsonl:2: 'id' is bool, expected str"),
        ({"id": "x", "text": None}, "d.jsonl:2: 'text' is NoneType, expected str"),
        ({"id": "x", "text": "smile \ud83d end"}, r"d.jsonl:2: 'text' holds half a character \(\\ud83d\)"),
    ],
)
def test_a_bad_document_is_refused_by_file_and_line(tmp_path, row, why):
    path = lines(tmp_path / "d.jsonl", DOCUMENT | {"id": "first"}, row)
    with pytest.raises(UserError, match=why):
        list(read_documents([path]))


def test_an_id_used_in_two_files_is_refused_with_both_places(tmp_path):
    one, other = lines(tmp_path / "1.jsonl", CHUNK), lines(tmp_path / "2.jsonl", CHUNK)
    with pytest.raises(UserError, match=r"2\.jsonl:1: the id 'd#1' was used before, at .*1\.jsonl:1"):
        list(read_chunks([one, other]))


@pytest.mark.parametrize("offsets", [{"start": 0}, {"end": 99}, {"start": -1, "end": 6}])
def test_a_chunk_whose_offsets_do_not_fit_its_text_is_refused(tmp_path, offsets):
    with pytest.raises(UserError, match=r"c\.jsonl:1: chunk 'd#1' is 7 characters long but says"):
        list(read_chunks([lines(tmp_path / "c.jsonl", CHUNK | offsets)]))


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    path = tmp_path / "d.jsonl"
    path.write_text(content)
    for read in (read_documents, read_chunks, open_inputs):
        with pytest.raises(UserError, match=r"d\.jsonl is empty: there is nothing to read"):
            list(read([path]))


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no file that a reader is for: \.txt, \.md"):
        list(read_documents([tmp_path]))


def test_a_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"a\.txt: not UTF-8 .* at byte 3"):
        list(read_documents([tmp_path]))


def test_an_object_of_another_kind_is_refused_with_its_keys(tmp_path):
    with pytest.raises(UserError, match=r"q\.jsonl:1: neither a document .* nor a chunk .* keys are 'question'"):
        open_inputs([lines(tmp_path / "q.jsonl", {"question": "who?"})])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        open_inputs([tmp_path / "none.jsonl"])


def test_lines_are_read_when_their_turn_comes(tmp_path):
    path = lines(tmp_path / "d.jsonl", DOCUMENT, {"id": "broken"})
    documents = read_documents([path])
    assert next(documents).id == "d"
    with pytest.raises(UserError, match=r"d\.jsonl:2: no 'text'"):
        next(documents)


@pytest.mark.parametrize(("kind", "read", "row"), [(Document, read_documents, DOCUMENT), (Chunk, read_chunks, CHUNK)])
def test_records_are_held_one_at_a_time(tmp_path, kind, read, row):
    path = lines(tmp_path / "x.jsonl", *[row | {"id": str(number)} for number in range(500)])

    def count_alive() -> int:
        return sum(type(one) is kind for one in gc.get_objects())

    gc.collect()
    before, alive = count_alive(), []
    for number, _ in enumerate(read([path])):
        if number in (100, 499):
            alive.append(count_alive() - before)
    assert len(alive) == 2
    assert max(alive) < 5


def test_ids_beyond_memory_are_refused_with_both_places(tmp_path, monkeypatch):
    monkeypatch.setattr(used_ids, "_PRAGMAS", ("journal_mode = OFF", "cache_size = -1"))
    rows = [DOCUMENT | {"id": f"{number * 7919 % 20_000}"} for number in range(20_000)]
    path = lines(tmp_path / "d.jsonl", *rows, rows[77])
    with pytest.raises(UserError, match=r"d\.jsonl:20001: the id '9763' was used before, at .*d\.jsonl:78$"):
        list(read_documents([path]))


def test_a_disk_too_full_for_the_ids_is_an_error_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(used_ids, "_PRAGMAS", (*used_ids._PRAGMAS, "max_page_count = 3"))
    path = lines(tmp_path / "d.jsonl", *[DOCUMENT | {"id": f"{number:09d}"} for number in range(1000)])
    with pytest.raises(OSError, match=r"full: .*temporary file \(TMPDIR says in which folder\)") as caught:
        list(read_documents([path]))
    assert caught.value.errno == errno.ENOSPC


def test_the_files_of_a_folder_come_in_the_order_of_their_paths(tmp_path):
    for name in ("b/z.txt", "b.txt", "b/a/c.md", "a.txt", "B.txt", "b-a/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    read = [document.source for document in read_documents([tmp_path])]
    assert read == [str(path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]


def test_an_id_of_a_chunk_and_of_a_cut_is_refused_with_both_places(tmp_path):
    inputs = open_inputs([lines(tmp_path / "d.jsonl", DOCUMENT), lines(tmp_path / "c.jsonl", CHUNK)])
    with pytest.raises(UserError, match=r"d\.jsonl:1: the id 'd#1' was used before, at .*c\.jsonl:1"):
        list(inputs.all_chunks(lambda document: [Chunk("d#1", "d", document.text, 0, 10)]))


def test_the_licence_of_a_chunk_is_read(tmp_path):
    [chunk] = read_chunks([lines(tmp_path / "c.jsonl", CHUNK | {"license": "CC0-1.0", "source": "https://x.org"})])
    assert (chunk.license, chunk.source) == ("CC0-1.0", "https://x.org")
