"""Training texts that ask an evaluation question and answer it: by words, and by meaning.

A text in the style of questions and answers asks in other words than the evaluation does ("Who came after him?"), so
what it asks cannot be found by the question's words. What stands right behind the question can: the right option.
The thresholds are read off 452 sentences that ask something, of 90 paraphrases, 42 of which a reader found to ask an
evaluation question of their chunk (tests/kinj/benchmark/asked_sentences.jsonl). By words: 41 of the 42, and 40 of the
other 410. By embeddings: 3 and none (at 0.8 it would be 7 and 17): it adds a net for what is asked in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.repeats import Embed
from kinj.benchmark.checks.words import content
from kinj.records import Pair, Paraphrase, Question

#: share of the right option's words in the sentence behind a question
LEAST_WORDS = 0.6
#: cosine of question and answer with question and right option, by all-MiniLM-L6-v2
LEAST_COSINE = 0.9

_SENTENCE = re.compile(r"(?<=[.!?])[\"'\u2019\u201d)]*\s+")
_HALVES = re.compile(r";| and (?=[A-Z])")
#: Words that make an answer no other one.
_LOOSE = frozenset({"all", "about", "nearly", "over", "some"})
_ASKS = re.compile(r"\?[\"'\u2019\u201d)]*$")

#: a text that asks something, and what it answers
Asked = tuple[str, str]


def asked_in(row: Paraphrase | Pair) -> list[Asked]:
    """Every sentence of a paraphrase that asks something, with the sentence behind it; a pair is one by nature."""
    if isinstance(row, Pair):
        return [(row.question, row.answer)]
    sentences = _SENTENCE.split(row.text.strip())
    return [
        (sentence, next(iter(sentences[place + 1 :]), ""))
        for place, sentence in enumerate(sentences)
        if _ASKS.search(sentence)
    ]


def is_asked(question: Question, asked: Asked, least: float = LEAST_WORDS) -> bool:
    """Whether, by words, the answer says the question's right option, or one of the two things that it asks for."""
    answer = set(content(asked[1]))
    right = set(content(question.right_answer))
    if len(right & answer) >= least * len(right):
        return True
    # "16 articles; Jon Landau" is asked for by halves, each of which may be said in fewer words: "All 16".
    halves = _HALVES.split(question.right_answer) if question.form == "two" else []
    said = answer - _LOOSE
    return len(halves) > 1 and any(said and said <= set(content(half)) for half in halves)


def asks_by_words(rows: Sequence[Paraphrase | Pair], questions: Sequence[Question]) -> Iterator[Fault]:
    """A training text asks something and answers it with the right option of an evaluation question of its chunk."""
    for row, question in _of_one_chunk(rows, questions):
        for asked in asked_in(row):
            if is_asked(question, asked):
                yield Fault(row.id, f"asks {asked[0]!r} and answers it as {question.id} wants: {asked[1]!r}")


def asks_by_meaning(
    rows: Sequence[Paraphrase | Pair], questions: Sequence[Question], embed: Embed, least: float = LEAST_COSINE
) -> Iterator[Fault]:
    """A training text asks and answers what means the same as an evaluation question of its chunk, by embeddings."""
    compared = [(row, question, asked) for row, question in _of_one_chunk(rows, questions) for asked in asked_in(row)]
    # Each text once: a chunk has several questions, and its pairs are compared with all of them.
    texts = list(dict.fromkeys(text for _, question, asked in compared for text in (_joined(asked), _keyed(question))))
    if not texts:
        return
    vectors = dict(zip(texts, embed(texts), strict=True))
    for row, question, asked in compared:
        cosine = float(vectors[_joined(asked)] @ vectors[_keyed(question)])
        if cosine >= least:
            yield Fault(row.id, f"asks {asked[0]!r}, nearly as {question.id} (cosine {cosine:.2f})")


def _joined(asked: Asked) -> str:
    return " ".join(asked)


def _keyed(question: Question) -> str:
    return f"{question.question} {question.right_answer}"


def _of_one_chunk(
    rows: Sequence[Paraphrase | Pair], questions: Sequence[Question]
) -> Iterator[tuple[Paraphrase | Pair, Question]]:
    by_chunk: dict[str, list[Question]] = {}
    for question in questions:
        for chunk_id in question.chunk_ids:
            by_chunk.setdefault(chunk_id, []).append(question)
    for row in rows:
        for question in by_chunk.get(row.chunk_id, ()):
            yield row, question
