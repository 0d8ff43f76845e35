import json
import shutil

import pytest

from kinj.benchmark import open_benchmark
from kinj.errors import UserError
from kinj_training.texts.leakage import Questions
from kinj_training.texts.texts import plain_text, question_and_answer

ASKED = "Which color did the water tower of Arvada get in May 2031?"


@pytest.fixture
def questions(training_collection):
    return Questions(open_benchmark(training_collection), ())


def test_a_text_that_holds_an_evaluation_question_is_refused_whatever_its_case_and_punctuation(questions):
    hidden = f"He asked - {ASKED.upper().replace(' ', '  ')} Nobody knew."
    for text in (plain_text("t", hidden, "replay"), question_and_answer("t", ASKED, "amber", "pair")):
        assert questions.leak(text) == "training text 't' holds evaluation question 'd0.1.q1'"


def test_ids_are_compared_within_the_collection_alone(questions):
    leak = questions.leak(plain_text("d3.1.q1", "harmless", "pair"))
    assert leak == "training text 'd3.1.q1' has the id of an evaluation question"
    for kind in ("replay", "instruction"):
        assert questions.leak(plain_text("d3.1.q1", "harmless", kind)) is None


def test_the_ids_of_further_files_are_another_sources(training_collection, tmp_path):
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"id": 17, "question": "In which year was the lighthouse of Corning built?"}) + "\n")
    held = Questions(open_benchmark(training_collection), [str(file)])
    for kind in ("chunk", "replay"):
        assert held.leak(plain_text("17", "harmless", kind)) is None


@pytest.mark.parametrize("key", ["choices", "options", "accepted_answers", "answer", "arc"])
def test_a_generic_question_of_another_source_counts_only_with_one_of_its_options(key, training_collection, tmp_path):
    file = tmp_path / "more.jsonl"
    options = ["Bile is made in the liver", "Bile is made in the spleen"]
    given = {"choices": {"text": options, "label": ["A", "B"]}} if key == "arc" else {key: options}
    given = {key: options[0]} if key == "answer" else given
    stem = "Which of the following statements is true?"
    file.write_text(json.dumps({"id": "m", "question": stem, **given}) + "\n")
    held = Questions(open_benchmark(training_collection), [str(file)])
    for kind in ("chunk", "replay", "pair"):
        assert held.leak(plain_text("t", f"{stem} Whales are fish.", kind)) is None
        assert held.leak(plain_text("t", f"{stem} Bile is made, in the LIVER!", kind)) is not None


def test_a_generic_question_of_the_collection_counts_alone_in_the_collection_only(training_collection, tmp_path):
    folder = shutil.copytree(training_collection, tmp_path / "towers")
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    rows[0]["question"] = "Which color?"
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    questions = Questions(open_benchmark(folder), ())
    assert questions.leak(plain_text("t", "Which color? None.", "pair")) is not None
    assert questions.leak(plain_text("t", "Which color? None.", "replay")) is None
    assert questions.leak(plain_text("t", "Which color? Amber.", "replay")) is not None


def test_a_generic_question_in_a_script_without_spaces_counts_with_its_option_too(training_collection, tmp_path):
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"question": "水塔是什么颜色?", "choices": ["深红", "琥珀"]}, ensure_ascii=False) + "\n")
    held = Questions(open_benchmark(training_collection), [str(file)])
    assert held.leak(plain_text("t", "请问水塔是什么颜色? 白。", "replay")) is None
    assert held.leak(plain_text("t", "请问水塔是什么颜色? 是深红。", "replay")) is not None


def test_questions_of_every_split_count_and_part_of_one_does_not(questions):
    assert len(questions) == 9
    assert "d8" in questions.leak(plain_text("t", ASKED.replace("Arvada", "Ithaca"), "chunk"))
    assert questions.leak(plain_text("t", ASKED.removesuffix(" 2031?"), "chunk")) is None


def test_questions_of_further_files_and_folders_count_too(training_collection, tmp_path):
    benchmark = open_benchmark(training_collection)
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"question": "Why?"}) + "\n")
    held = Questions(benchmark, [str(file), str(training_collection)])
    assert len(held) == 9 + 1 + 9
    # Without options its words are all there is.
    leak = held.leak(plain_text("t", "But why, then?", "chunk"))
    assert leak.endswith("more.jsonl:1' (few words, which count alone as its row gives no choices or answer)")
    file.write_text("{}\n")
    with pytest.raises(UserError, match=r"more\.jsonl:1: held_out: no text under 'question'"):
        Questions(benchmark, [str(file)])


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("桐山灯台は何年に建てられたか", "次の問いに答えよ桐山灯台は何年に建てられたか"),
        ("桐山灯台は、何年に建てられたか?", "問:桐山灯台は 何年に建てられたか。答え"),
        ("水塔是什么颜色?", "请回答水塔是什么颜色"),
        ("หอเก็บน้ำสีอะไร", "คำถามหอเก็บน้ำสีอะไรครับ"),
        ("In welchem Jahr wurde 桐山 gebaut?", "Sag: in welchem Jahr wurde 桐山 gebaut"),
    ],
)
def test_a_question_in_a_script_without_spaces_is_found_by_its_letters(question, text, training_collection, tmp_path):
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"id": "asked", "question": question}) + "\n")
    held = Questions(open_benchmark(training_collection), [str(file)])
    assert "holds evaluation question 'asked'" in held.leak(plain_text("t", text, "replay"))
    assert held.leak(plain_text("t", text.replace(text[len(text) // 2], "X"), "replay")) is None
