"""Questions into test, dev and few-shot rows: by document, else each by itself."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kinj.records import Chunk, Document, Question

#: Below so many questions none is kept back for shots, unless it is asked for.
_FEWEST_FOR_SHOTS = 40


@dataclass(frozen=True, slots=True)
class Shares:
    """How questions are split."""

    #: of all questions, 0 to 1; the documents decide how near it is met
    dev: float = 0.2
    #: few-shot rows; None: five, of fewer than forty questions none
    fewshot: int | None = None
    seed: int = 0

    def shots_of(self, total: int) -> int:
        """How many few-shot rows are wanted."""
        return self.fewshot if self.fewshot is not None else 5 if total >= _FEWEST_FOR_SHOTS else 0


def split_questions(
    questions: Sequence[Question], documents: Sequence[Document], chunks: Sequence[Chunk], shares: Shares
) -> tuple[list[Question], list[Document]]:
    """The questions, and the documents with their splits; drawn by seed, all questions of a document together.

    A document that has a split keeps it. Questions without a chunk are drawn one by one and carry their split
    themselves. Few-shot rows and dev are drawn first, small groups only, so that one document with most questions stays
    in test; documents that nobody asks about get none.
    """
    document_of = {chunk.id: chunk.document_id for chunk in chunks}
    given = {document.id: document.split for document in documents if document.split}
    sizes: dict[str, int] = {}
    for question in questions:
        sizes[_group(question, document_of)] = sizes.get(_group(question, document_of), 0) + 1
    splits = {f"document {name}": split for name, split in given.items()} | _drawn(
        {group: size for group, size in sizes.items() if group.removeprefix("document ") not in given},
        len(questions),
        shares,
    )
    placed = [
        replace(question, split="" if question.chunk_ids else splits[_group(question, document_of)])
        for question in questions
    ]
    return placed, [
        replace(document, split=document.split or splits.get(f"document {document.id}", "")) for document in documents
    ]


def _group(question: Question, document_of: Mapping[str, str]) -> str:
    return f"document {document_of[question.chunk_ids[0]]}" if question.chunk_ids else f"question {question.id}"


def _drawn(sizes: Mapping[str, int], total: int, shares: Shares) -> dict[str, str]:
    """Group to split."""
    order = sorted(sizes)
    random.Random(shares.seed).shuffle(order)  # noqa: S311  # an experiment's seed
    splits = dict.fromkeys(order, "test")
    # Documents are taken whole, so there may be more: of dev half as many again, of the few shots twice as many.
    for split, wanted, most in (("fewshot", shares.shots_of(total), 2), ("dev", round(shares.dev * total), 1.5)):
        taken = 0
        for group in order:
            if splits[group] == "test" and taken < wanted and taken + sizes[group] <= most * wanted:
                splits[group] = split
                taken += sizes[group]
    return splits
