import pytest

from kinj.errors import UserError
from kinj.jsonl import read_objects, read_records, write_records
from kinj.manifest import read_manifest, replacing, sha256_files, write_manifest, write_whole
from kinj.records import Chunk, Question

CHUNK = Chunk(id="c", document_id="d", text="t", start=0, end=1)


def test_records_come_back_as_they_were_written_without_their_defaults(tmp_path):
    question = Question("q", ("c",), "Why?", ("a", "b"), 1, accepted_answers=("b",))
    path = tmp_path / "q.jsonl"
    assert write_records(path, [question]) == 1
    assert '"kind"' not in path.read_text()
    assert list(read_records(path, Question)) == [question]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", r"x\.jsonl:2: not JSON"),
        (b"[]", r"x\.jsonl:2: expected a JSON object, got list"),
        (b'"\xff"', r"x\.jsonl:2: not UTF-8"),
        (b'{"id": "c"}', r"x\.jsonl:2: no 'document_id' \(a chunk needs it\)"),
        (b'{"id": "c", "document_id": "d", "text": 1, "start": 0, "end": 1}', r"2: 'text' is int, expected str"),
        (b'{"id": "c", "document_id": "d", "text": "t", "start": true, "end": 1}', r"'start' is bool, expected int"),
    ],
)
def test_a_bad_line_is_refused_with_its_place(tmp_path, line, message):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n" + line + b"\n")
    with pytest.raises(UserError, match=message):
        list(read_records(path, Chunk))


def test_a_list_is_refused_by_the_entry_that_does_not_fit(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "q", "chunk_ids": "c", "question": "?", "choices": ["a", 3], "answer": 0}')
    with pytest.raises(UserError, match="'chunk_ids' is str, expected a list of str"):
        list(read_records(path, Question))
    path.write_text('{"id": "q", "chunk_ids": ["c"], "question": "?", "choices": ["a", 3], "answer": 0}')
    with pytest.raises(UserError, match="entry 1 of 'choices' is int, expected str"):
        list(read_records(path, Question))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.jsonl: no such file"):
        list(read_objects(tmp_path / "nowhere.jsonl"))


def test_a_folder_without_its_manifest_is_incomplete_and_the_remedy_is_said(tmp_path):
    with pytest.raises(UserError, match=r"is unfinished, or not made by kinj; build it again"):
        read_manifest(tmp_path, "build it again")
    with pytest.raises(UserError, match="does not exist; build it again"):
        read_manifest(tmp_path / "absent", "build it again")
    write_manifest(tmp_path, {"a": 1})
    assert read_manifest(tmp_path, "build it again") == {"a": 1}


def test_the_hash_of_a_folder_depends_on_names_and_contents_alone(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "a").write_text("x")
    assert sha256_files(tmp_path / "one") == sha256_files(tmp_path / "two")
    (tmp_path / "two" / "a").write_text("y")
    assert sha256_files(tmp_path / "one") != sha256_files(tmp_path / "two")


def test_a_file_stays_what_it_was_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "old\n", to_disk=True)

    def write_half():
        with replacing(path) as part:
            part.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    write_whole(path, "new\n")
    assert path.read_text() == "new\n"
