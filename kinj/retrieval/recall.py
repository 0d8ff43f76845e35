"""How well a retriever finds the chunks that questions were written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kinj.records import Query, Question
from kinj.retrieval.retriever import Retriever


@dataclass(frozen=True, slots=True)
class Recall:
    """Means over the questions whose source chunks are known."""

    questions: int
    #: share of a question's source chunks that came first (at most a half where two are needed)
    at_1: float
    #: share of them among the first five
    at_5: float


def recall(retriever: Retriever, questions: Sequence[Question]) -> Recall | None:
    """Recall of the source chunks, searched by the questions' own words; None where no question names a chunk."""
    known = [question for question in questions if question.chunk_ids]
    if not known:
        return None
    rankings = retriever.search([Query(q.question, q.chunk_ids, q.id) for q in known], 5)
    ids = [[passage.chunk_id for passage in passages] for passages in rankings]

    def at(k: int) -> float:
        shares = [
            len(set(found[:k]) & set(q.chunk_ids)) / len(set(q.chunk_ids)) for q, found in zip(known, ids, strict=True)
        ]
        return sum(shares) / len(shares)

    return Recall(len(known), at(1), at(5))
