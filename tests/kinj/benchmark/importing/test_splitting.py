"""Questions into test, dev and shots: documents whole, the rest by seed."""

from collections import Counter

from kinj.benchmark.importing import Shares, split_questions
from kinj.records import Chunk, Document, Question


def made(sizes):
    """One document of one chunk for each size, with so many questions."""
    documents = [Document(f"d{n}", "text") for n in range(len(sizes))]
    chunks = [Chunk(f"c{n}", f"d{n}", "text", 0, 4) for n in range(len(sizes))]
    questions = [
        Question(f"q{n}.{i}", (f"c{n}",), "Which?", ("a", "b"), 0) for n, size in enumerate(sizes) for i in range(size)
    ]
    return questions, documents, chunks


def alone(number):
    return [Question(f"q{n:03}", (), "Which?", ("a", "b"), 0) for n in range(number)]


def test_all_questions_of_a_document_are_in_its_split():
    questions, documents, chunks = made([4] * 25)
    placed, split = split_questions(questions, documents, chunks, Shares())
    assert Counter(d.split for d in split) == {"test": 18, "dev": 5, "fewshot": 2}
    assert {question.split for question in placed} == {""}  # their documents say it


def test_questions_that_stand_alone_carry_their_split():
    placed, _ = split_questions(alone(100), [], [], Shares(dev=0.3, fewshot=7))
    assert Counter(q.split for q in placed) == {"test": 63, "dev": 30, "fewshot": 7}


def test_the_same_seed_draws_the_same_and_another_draws_others():
    first, again, other = (
        [q.split for q in split_questions(alone(100), [], [], Shares(seed=seed))[0]] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_one_document_with_most_questions_stays_in_test():
    questions, documents, chunks = made([90, 2, 2, 2, 2, 2])
    _, split = split_questions(questions, documents, chunks, Shares())
    assert split[0].split == "test"
    assert Counter(d.split for d in split)["dev"] >= 1


def test_documents_keep_a_split_that_they_have_and_those_that_nobody_asks_about_get_none():
    questions, documents, chunks = made([1, 1, 0])
    documents[0] = Document("d0", "text", split="fewshot")
    _, split = split_questions(questions, documents, chunks, Shares(dev=0))
    assert [d.split for d in split] == ["fewshot", "test", ""]


def test_few_questions_give_no_shots_unless_asked_for():
    for fewshot, expected in ((None, 0), (3, 3)):
        placed, _ = split_questions(alone(20), [], [], Shares(fewshot=fewshot))
        assert Counter(q.split for q in placed)["fewshot"] == expected
