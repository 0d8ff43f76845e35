"""From a retriever's name to the retriever."""

from __future__ import annotations

from pathlib import Path

from kinj.errors import UserError
from kinj.retrieval.controls import Control
from kinj.retrieval.embedded import open_index
from kinj.retrieval.ranked import Hybrid, Ranked
from kinj.retrieval.retriever import Retriever

#: Every name that `open_retriever` knows.
RETRIEVERS: tuple[str, ...] = ("bm25", "dense", "hybrid", "gold", "gold+distractors", "distractors")


def open_retriever(name: str, *, index: str | Path, embedder: str | None = None, seed: int = 0) -> Retriever:
    """The retriever of that name over the index folder `index`.

    Args:
        name: one of `RETRIEVERS`.
        index: a folder that `kinj index build` wrote.
        embedder: the sentence-transformers model of `dense` and `hybrid`, by name or folder; by default the one that
            the index was built with. The other retrievers embed nothing and do not look at it.
        seed: draws the place of gold among distractors.

    Raises:
        UserError: an unknown name; an index that is missing, half-built, changed or of another embedder.
        MissingExtraError: dense retrieval without its libraries.
    """
    if name not in RETRIEVERS:
        raise UserError(f"retriever={name}: no such retriever; choose one of none, {', '.join(RETRIEVERS)}")
    opened = open_index(Path(index))
    if name in ("dense", "hybrid"):
        opened.use_embedder(embedder)
    if name == "bm25":
        return Ranked(opened, "bm25")
    if name == "dense":
        return Ranked(opened, "dense")
    if name == "hybrid":
        return Hybrid(opened)
    return Control(opened, gold="gold" in name, distractors="distractors" in name, seed=seed)
