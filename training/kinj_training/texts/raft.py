"""RAFT (arXiv 2403.10131): questions with retrieved passages before them, the right one among distractors or absent."""

from __future__ import annotations

import random
from collections.abc import Sequence

from kinj.errors import UserError
from kinj.passages import load_template
from kinj.records import Pair, Passage, Query
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
    passages_of_pair = _retrieve(data, collection, pairs, seed)
    for pair, passages in zip(pairs, passages_of_pair, strict=True):
        if len(passages) <= data.distractors:
            raise UserError(
                f"distractors: {data.distractors}: for pair {pair.id!r} {collection.folder} gives {len(passages)} "
                "passages in all: lower it, or add documents"
            )
    return [
        question_and_answer(pair.id, pair.question, pair.answer, "raft", before=template.render(passages))
        for pair, passages in zip(pairs, passages_of_pair, strict=True)
    ]


def _retrieve(data: DataSettings, collection: CollectionTexts, pairs: Sequence[Pair], seed: int) -> list[list[Passage]]:
    """The passages of each pair: by one control for those that show the right one, by another for the rest."""
    drawn = random.Random(f"{seed}:gold").sample(range(len(pairs)), round(data.gold_share * len(pairs)))  # noqa: S311
    queries = [Query(pair.question, (pair.chunk_id,), pair.id) for pair in pairs]
    passages_of_pair: list[list[Passage]] = [[] for _ in pairs]
    index = collection_index(collection.folder, None)
    without_gold = sorted(set(range(len(pairs))) - set(drawn))
    for control, numbers in (("gold+distractors", sorted(drawn)), ("distractors", without_gold)):
        if not numbers:
            continue
        retriever = open_retriever(control, index=index, seed=seed)
        hits = retriever.search([queries[number] for number in numbers], data.distractors + 1)
        for number, passages in zip(numbers, hits, strict=True):
            passages_of_pair[number] = passages
    return passages_of_pair
