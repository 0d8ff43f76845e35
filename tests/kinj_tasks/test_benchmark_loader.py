"""The rows that the current-events tasks score."""

import json
import shutil

import pytest

from kinj.benchmark import collection_folder, open_benchmark
from kinj.errors import UserError
from kinj_tasks import benchmark as current_events

SHIPPED = collection_folder("current_events")
KEYS = {"id", "question", "choices", "answer", "kind", "accepted_answers"}
KEYS |= {"collection", "chunk_ids", "split", "subject", "date"}


@pytest.fixture
def own(tmp_path):
    """A folder of one's own: the shipped collection's three needed files."""
    for name in ("documents", "chunks", "questions"):
        shutil.copy(SHIPPED / f"{name}.jsonl", tmp_path)
    return tmp_path


def keep_questions(folder, keep):
    path = folder / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if keep(row)), encoding="utf-8")


def test_rows_carry_the_question_and_where_its_answer_stands():
    row = current_events.load()["test"][0]
    benchmark = open_benchmark(SHIPPED)
    question = benchmark.part("test").questions[0]
    chunk = next(chunk for chunk in benchmark.chunks if chunk.id == question.chunk_ids[0])
    assert set(row) == KEYS
    assert (row["id"], row["question"], row["choices"]) == (question.id, question.question, list(question.choices))
    assert (row["answer"], row["kind"], row["chunk_ids"]) == (question.answer, question.kind, [chunk.id])
    assert (row["subject"], row["date"]) == (chunk.subject, chunk.date)
    assert (row["collection"], row["split"]) == ("current_events", "test")


@pytest.mark.parametrize("split", ["test", "dev"])
def test_the_rows_are_those_of_the_split_in_the_order_of_the_file(split):
    data = current_events.load(split=split)
    benchmark = open_benchmark(SHIPPED)
    assert data["test"]["id"][:] == [question.id for question in benchmark.part(split).questions]
    assert set(data["test"]["split"]) == {split}
    assert data["fewshot"]["id"][:] == [question.id for question in benchmark.part("fewshot").questions]
    assert set(data["fewshot"]["split"]) == {"fewshot"}


def test_the_open_task_asks_only_what_has_accepted_answers():
    data = current_events.load_open()
    for rows in data.values():
        assert all(rows["accepted_answers"][:])
    asked = sum(bool(q.accepted_answers) for q in open_benchmark(SHIPPED).part("test").questions)
    assert len(data["test"]) == asked > 0


def test_a_folder_of_ones_own_stands_in_and_is_named_in_full(own, monkeypatch):
    monkeypatch.chdir(own.parent)
    row = current_events.load(benchmark=own.name)["test"][0]
    assert row["collection"] == str(own.resolve())


def test_the_models_arguments_among_the_metadata_do_no_harm():
    metadata = {
        "version": 1.0,
        "config_source": "x.yaml",
        "pretrained": "gpt2",
        "k": 3,
        "retriever": None,
        "index": "DIR",
    }
    assert len(current_events.load(**metadata)["test"]) == len(current_events.load()["test"])


def test_a_folder_without_few_shot_rows_gives_none(own):
    first = current_events.load()["test"][0]["id"]
    keep_questions(own, lambda row: row["id"] == first)
    data = current_events.load(benchmark=str(own))
    assert (len(data["test"]), len(data["fewshot"])) == (1, 0)


@pytest.mark.parametrize("split", ["train", "fewshot", ""])
def test_another_split_is_refused(split):
    with pytest.raises(UserError, match=rf"split='{split}': expected test or dev"):
        current_events.load(split=split)


def test_an_unknown_benchmark_is_refused():
    with pytest.raises(UserError, match=r"benchmark '/nowhere' is neither a folder nor one that ships with kinj"):
        current_events.load(benchmark="/nowhere")


def test_a_split_without_a_question_is_refused(own):
    test_ids = set(current_events.load()["test"]["id"])
    keep_questions(own, lambda row: row["id"] in test_ids)
    with pytest.raises(UserError, match=r"questions\.jsonl: no question in split 'dev'"):
        current_events.load(benchmark=str(own), split="dev")


def test_an_open_task_without_accepted_answers_is_refused(own):
    keep_questions(own, lambda row: not row.get("accepted_answers"))
    with pytest.raises(UserError, match=r"questions\.jsonl: no question with accepted_answers in split 'test'"):
        current_events.load_open(benchmark=str(own))
