"""The records that travel between stages. Ids point only upstream: question -> chunk -> document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: A JSON object.
Json = dict[str, Any]  # Any: JSON values

#: What stands on the two sides of a contrast, as plans write it: nothing added, passages, a training, both, all texts.
SIDES = ("base", "RAG", "FT", "FT+RAG", "everything")
#: What a comparison is made for, and what Holm's correction counts, where nobody declares anything else.
CONTRASTS = ("RAG - base", "FT - base", "FT - RAG", "FT+RAG - RAG", "FT+RAG - FT")
#: The same where the whole collection is read too.
OF_EVERYTHING = ("everything - base", "everything - RAG")


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
    #: "markdown" where the text is Markdown: headings `# …`, lists, pipe tables; empty for plain text
    markup: str = ""
    #: ISO 639-1, two letters, or empty where nobody knows
    language: str = ""
    #: what the source calls this state of the page, a wiki's revision id say, or empty
    version: str = ""
    #: of a PDF: the offset in `text` at which each page begins, the first page first
    pages: tuple[int, ...] = ()


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
    #: the headings of the sections that the chunk begins in, the outermost first; those inside it are in its text
    headings: tuple[str, ...] = ()
    #: the header row of the table that the chunk begins in the middle of, or empty
    table_header: str = ""
    #: of a PDF: the page that it lies on, or the first and the last, from 1: "3", "3-4"; else empty
    page: str = ""
    #: the document's: ISO 639-1, two letters, or empty where nobody said
    language: str = ""

    @classmethod
    def from_json(cls, values: Json) -> Chunk:
        """The chunk of a JSON object that was written from one."""
        if "headings" in values:  # few have, and a copy of all values takes as long as the rest
            values = {**values, "headings": tuple(values["headings"])}
        return cls(**values)

    @property
    def context(self) -> str:
        """See `context_of`."""
        return context_of(self.title, self.headings, self.table_header)

    @property
    def searched_text(self) -> str:
        """What words and embeddings are taken from: the text, its context above it where it has one."""
        return f"{context}\n{self.text}" if (context := self.context) else self.text


def context_of(title: str, headings: tuple[str, ...], table_header: str) -> str:
    """What stands above a chunk in index and prompt: a line `title > heading > heading`, then the table's header row.

    Empty where the chunk has neither headings nor such a row: a title alone is no context.
    """
    path = [part for part in (title, *headings) if part] if headings else []
    if path[1:] and path[0].casefold() == path[1].casefold():
        path = path[1:]  # many pages begin with their title as a heading
    return "\n".join(line for line in (" > ".join(path), table_header) if line)


@dataclass(frozen=True, slots=True)
class Question:
    """A question about no, one or more chunks: with two to ten options, or asked openly alone."""

    id: str
    #: the chunks that hold the answer; empty where nobody knows, or none does
    chunk_ids: tuple[str, ...]
    question: str
    #: empty where the question is asked openly alone
    choices: tuple[str, ...]
    #: index of the right choice, from 0; -1 where no choice is right (`answerable` is false), or there is none
    answer: int = -1
    #: who, what, where, when, how_many or why
    kind: str = ""
    #: accepted answers of the open form; empty where the question is not asked openly
    accepted_answers: tuple[str, ...] = ()
    #: direct: names its event; indirect: tells it without the chunk's names; two: needs two chunks
    form: str = "direct"
    #: new or known_before (public before the documents' time); empty where nobody looked
    knowledge: str = ""
    #: whether the collection holds the answer
    answerable: bool = True
    #: exact slices of the chunks that answer the question
    evidence: tuple[str, ...] = ()
    #: whether the facts behind the question rest on one source alone
    single_source: bool = False
    #: test, dev or fewshot where no chunk says it
    split: str = ""

    @property
    def right_answer(self) -> str:
        """The right option; without options the first accepted answer; empty where there is none."""
        if self.choices:
            return self.choices[self.answer] if self.answer >= 0 else ""
        return self.accepted_answers[0] if self.accepted_answers else ""


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """A chunk said in other words."""

    id: str
    chunk_id: str
    text: str
    #: train or validation
    use: str
    #: how it was written, in a word or two: chunks' paraphrases of one style are alike in form
    style: str = ""


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
    #: as a chunk's
    headings: tuple[str, ...] = ()
    table_header: str = ""
    page: str = ""

    @property
    def context(self) -> str:
        """See `context_of`."""
        return context_of(self.title, self.headings, self.table_header)


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
    #: of kinj_rag: none, bm25, …, all
    retriever: str = "none"
    #: passages a question; None: closed book, or (retriever `all`) the whole collection
    k: int | None = None
    #: of the training; None where nothing is trained
    seed: int | None = None
    #: test or dev; empty where the task has one split alone
    split: str = ""
    num_fewshot: int = 0
    #: the first so many questions only; None: all
    limit: int | None = None
    #: main: compared by the plan's contrasts; everything: by those of that name, reading the whole collection; control:
    #: passages chosen by the right answer; forgetting: closed book on what was not trained; noise: a main cell once
    #: more, its questions in reversed order and other batches; orders: a main task closed book with its options in
    #: another order; withheld: a main task closed book without its options
    role: str = "main"
