"""What `open_benchmark` gives and what it refuses."""

import json
import re

import pytest

from kinj.benchmark import open_benchmark
from kinj.errors import UserError
from kinj.manifest import sha256_file


def test_a_whole_folder_opens_with_all_its_records(rows, write):
    benchmark = open_benchmark(write(rows))
    assert [d.id for d in benchmark.documents] == ["ce-0", "ce-1", "ce-2"]
    assert benchmark.questions[0].accepted_answers == ("Janet Yellen", "Yellen")
    assert benchmark.sources[0].sources == ("https://example.org",)
    assert len(benchmark.paraphrases) == len(benchmark.pairs) == 3


def test_documents_chunks_and_questions_are_enough(rows, write):
    folder = write({name: rows[name] for name in ("documents", "chunks", "questions")})
    assert open_benchmark(folder).paraphrases == ()


def test_a_part_holds_what_belongs_to_its_split_and_nothing_else(rows, write):
    part = open_benchmark(write(rows)).part("dev")
    for name in ("documents", "chunks", "questions", "paraphrases", "pairs", "sources"):
        assert [row.id.split(".")[0] for row in getattr(part, name)] == ["ce-1"], name


def test_an_unknown_part_is_refused(rows, write):
    with pytest.raises(UserError, match=r"split='train': expected one of test, dev, fewshot"):
        open_benchmark(write(rows)).part("train")


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        open_benchmark(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["documents", "chunks", "questions"])
def test_an_absent_file_is_refused(rows, write, name):
    folder = write(rows)
    (folder / f"{name}.jsonl").unlink()
    with pytest.raises(UserError, match=rf"{name}\.jsonl: no such file"):
        open_benchmark(folder)


def test_a_bad_line_is_refused_with_its_place(rows, write):
    folder = write(rows)
    with (folder / "questions.jsonl").open("a") as sink:
        sink.write("{oops\n")
    with pytest.raises(UserError, match=r"questions\.jsonl:4: not JSON"):
        open_benchmark(folder)


BROKEN = [
    ("documents", "split", "train", r"documents\.jsonl: ce-0: split 'train', expected test, dev, fewshot"),
    ("documents", "split", "", r"questions\.jsonl: ce-0\.1\.q1: its document has no split"),
    ("documents", "facts", ["ce-x"], r"documents\.jsonl: ce-0: fact 'ce-x' is not in sources\.jsonl"),
    ("documents", "id", "ce-1", r"documents\.jsonl: ce-1: the id comes twice"),
    ("documents", "id", "", r"documents\.jsonl: a row has an empty id"),
    ("chunks", "document_id", "ce-x", r"chunks\.jsonl: ce-0\.1: document_id 'ce-x' is not in documents\.jsonl"),
    ("chunks", "start", 6, r"chunks\.jsonl: ce-0\.1: is not the slice \[6:\d+\] of document 'ce-0'"),
    ("chunks", "start", -95, r"chunks\.jsonl: ce-0\.1: is not the slice \[-95:\d+\]"),
    ("chunks", "text", " ", r"chunks\.jsonl: ce-0\.1: empty text"),
    ("questions", "chunk_ids", [], r"questions\.jsonl: ce-0\.1\.q1: no chunk_ids"),
    ("questions", "chunk_ids", ["ce-x.1"], r"ce-0\.1\.q1: chunk_ids has 'ce-x\.1', which is not in chunks\.jsonl"),
    ("questions", "chunk_ids", ["ce-0.1", "ce-1.1"], r"its chunks lie in several splits \(dev, test\)"),
    ("questions", "question", " ", r"ce-0\.1\.q1: empty question"),
    ("questions", "choices", ["a"], r"ce-0\.1\.q1: 1 choices, expected 2 to 10"),
    ("questions", "choices", list("abcdefghijk"), r"ce-0\.1\.q1: 11 choices, expected 2 to 10"),
    ("questions", "choices", [], r"ce-0\.1\.q1: answer 1, but no choices: leave 'answer' out"),
    ("questions", "choices", ["a", "b", "c", ""], r"ce-0\.1\.q1: 4 choices, expected 2 to 10, none empty"),
    ("questions", "answer", 4, r"ce-0\.1\.q1: answer 4, expected the right choice's index, 0 to 3"),
    ("questions", "answer", -1, r"ce-0\.1\.q1: answer -1"),
    (
        "paraphrases",
        "chunk_id",
        "ce-x.1",
        r"paraphrases\.jsonl: ce-0\.1\.p01: chunk_id 'ce-x\.1' is not in chunks\.jsonl",
    ),
    ("paraphrases", "use", "test", r"paraphrases\.jsonl: ce-0\.1\.p01: use 'test', expected train or validation"),
    ("pairs", "chunk_id", "ce-x.1", r"pairs\.jsonl: ce-0\.1\.a1: chunk_id 'ce-x\.1' is not in chunks\.jsonl"),
]


@pytest.mark.parametrize(("name", "field", "value", "message"), BROKEN)
def test_an_inconsistent_row_is_refused_by_its_id(rows, write, name, field, value, message):
    rows[name][0][field] = value
    with pytest.raises(UserError, match=message):
        open_benchmark(write(rows))


