"""The rows that the current-events tasks score, and those of folders of one's own."""

import json
import shutil

import pytest

from kinj.benchmark import collection_folder, open_benchmark, register
from kinj.errors import UserError
from kinj_tasks.benchmark import load, load_current_events, load_current_events_open, load_open

SHIPPED = collection_folder("current_events")
KEYS = {"id", "question", "choices", "answer", "kind", "accepted_answers"}
KEYS |= {"form", "knowledge", "single_source", "evidence"}
KEYS |= {"benchmark", "benchmark_sha256", "chunk_ids", "split", "subject", "date"}


@pytest.fixture
def own(tmp_path):
    """A folder of one's own: the shipped collection's three needed files."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("documents", "chunks", "questions"):
        shutil.copy(SHIPPED / f"{name}.jsonl", folder)
    return folder


def keep_questions(folder, keep):
    path = folder / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if keep(row)), encoding="utf-8")


def test_rows_carry_the_question_and_where_its_answer_stands():
    row = load_current_events()["test"][0]
    benchmark = open_benchmark(SHIPPED)
    question = benchmark.part("test").questions[0]
    chunk = next(chunk for chunk in benchmark.chunks if chunk.id == question.chunk_ids[0])
    assert set(row) == KEYS
    assert (row["id"], row["question"], row["choices"]) == (question.id, question.question, list(question.choices))
    assert (row["answer"], row["kind"], row["chunk_ids"]) == (question.answer, question.kind, [chunk.id])
    assert (row["subject"], row["date"]) == (chunk.subject, chunk.date)
    assert (row["benchmark"], row["split"]) == ("current_events", "test")
    assert row["benchmark_sha256"] == register(SHIPPED).sha256


@pytest.mark.parametrize("split", ["test", "dev"])
def test_the_rows_are_those_of_the_split_in_the_order_of_the_file(split):
    data = load_current_events(split=split)
    benchmark = open_benchmark(SHIPPED)
    assert data["test"]["id"][:] == [question.id for question in benchmark.part(split).asked()]
    assert set(data["test"]["split"]) == {split}
    assert data["fewshot"]["id"][:] == [question.id for question in benchmark.part("fewshot").questions]
    assert set(data["fewshot"]["split"]) == {"fewshot"}


def test_the_open_task_asks_only_what_has_accepted_answers():
    data = load_current_events_open()
    for rows in data.values():
        assert all(rows["accepted_answers"][:])
    asked = sum(bool(q.accepted_answers) for q in open_benchmark(SHIPPED).part("test").asked())
    assert len(data["test"]) == asked > 0


def test_a_folder_of_ones_own_is_named_by_name_and_content_never_by_path(own, monkeypatch, tmp_path):
    monkeypatch.chdir(own.parent)
    rows = list(load(benchmark=own.name)["test"])
    assert (rows[0]["benchmark"], rows[0]["benchmark_sha256"]) == (own.name, register(own).sha256)
    assert not any(str(tmp_path) in str(row) for row in rows)
    shutil.copytree(own, tmp_path / "elsewhere" / own.name)
    assert list(load(benchmark=str(tmp_path / "elsewhere" / own.name))["test"]) == rows


def test_the_tasks_of_ones_own_take_the_shipped_collection_too():
    assert list(load("current_events")["test"]) == list(load_current_events()["test"])


@pytest.mark.parametrize("loader", [load_current_events, load_current_events_open])
def test_the_current_events_tasks_refuse_another_folder_and_name_the_tasks_that_take_it(loader, own):
    with pytest.raises(UserError, match=r"ask about current events alone; .*--tasks kinj_benchmark,kinj_benchmark_opt"):
        loader(benchmark=str(own))
    assert len(loader(benchmark=str(SHIPPED))["test"]) == len(loader()["test"])


@pytest.mark.parametrize("loader", [load, load_open])
def test_without_a_benchmark_the_tasks_of_ones_own_say_how_to_name_one(loader):
    with pytest.raises(UserError, match=r"""which benchmark\? .* --metadata '\{"benchmark": "DIR"\}'"""):
        loader(split="dev")


def test_the_models_arguments_among_the_metadata_do_no_harm():
    metadata = {
        "version": 1.0,
        "config_source": "x.yaml",
        "pretrained": "gpt2",
        "k": 3,
        "retriever": None,
        "index": "DIR",
    }
    assert len(load_current_events(**metadata)["test"]) == len(load_current_events()["test"])


def test_a_folder_without_few_shot_rows_gives_none(own):
    first = load_current_events()["test"][0]["id"]
    keep_questions(own, lambda row: row["id"] == first)
    data = load(benchmark=str(own))
    assert (len(data["test"]), len(data["fewshot"])) == (1, 0)


@pytest.mark.parametrize("split", ["train", "fewshot", ""])
def test_another_split_is_refused(split):
    with pytest.raises(UserError, match=rf"split='{split}': expected test or dev"):
        load_current_events(split=split)


def test_an_unknown_benchmark_is_refused():
    with pytest.raises(UserError, match=r"benchmark '/nowhere' is neither a folder nor one that ships with kinj"):
        load(benchmark="/nowhere")


def test_a_split_without_a_question_is_refused(own):
    test_ids = set(load_current_events()["test"]["id"])
    keep_questions(own, lambda row: row["id"] in test_ids)
    with pytest.raises(UserError, match=r"questions\.jsonl: no question in split 'dev'"):
        load(benchmark=str(own), split="dev")


def test_an_open_task_without_accepted_answers_is_refused(own):
    keep_questions(own, lambda row: not row.get("accepted_answers"))
    with pytest.raises(UserError, match=r"questions\.jsonl: no question with accepted_answers in split 'test'"):
        load_open(benchmark=str(own))


def write_questions(folder, rows, name="questions"):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def question(number, **values):
    chunk = next(chunk for chunk in open_benchmark(SHIPPED).part("test").chunks)
    row = {"id": f"q{number}", "question": f"What is {number}?", "choices": ["a", "b", "c", "d"], "answer": 0}
    return {**row, "chunk_ids": [chunk.id], **values}


def test_a_form_is_asked_from_its_own_file(own):
    write_questions(own, [question(1)])
    write_questions(own, [question(2, form="indirect")], "questions_indirect")
    assert load(str(own))["test"]["id"][:] == ["q1"]
    assert load(str(own), form="indirect")["test"]["id"][:] == ["q2"]
    with pytest.raises(UserError, match=r"questions_two\.jsonl: no question in split 'test'"):
        load(str(own), form="two")
    with pytest.raises(UserError, match=r"form='second': expected direct, indirect, two"):
        load(str(own), form="second")


def test_new_knowledge_can_be_asked_alone(own):
    write_questions(own, [question(1, knowledge="new"), question(2, knowledge="known_before"), question(3)])
    assert load(str(own), knowledge="new")["test"]["id"][:] == ["q1"]
    assert load(str(own))["test"]["id"][:] == ["q1", "q2", "q3"]
    with pytest.raises(UserError, match=r"knowledge='old': expected new or known_before"):
        load(str(own), knowledge="old")


def test_a_question_without_a_chunk_is_asked_and_names_none(own):
    write_questions(own, [question(1, chunk_ids=[], split="test")])
    row = load(str(own))["test"][0]
    assert (row["chunk_ids"], row["subject"], row["date"]) == ([], "", "")


def test_a_question_without_options_is_asked_openly_alone(own):
    openly = {"choices": [], "answer": None, "accepted_answers": ["1"]}
    write_questions(own, [question(1, **openly), question(2), question(3, accepted_answers=["3"])])
    assert load(str(own))["test"]["id"][:] == ["q2", "q3"]
    assert load_open(str(own))["test"]["id"][:] == ["q1", "q3"]
    write_questions(own, [question(1, **openly)])
    with pytest.raises(
        UserError, match="no question with options in split 'test'; ask openly: --tasks kinj_benchmark_g"
    ):
        load(str(own))


@pytest.mark.parametrize("count", [2, 10])
def test_rows_have_as_many_options_as_their_question(own, count):
    write_questions(own, [question(1, choices=list("abcdefghij")[:count], answer=count - 1)])
    row = load(str(own))["test"][0]
    assert (len(row["choices"]), row["answer"]) == (count, count - 1)
