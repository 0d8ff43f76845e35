"""RAFT (arXiv 2403.10131): questions with retrieved passages before them, the right one among distractors or absent."""

from __future__ import annotations

import random

from kinj.errors import UserError
from kinj.passages import load_template
from kinj.records import Passage, Query
from kinj.retrieval import collection_index, open_retriever
from kinj_training.recipe.settings import DataSettings
from kinj_training.texts.texts import CollectionTexts, TrainingText, question_and_answer


def raft_texts(data: DataSettings, collection: CollectionTexts, seed: int) -> list[TrainingText]:
    """The pairs of the selected documents, each with `distractors` + 1 passages before its question.

    A share `gold_share` of the prompts, exactly, shows the chunk with the answer, at a place drawn from the seed; in
    the others one more distractor stands for it, so that the number of passages tells nothing. Passages come from the
    whole collection, as they do in evaluation, and are only read.

    Raises:
        UserError: no pairs, or the collection has too few other documents that share a word with a question.
    """
    pairs = collection.pairs()
    template = load_template(data.template)
    drawn = random.Random(f"{seed}:gold").sample(range(len(pairs)), round(data.gold_share * len(pairs)))  # noqa: S311
    with_gold = set(drawn)
    queries = [Query(pair.question, (pair.chunk_id,), pair.id) for pair in pairs]
    shown: list[list[Passage]] = [[] for _ in pairs]
    index = collection_index(collection.folder, None)
    for name, numbers in (
        ("gold+distractors", sorted(with_gold)),
        ("distractors", sorted(set(range(len(pairs))) - with_gold)),
    ):
        retriever = open_retriever(name, index=index, seed=seed)
        if numbers:
            for number, passages in zip(
                numbers, retriever.search([queries[n] for n in numbers], data.distractors + 1), strict=True
            ):
                shown[number] = passages
    for pair, passages in zip(pairs, shown, strict=True):
        if len(passages) <= data.distractors:
            raise UserError(
                f"distractors: {data.distractors}: for pair {pair.id!r} {collection.folder} gives {len(passages)} "
                "passages in all: lower it, or add documents"
            )
    return [
        question_and_answer(pair.id, pair.question, pair.answer, "raft", before=template.render(passages))
        for pair, passages in zip(pairs, shown, strict=True)
    ]