def test_a_document_that_nobody_asks_about_needs_no_split(rows, write):
    rows["documents"].append({"id": "background", "text": "Other things."})
    assert len(open_benchmark(write(rows)).documents) == 4


def manifest_for(folder, **changes):
    files = {path.name: sha256_file(path) for path in folder.glob("*.jsonl")}
    (folder / "manifest.json").write_text(json.dumps({"files": files, **changes}))


def test_a_folder_that_matches_its_manifest_opens(rows, write):
    folder = write(rows)
    manifest_for(folder)
    assert open_benchmark(folder).documents


def test_a_file_that_differs_from_the_manifest_is_refused(rows, write):
    folder = write(rows)
    manifest_for(folder)
    with (folder / "pairs.jsonl").open("a") as sink:
        sink.write("\n")
    with pytest.raises(UserError, match=r"pairs\.jsonl: differs from manifest\.json .* or delete manifest\.json"):
        open_benchmark(folder)


def test_a_file_that_the_manifest_lists_and_is_gone_is_refused(rows, write):
    folder = write(rows)
    manifest_for(folder)
    (folder / "pairs.jsonl").unlink()
    with pytest.raises(UserError, match=r"pairs\.jsonl: listed in manifest\.json but absent"):
        open_benchmark(folder)


def test_a_manifest_without_files_is_refused(rows, write):
    folder = write(rows)
    manifest_for(folder, files={})
    with pytest.raises(UserError, match=re.escape("manifest.json: no 'files' with their SHA-256")):
        open_benchmark(folder)


@pytest.mark.parametrize("count", range(2, 11))
def test_two_to_ten_options_open(rows, write, count):
    rows["questions"][0] |= {"choices": list("abcdefghij")[:count], "answer": count - 1}
    assert open_benchmark(write(rows)).questions[0].right_answer == "abcdefghij"[count - 1]


def test_a_question_without_options_is_asked_openly_and_needs_an_accepted_answer(rows, write):
    rows["questions"][0] |= {"choices": [], "answer": None}
    assert open_benchmark(write(rows)).questions[0].right_answer == "Janet Yellen"
    rows["questions"][0]["accepted_answers"] = []
    with pytest.raises(UserError, match=r"q1: no choices, so it is asked openly and needs 'accepted_answers'"):
        open_benchmark(write(rows))


FURTHER = {"id": "x1", "chunk_ids": ["ce-0.1"], "question": "Who?", "choices": ["a", "b", "c", "d"], "answer": 0}


def test_a_folder_of_the_first_version_opens_as_before(rows, write):
    question = open_benchmark(write(rows)).questions[0]
    assert (question.form, question.answerable, question.knowledge, question.evidence) == ("direct", True, "", ())


def test_further_forms_and_unanswerable_questions_come_from_files_of_their_own(rows, write):
    rows["questions_indirect"] = [FURTHER | {"form": "indirect"}]
    rows["questions_unanswerable"] = [
        FURTHER | {"id": "x2", "chunk_ids": [], "answer": None, "answerable": False, "split": "test"}
    ]
    part = open_benchmark(write(rows)).part("test")
    assert [q.id for q in part.questions] == ["ce-0.1.q1", "x1", "x2"]
    assert [q.id for q in part.asked("indirect")] == ["x1"]
    assert [q.id for q in part.asked()] == ["ce-0.1.q1"]


@pytest.mark.parametrize(
    ("file", "changes", "why"),
    [
        ("questions_two", {"form": "indirect"}, r"questions_two\.jsonl: x1: form 'indirect' belongs into questions"),
        ("questions_two", {"form": "three"}, r"x1: form 'three', expected direct, indirect, two"),
        ("questions_two", {"form": "two", "answerable": False}, r"answerable false belongs into questions_un"),
        ("questions_two", {"form": "two", "id": "ce-0.1.q1"}, r"ce-0\.1\.q1: the id comes twice"),
        ("questions_two", {"form": "two", "chunk_ids": ["ce-9.1"]}, r"two\.jsonl: x1: chunk_ids has 'ce-9\.1'"),
        ("questions_two", {"form": "two", "evidence": ["moon"]}, r"the evidence 'moon' stands in none of its chunks"),
        ("questions_two", {"form": "two", "chunk_ids": []}, r"no chunk_ids, so it needs a 'split' of its own"),
        ("questions_two", {"form": "two", "split": "dev"}, r"split 'dev', but its chunks lie in 'test'"),
        ("questions_unanswerable", {"answerable": False}, r"answerable false, but chunk_ids names chunks"),
        (
            "questions_unanswerable",
            {"answerable": False, "chunk_ids": [], "split": "test"},
            r"answerable false, so no choice is right: leave 'answer' out",
        ),
    ],
)
def test_a_question_of_another_form_is_refused_where_it_is_not_one(rows, write, file, changes, why):
    rows[file] = [FURTHER | changes]
    with pytest.raises(UserError, match=why):
        open_benchmark(write(rows))


def test_evidence_is_an_exact_slice_of_the_chunk(rows, write):
    rows["questions"][0]["evidence"] = ["Janet Yellen rejected it"]
    assert open_benchmark(write(rows)).questions[0].evidence == ("Janet Yellen rejected it",)
