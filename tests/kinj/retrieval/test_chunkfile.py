from __future__ import annotations

import errno
import gc
import hashlib
import json
import random

import pytest

from kinj.errors import UserError
from kinj.jsonl import record_line
from kinj.records import Chunk
from kinj.retrieval import spool
from kinj.retrieval.chunkfile import ChunkFile, sort_chunks

#: Ids whose order differs by language, by UTF-16 and by characters.
IDS = ["a", "B", "a#000010", "a#000009", "é", "e\u0301", "z", "\uffee", "\U0001f9ed", "ß", "a\0b", "", " ", "10", "9"]


def chunk(chunk_id: str, document_id: str = "d", **known: str) -> Chunk:
    return Chunk(chunk_id, document_id, f"text of {chunk_id}", 0, 8 + len(chunk_id), **known)


def test_chunks_are_sorted_as_python_sorts_their_ids_whatever_order_they_come_in(tmp_path):
    made = [chunk(chunk_id) for chunk_id in IDS]
    wanted = "".join(record_line(one) for one in sorted(made, key=lambda one: one.id)).encode()
    for seed in range(5):
        random.Random(seed).shuffle(made)
        in_order = sort_chunks(made, tmp_path / "chunks.jsonl")
        assert (tmp_path / "chunks.jsonl").read_bytes() == wanted
        assert in_order.summary["sha256"] == hashlib.sha256(wanted).hexdigest()
        assert in_order.summary["bytes"] == len(wanted)
        assert list(in_order) == sorted(made, key=lambda one: one.id)
    assert [path.name for path in tmp_path.iterdir()] == ["chunks.jsonl"]


def test_documents_and_fields_are_counted(tmp_path):
    made = [
        chunk("1", "a", date="2023-05", subject="law"),
        chunk("2", "b", date="May"),
        chunk("3", "a", license="CC0-1.0"),
    ]
    in_order = sort_chunks(made, tmp_path / "chunks.jsonl")
    assert (in_order.summary["count"], in_order.summary["documents"]) == (3, 2)
    assert in_order.fields == {"date": 1, "subject": 1, "source": 0, "document_id": 3, "title": 0}


def test_chunks_are_held_one_at_a_time_while_they_are_sorted(tmp_path):
    def held():
        return sum(type(one) is Chunk for one in gc.get_objects())

    before = most = held()  # those of other tests

    def many():
        nonlocal most
        for number in range(3000):
            yield chunk(f"{number * 7 % 3000:04d}")
            if number in (1000, 2999):
                most = max(most, held())

    in_order = sort_chunks(many(), tmp_path / "chunks.jsonl")
    assert most < before + 10
    assert [one.id for one in in_order] == [f"{number:04d}" for number in range(3000)]


def test_an_id_given_twice_is_refused_at_once(tmp_path):
    def endless():
        yield chunk("a")
        while True:
            yield chunk("b")

    with pytest.raises(UserError, match="the chunk id 'b' was given twice"):
        sort_chunks(endless(), tmp_path / "chunks.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_of_the_system_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "_PRAGMAS", (*spool._PRAGMAS, "max_page_count = 20"))
    many = (chunk(f"{number:04d}", subject="x" * 1000) for number in range(1000))
    with pytest.raises(OSError, match=r"full: .*chunks\.jsonl\.spool") as caught:
        sort_chunks(many, tmp_path / "chunks.jsonl")
    assert caught.value.errno == errno.ENOSPC


def test_a_chunk_is_found_by_its_id_and_by_its_row(tmp_path):
    made = [chunk(chunk_id) for chunk_id in IDS]
    sort_chunks(made, tmp_path / "chunks.jsonl")
    file = ChunkFile(tmp_path / "chunks.jsonl")
    assert [file.find(one.id) for one in made] == made
    assert file.find("none") is None
    lines = (tmp_path / "chunks.jsonl").read_bytes().splitlines()
    assert [file[row].id for row in range(len(file))] == [json.loads(line)["id"] for line in lines]
    assert [file.id_of(row) for row in range(len(file))] == [file[row].id for row in range(len(file))]
