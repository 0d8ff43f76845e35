from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinj.corpus.contamination import Question, QuestionFinder, read_questions
from kinj.errors import UserError

LONG = "Which of the following terms describes the ability of a healthy body to maintain its normal inner state?"
SHORT = "What is the embryological origin of the hyoid bone?"


def test_thirteen_words_in_a_row_are_found_whatever_their_case():
    finder = QuestionFinder([Question("q:1", LONG)])
    [found] = finder.find("d", "A quiz. DESCRIBES the ability of a healthy body, to maintain its normal inner state.")
    assert (found.document_id, found.question) == ("d", "q:1")
    assert found.words == "describes the ability of a healthy body to maintain its normal inner state"


def test_twelve_words_in_a_row_are_not():
    finder = QuestionFinder([Question("q:1", LONG)])
    assert finder.find("d", "describes the ability of a healthy body to maintain its normal inner. State") != []
    assert finder.find("d", "describes the ability of a healthy body to maintain its normal inner") == []


def test_a_shorter_question_counts_whole_from_eight_words_on():
    finder = QuestionFinder([Question("q:1", SHORT), Question("q:2", "Who was the king of France?")])
    assert [one.question for one in finder.find("d", f"x {SHORT} Who was the king of France?")] == ["q:1"]
    assert finder.find("d", "What is the embryological origin of the hyoid") == []


def test_a_question_is_reported_once_for_a_document():
    finder = QuestionFinder([Question("q:1", LONG)])
    assert len(finder.find("d", f"{LONG} {LONG}")) == 1


def test_questions_are_read_from_benchmarks_and_from_files_of_rows(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/questions.jsonl").write_text(json.dumps({"id": "k", "question": SHORT, "choices": []}) + "\n")
    (tmp_path / "b/pairs.jsonl").write_text(json.dumps({"id": "p", "question": "no"}) + "\n")
    (tmp_path / "mmlu/anatomy").mkdir(parents=True)
    (tmp_path / "mmlu/anatomy/test.csv").write_text(f'"{LONG}",a,b,c,d,B\n{SHORT},a,b,c,d,A\n')
    (tmp_path / "mine.csv").write_text(f"question,answer\n{SHORT},x\n")
    found = list(read_questions([tmp_path / "b", tmp_path / "mmlu", tmp_path / "mine.csv"]))
    assert [question.text for question in found] == [SHORT, LONG, SHORT, SHORT]
    assert [question.place.removeprefix(f"{tmp_path}/") for question in found] == [
        *("b/questions.jsonl:k", "mmlu/anatomy/test.csv:1", "mmlu/anatomy/test.csv:2", "mine.csv:2")
    ]


def test_a_benchmark_that_ships_is_named(tmp_path):
    [first, *_] = read_questions([Path("current_events")])
    assert "/current_events/questions.jsonl:" in first.place


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_path_without_questions_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"--questions .*{name}: (no such file|holds no questions)"):
        list(read_questions([tmp_path / name]))
