"""The chunk that a question was written from is found, or none."""

from dataclasses import replace

import pytest

from kinj.jsonl import read_records
from kinj.records import Chunk, Question
from kinj.retrieval import build_index, open_retriever
from kinj.retrieval.source_chunks import find_source_chunks


@pytest.fixture(scope="module")
def towers(collection, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "towers"
    chunks = list(read_records(collection / "chunks.jsonl", Chunk))
    build_index(chunks, folder)
    return chunks, open_retriever("bm25", index=folder), list(read_records(collection / "questions.jsonl", Question))


def test_each_question_finds_the_chunk_that_it_was_written_from(towers):
    chunks, retriever, questions = towers
    assert find_source_chunks(questions, retriever, chunks) == [question.chunk_ids[0] for question in questions]


def test_an_open_question_finds_it_by_an_accepted_answer(towers):
    chunks, retriever, questions = towers
    asked = replace(questions[2], choices=(), answer=-1, accepted_answers=("red", "crimson"))
    assert find_source_chunks([asked], retriever, chunks) == ["d2.1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"question": "Which colour had the flag that the sailors of Malta hoisted?"},  # too few of its words
        {"choices": ("violet", "blue"), "answer": 0, "accepted_answers": ()},  # no chunk has the right answer
    ],
)
def test_without_the_answer_or_most_of_the_words_there_is_no_source(towers, changes):
    chunks, retriever, questions = towers
    assert find_source_chunks([replace(questions[0], **changes)], retriever, chunks) == [None]
