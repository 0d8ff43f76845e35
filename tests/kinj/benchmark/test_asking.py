"""Training texts that ask an evaluation question: the rules, and their thresholds on labelled sentences."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from kinj.benchmark.checks.asking import LEAST_COSINE, asked_in, asks_by_meaning, asks_by_words, is_asked
from kinj.records import Pair, Paraphrase, Question

MODELS = Path(os.environ.get("KINJ_TEST_MODELS", Path.home() / ".cache" / "kinj-models"))
LABELLED = [json.loads(line) for line in Path(__file__).with_name("asked_sentences.jsonl").read_text().splitlines()]
QUESTION = Question("q", ("c",), "Who followed Zhao at Binance in 2023?", ("Richard Teng", "b", "c", "d"), 0)


def as_question(row):
    return Question("q", ("c",), row["question"], (row["right"], "b", "c", "d"), 0)


def paraphrase(text, chunk="c"):
    return Paraphrase("p", chunk, text, "train")


def said(faults):
    return [str(fault) for fault in faults]


def test_what_a_text_asks_comes_with_the_sentence_behind_it():
    text = 'Zhao left. Who came after him? Richard Teng. Did he say "why?" Nobody knows.'
    assert asked_in(paraphrase(text)) == [
        ("Who came after him?", "Richard Teng."),
        ('Did he say "why?', "Nobody knows."),
    ]
    assert asked_in(paraphrase("Was it he?")) == [("Was it he?", "")]
    assert asked_in(Pair("a", "c", "Who?", "Teng")) == [("Who?", "Teng")]


def test_a_question_with_the_right_option_behind_it_is_found_however_it_is_worded():
    assert said(asks_by_words([paraphrase("Who came next? The man is Richard Teng.")], [QUESTION])) == [
        "p: asks 'Who came next?' and answers it as q wants: 'The man is Richard Teng.'"
    ]


@pytest.mark.parametrize("text", ["Richard Teng came next.", "Who left? Zhao did. Richard Teng came.", "Who was it?"])
def test_statements_and_other_questions_pass(text):
    assert said(asks_by_words([paraphrase(text)], [QUESTION])) == []


def test_only_the_questions_of_the_texts_own_chunk_count():
    assert said(asks_by_words([paraphrase("Who? Richard Teng.", chunk="other")], [QUESTION])) == []


def test_a_pair_that_answers_as_an_evaluation_question_wants_is_found():
    assert said(asks_by_words([Pair("a", "c", "Who is it?", "Mr. Richard Teng")], [QUESTION])) != []


@pytest.mark.parametrize(("answer", "is_found"), [("All 16", 1), ("Landau", 1), ("14", 0), ("Patrick", 0)])
def test_half_of_a_question_of_two_chunks_is_one_too(answer, is_found):
    options = ("16 articles; Jon Landau", "b", "c", "d")
    question = Question("q", ("c", "other"), "How many articles, and who voted?", options, 0, form="two")
    assert len(said(asks_by_words([Pair("a", "c", "Which?", answer)], [question]))) == is_found


def test_a_question_that_means_the_same_is_found_by_its_vector():
    def embed(texts):
        return np.array([[1.0, 0.0] if "Teng" in text or "Zhao" in text else [0.0, 1.0] for text in texts])

    rows = [paraphrase("Who succeeded Zhao? A colleague."), paraphrase("Where was it? Here.")]
    found = said(asks_by_meaning(rows, [QUESTION], embed))
    assert found == ["p: asks 'Who succeeded Zhao?', nearly as q (cosine 1.00)"]
    assert said(asks_by_meaning([paraphrase("It is so.")], [QUESTION], embed)) == []


def test_the_rule_by_words_finds_nearly_all_labelled_sentences_and_few_others():
    found = {
        label: [is_asked(as_question(r), (r["asked"], r["answer"])) for r in LABELLED if r["is_asked"] is label]
        for label in (True, False)
    }
    assert (sum(found[True]), len(found[True])) == (41, 42)
    assert (sum(found[False]), len(found[False])) == (40, 410)


@pytest.mark.real_model
def test_the_threshold_by_meaning_is_above_all_other_sentences():
    folder = MODELS / "minilm"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    model = pytest.importorskip("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    ours = model.encode([f"{row['asked']} {row['answer']}" for row in LABELLED], normalize_embeddings=True)
    theirs = model.encode([f"{row['question']} {row['right']}" for row in LABELLED], normalize_embeddings=True)
    above = (ours * theirs).sum(axis=1) >= LEAST_COSINE
    labels = np.array([row["is_asked"] for row in LABELLED])
    assert ((above & labels).sum(), (above & ~labels).sum()) == (3, 0)
