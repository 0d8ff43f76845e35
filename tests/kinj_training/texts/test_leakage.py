import json

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
        with pytest.raises(UserError, match=r"training text 't' holds evaluation question 'd0\.1\.q1'"):
            questions.refuse_leaks([text])


def test_a_text_with_the_id_of_an_evaluation_question_is_refused(questions):
    with pytest.raises(UserError, match=r"training text 'd3\.1\.q1' has the id"):
        questions.refuse_leaks([plain_text("d3.1.q1", "harmless", "pair")])


def test_questions_of_every_split_count_and_part_of_one_does_not(questions):
    assert len(questions) == 9
    with pytest.raises(UserError, match="d8"):
        questions.refuse_leaks([plain_text("t", ASKED.replace("Arvada", "Ithaca"), "chunk")])
    questions.refuse_leaks([plain_text("t", ASKED.removesuffix(" 2031?"), "chunk")])


def test_questions_of_further_files_and_folders_count_too(training_collection, tmp_path):
    benchmark = open_benchmark(training_collection)
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"question": "Why?"}) + "\n")
    held = Questions(benchmark, [str(file), str(training_collection)])
    assert len(held) == 9 + 1 + 9
    with pytest.raises(UserError, match=r"holds evaluation question '.*more\.jsonl:1'"):
        held.refuse_leaks([plain_text("t", "But why, then?", "chunk")])
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
    with pytest.raises(UserError, match="holds evaluation question 'asked'"):
        held.refuse_leaks([plain_text("t", text, "replay")])
    held.refuse_leaks([plain_text("t", text.replace(text[len(text) // 2], "X"), "replay")])
