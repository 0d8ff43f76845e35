from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from kinj.corpus.sources import Fields, FileSource, Unread
from kinj.corpus.sources.rows import read_rows
from kinj.records import Document


def read(path: Path, **options: object) -> list[Document | Unread | None]:
    return [item.content for item in FileSource((path,), **options).items(lambda _: None)]


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"_id": "7", "title": "Fox", "text": "A red fox."},
        {"docid": 7, "title": "Fox", "contents": "A red fox.", "metadata": {}},
        {"id": "7", "title": "Fox", "content": "A red fox."},
        {"doc_id": "7", "title": "Fox", "body": "A red fox.", "version": 3, "pages": 12, "language": None},
    ],
)
def test_rows_under_the_names_that_others_use_are_documents(tmp_path, row):
    assert read(jsonl(tmp_path / "c.jsonl", row)) == [Document("7", "A red fox.", title="Fox")]


def test_the_keys_of_a_row_can_be_named(tmp_path):
    path = jsonl(tmp_path / "c.jsonl", {"id": "no", "key": "7", "text": "no", "abstract": "A fox.", "name": "Fox"})
    assert read(path, fields=Fields("key", "abstract", "name")) == [Document("7", "A fox.", title="Fox")]


def test_a_row_without_an_id_has_its_number(tmp_path):
    assert [d.id for d in read(jsonl(tmp_path / "c.jsonl", {"text": "a"}, {"text": "b"}))] == ["c:1", "c:2"]


def test_a_bad_line_is_named_and_the_others_are_read(tmp_path):
    path = jsonl(
        tmp_path / "c.jsonl",
        {"id": 1, "text": "a"},
        '{"id": 2 "text": "b"}',
        "[]",
        '{"id": 3, "text": "half \\ud83d"}',
        {"id": 4, "text": "  "},
        {"id": 5, "words": "x"},
        f'{{"id": {"9" * 5000}, "text": "x"}}',
        {"id": 6, "text": "z"},
    )
    *_, last = found = read(path)
    assert [one.reason for one in found if isinstance(one, Unread)] == [
        "not JSON (Expecting ',' delimiter at column 10)",
        "expected a JSON object, got list",
        "'text' holds half a character (\\ud83d): write the whole one, or remove it",
        "'4' has an empty text",
        "no 'text'; its keys are 'id', 'words'; `kinj corpus files --text-field` names another key",
        found[6].reason,
    ]
    assert found[6].reason.startswith("not JSON (Exceeds the limit")
    assert found[1].place == f"{path}:2"
    assert (found[0].id, last.id) == ("1", "6")


def test_lines_in_another_encoding_are_read_where_it_is_named(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_bytes('{"id": "1", "text": "Füchse"}\n'.encode("cp1252"))
    assert "not UTF-8" in read(path)[0].reason
    assert read(path)[0].reason.endswith(": give its --encoding, cp1252 for example")
    assert read(path, encoding="cp1252")[0].text == "Füchse"


@pytest.mark.parametrize(("name", "mark"), [("c.csv", ","), ("c.tsv", "\t")])
def test_a_table_gives_a_document_a_row(tmp_path, name, mark):
    rows = ["id", "text", "title"], ["7", '"Red,\nand\tshy"', "Fox"], ["8", "b", ""]
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(mark.join, rows)).encode())
    assert read(tmp_path / name) == [Document("7", "Red,\nand\tshy", title="Fox"), Document("8", "b")]


def test_a_table_that_is_no_text_is_named_by_its_line(tmp_path):
    (tmp_path / "c.csv").write_bytes(b"id,text\n1,a\n2,caf\xe9\n3,c\n")
    first, bad = read(tmp_path / "c.csv")
    assert first.id == "1"
    assert bad.place.endswith("c.csv:3")
    assert bad.reason.startswith("not UTF-8")
    assert bad.reason.endswith("the rest of the file was not read")


def test_a_quote_that_never_ends_is_named_and_swallows_nothing_in_silence(tmp_path):
    (tmp_path / "c.csv").write_text('id,text\n1,a\n2,"b" c\n3,c\n4,"open\n5,e\n')
    found = read(tmp_path / "c.csv")
    assert [one.id for one in found if isinstance(one, Document)] == ["1", "3"]
    assert [one.reason for one in found if isinstance(one, Unread)] == [
        "no csv: ',' expected after '\"'",
        "no csv: unexpected end of data: a quote that opens in this row is never closed; lines 5 to 6 were not read",
    ]
    (tmp_path / "c.csv").write_text('id,text\n1,"open\n2,b\n"3" c\n\n4,"a\nb"\n5,e,f\n')
    found = read(tmp_path / "c.csv")
    assert [one.place.rpartition(":")[2] for one in found if isinstance(one, Unread)] == ["2"]
    assert next(one.reason for one in found if isinstance(one, Unread)).endswith("lines 2 to 4 were not read")
    assert [(row.number, row.values["text"]) for row in read_rows(tmp_path / "c.csv") if row.values] == [
        (6, "a\nb"),
        (8, "e"),
    ]


def test_a_header_line_that_cannot_be_read_gives_no_row_in_other_columns(tmp_path):
    (tmp_path / "c.csv").write_text('id,"text" x\nid,text\n1,a\n')
    [bad] = read(tmp_path / "c.csv")
    assert bad.reason.endswith("it is the header line: the rest was not read")


def test_a_table_without_a_text_is_named_once(tmp_path):
    (tmp_path / "c.csv").write_text("id,words\n" + "1,a\n" * 50)
    [bad] = read(tmp_path / "c.csv")
    assert bad.reason == ("no 'text'; its keys are 'id', 'words'; `kinj corpus files --text-field` names another key")


def test_a_parquet_file_gives_a_document_a_row(tmp_path):
    table = pa.table({"docid": [7, 8], "contents": ["A fox.", None], "title": [None, "x"]})
    pa.parquet.write_table(table, tmp_path / "c.parquet")
    first, empty = read(tmp_path / "c.parquet")
    assert first == Document("7", "A fox.")
    assert empty.reason == "'text' is NoneType, expected str"


def test_a_broken_parquet_file_is_named(tmp_path):
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and nothing")
    [bad] = read(tmp_path / "c.parquet")
    assert bad.reason.endswith("what follows was not read")


def test_rows_are_known_by_their_ids_wherever_they_stand(tmp_path):
    path = jsonl(tmp_path / "c.jsonl", {"id": 1, "text": "a"}, {"id": 2, "text": "b"})
    known = {item.key: item.version for item in FileSource((path,)).items(lambda _: None)}
    jsonl(path, {"id": 0, "text": "new"}, {"id": 2, "text": "b"}, {"id": 1, "text": "other"})
    contents = [item.content for item in FileSource((path,)).items(known.get)]
    assert [one and one.text for one in contents] == ["new", None, "other"]
