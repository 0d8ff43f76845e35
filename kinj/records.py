"""The records that travel between stages. Ids point only upstream: question -> chunk -> document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: A JSON object.
Json = dict[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Document:
    """One page of a collection."""

    id: str
    text: str
    title: str = ""
    #: ISO date of what the page is about, or empty
    date: str = ""
    #: topic in one or two words, or empty
    subject: str = ""
    #: where the text or its facts come from: addresses joined by " ; ", or empty
    source: str = ""
    license: str = ""
    #: which part of a benchmark its questions belong to: test, dev, fewshot; empty outside benchmarks
    split: str = ""
    #: ids of the sourced facts that the text rests on
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """An exact slice of a document: `document.text[start:end] == text`."""

    id: str
    document_id: str
    text: str
    #: character offsets into the document's text
    start: int
    end: int
    title: str = ""
    date: str = ""
    subject: str = ""
    source: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question about one or more chunks."""

    id: str
    #: the chunks that hold the answer
    chunk_ids: tuple[str, ...]
    question: str
    choices: tuple[str, ...]
    #: index of the right choice, from 0
    answer: int
    #: who, what, where, when, how_many or why
    kind: str = ""
    #: accepted answers of the open form; empty where the question is not asked openly
    accepted_answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """A chunk said in other words."""

    id: str
    chunk_id: str
    text: str
    #: train or validation
    use: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An open question and its answer, for training only."""

    id: str
    chunk_id: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is sent to an index."""

    text: str
    #: the chunks known to hold the answer; empty where nobody knows
    chunk_ids: tuple[str, ...] = ()
    #: id of the question behind the query: seeds the place of the gold passage among distractors
    id: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk. `rank` counts from 1; `score` is the retriever's own, larger is better."""

    chunk_id: str
    document_id: str
    text: str
    score: float
    rank: int
    title: str = ""
    date: str = ""
    #: where the text comes from, and under which licence it may be passed on; empty where unknown
    source: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a comparison: model x injection arm x seed x reading arm x task x split x shots."""

    #: hash of what shapes its answers, 16 hex digits
    id: str
    #: the unit that it hangs on: (model, recipe, seed), 16 hex digits
    unit: str
    #: the plan's name of the model
    model: str
    #: the plan's name of the injection arm; `none`: nothing was injected
    injection: str
    #: the plan's name of the reading arm with its k, `bm25 k=3`; `none`: closed book
    reading: str
    task: str
    #: of kinj_rag: none, bm25, …
    retriever: str = "none"
    #: passages a question; None: closed book
    k: int | None = None
    #: of the training; None where nothing is trained
    seed: int | None = None
    #: test or dev; empty where the task has one split alone
    split: str = ""
    num_fewshot: int = 0
    #: the first so many questions only; None: all
    limit: int | None = None
    #: main: compared by the plan's contrasts; control: passages chosen by the right answer; forgetting: closed book on
    #: what was not trained; noise: a main cell once more, its questions in reversed order and other batches
    role: str = "main"
