"""Retrieves for each question, and puts into its prompts as many passages as fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lm_eval.api.instance import Instance

from kinj.errors import UserError
from kinj.passages import PassageTemplate
from kinj.records import Passage, Query
from kinj.retrieval import Retriever
from kinj_models.effort import Stopwatch
from kinj_models.prompts import place_block
from kinj_models.retrievers import Retrievers
from kinj_models.settings import Settings
from kinj_models.task_rows import Row, closed_query_of, query_of, question_of
from kinj_models.trace import Key, TraceRecord
from kinj_models.window import Window


@dataclass(frozen=True, slots=True)
class TaskQuestion:
    """A task's row and the distinct requests about it: one per option, or one that generates."""

    task: str
    #: number of the row in its task
    doc_id: int | None
    requests: tuple[Instance, ...]

    @property
    def row(self) -> Row:
        """The row itself."""
        row: Row = self.requests[0].doc
        return row

    @property
    def key(self) -> Key:
        """What tells the question from all others."""
        return self.task, self.doc_id


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A query and what the index gave for it, best first."""

    query: Query
    passages: tuple[Passage, ...] = ()


def group_by_question(requests: Sequence[Instance]) -> list[TaskQuestion]:
    """The questions in order of their first request. Repeats hold the very same Instance, padding repeats a row's.

    Raises:
        ValueError: two rows of one task have one number, so that one would read the other's passages.
    """
    groups: dict[Key, dict[int, Instance]] = {}
    for request in requests:
        group = groups.setdefault((str(request.task_name), request.doc_id), {})
        if group and next(iter(group.values())).doc != request.doc:
            raise ValueError(f"two rows of task {request.task_name} have the number {request.doc_id}")
        group[id(request)] = request
    return [TaskQuestion(*key, tuple(group.values())) for key, group in groups.items()]


class Reader:
    """Gives questions their passages, by the settings of one run."""

    def __init__(
        self, settings: Settings, template: PassageTemplate, retrievers: Retrievers, searching: Stopwatch
    ) -> None:
        self._settings = settings
        self._template = template
        self._retrievers = retrievers
        self._searching = searching

    def retrieve(self, questions: Sequence[TaskQuestion]) -> list[Retrieval]:
        """Each question's query and passages: one search for each collection, none for the closed book.

        Raises:
            UserError: a row has no question, no options where they are asked for, or nothing to search in.
        """
        settings = self._settings
        if settings.closed_book:
            return [Retrieval(closed_query_of(question.row, *question.key)) for question in questions]
        by_retriever: dict[str, tuple[Retriever, list[TaskQuestion]]] = {}
        queries: dict[Key, Query] = {}
        with_options = settings.query == "question+options"
        for question in questions:
            query = query_of(question.row, *question.key, settings.query_field, with_options=with_options)
            source, retriever = self._retrievers.for_row(question.task, question.row)
            by_retriever.setdefault(source, (retriever, []))[1].append(question)
            queries[question.key] = query
        retrievals: dict[Key, Retrieval] = {}
        for retriever, group in by_retriever.values():
            asked = [queries[question.key] for question in group]
            with self._searching:
                passages = retriever.search(asked, settings.depth)
            for question, query, best in zip(group, asked, passages, strict=True):
                retrievals[question.key] = Retrieval(query, tuple(best))
        return [retrievals[question.key] for question in questions]

    def place(
        self, question: TaskQuestion, retrieval: Retrieval, window: Window | None
    ) -> tuple[list[Instance], TraceRecord]:
        """The question's final requests, with as many passages as fit all: options must be compared on one prompt.

        Raises:
            UserError: no prompt to put passages before, `placement=question` and the prompt lacks the question, or the
                whole collection is asked for and does not fit.
        """
        passages_sent = len(retrieval.passages)
        final = self._requests_with(question, retrieval.passages)
        if self._settings.retriever == "all":
            _refuse_over_window(question, len(retrieval.passages), final, window)
        over_window = not _fits(final, window)
        if over_window and window is not None and passages_sent:
            passages_sent, final = self._drop_passages(question, retrieval.passages, window)
            over_window = passages_sent == 0 and not _fits(final, window)
        prompts = tuple(dict.fromkeys(_hashable(request.args[0]) for request in final if request.args[0] != ""))
        record = TraceRecord(*question.key, retrieval.query, retrieval.passages, passages_sent, prompts, over_window)
        return final, record

    def _drop_passages(
        self, question: TaskQuestion, passages: Sequence[Passage], window: Window
    ) -> tuple[int, list[Instance]]:
        """How many of too many passages fit, the best first, and the requests with them.

        More passages never make a shorter prompt, so half of what is left is tried each time, on the longest request;
        the others, which a tokenizer may see otherwise, are measured at the end.
        """
        longest = max(range(len(question.requests)), key=lambda i: len(str(question.requests[i].args)))
        fitting, too_many = 0, len(passages)
        while too_many - fitting > 1:
            middle = (fitting + too_many) // 2
            if window.fits(self._requests_with(question, passages[:middle])[longest]):
                fitting = middle
            else:
                too_many = middle
        final = self._requests_with(question, passages[:fitting])
        while fitting and not _fits(final, window):
            fitting -= 1
            final = self._requests_with(question, passages[:fitting])
        return fitting, final

    def _requests_with(self, question: TaskQuestion, passages: Sequence[Passage]) -> list[Instance]:
        """The requests as they would be sent with these passages, whether or not they fit."""
        settings = self._settings
        if settings.closed_book:
            return list(question.requests)
        block = self._template.render(passages if settings.order == "best_first" else passages[::-1])
        text = (
            question_of(question.row, question.task, settings.query_field) if settings.placement == "question" else ""
        )
        # An empty context asks for an option's unconditional likelihood (acc_mutual_info): it must stay empty.
        if block and all(request.args[0] == "" for request in question.requests):
            raise UserError(
                f"task {question.task} scores its options without any prompt: there is nothing to put passages before"
            )
        return [
            request
            if request.args[0] == ""
            else replace(
                request,
                arguments=(place_block(request.args[0], block, settings.placement, text), *request.args[1:]),
            )
            for request in question.requests
        ]


def _refuse_over_window(question: TaskQuestion, chunks: int, final: Sequence[Instance], window: Window | None) -> None:
    """Returns where the longest request about the question fits, or where no tokenizer is here to measure it.

    Raises:
        UserError: it does not; some of a collection is another arm than all of it, so nothing is dropped.
    """
    if window is None:
        return
    longest = max(final, key=lambda request: len(str(request.args)))
    if not window.fits(longest):
        raise UserError(
            f"retriever=all: all {chunks:,} chunks of the collection with a question of task {question.task} are "
            f"{window.tokens(longest):,} tokens, the model's window has {window.max_length:,}: take a model with a "
            "larger one, or let a retriever choose (bm25, dense, hybrid)"
        )


def _fits(requests: Sequence[Instance], window: Window | None) -> bool:
    return window is None or all(window.fits(request) for request in requests)


def _hashable(context: Any) -> Any:  # Any: text, or an API model's chat
    return context if not isinstance(context, list) else str(context)
