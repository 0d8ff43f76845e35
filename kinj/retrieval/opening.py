"""From the name of an index or a retriever to what it names."""

from __future__ import annotations

from pathlib import Path

from kinj.errors import UserError
from kinj.retrieval.controls import Control, Everything, WholeIndex
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.filters import parse_filter
from kinj.retrieval.index import Index
from kinj.retrieval.local.index import open_local_index
from kinj.retrieval.ranked import Hybrid, Ranked
from kinj.retrieval.retriever import Retriever

#: Every name that `open_retriever` knows.
RETRIEVERS: tuple[str, ...] = ("bm25", "dense", "hybrid", "gold", "gold+distractors", "distractors", "all")


def open_index(name: str | Path, *, text_field: str | None = None, vector_field: str | None = None) -> Index:
    """The index in that folder, or, for `elasticsearch:NAME`, of that name on the cluster of the environment.

    Args:
        name: a folder, or `elasticsearch:NAME`.
        text_field: where an index that kinj did not build on a cluster keeps its texts.
        vector_field: where such an index keeps their vectors.

    Raises:
        UserError: no such index, half-built, changed, or of another format or analysis; the message says what to type.
        MissingExtraError: a cluster is named and its client is not installed.
    """
    place = str(name)
    if place.startswith(PREFIX):
        from kinj.retrieval.elastic.opening import open_on_cluster

        return open_on_cluster(place.removeprefix(PREFIX), text_field, vector_field)
    for field, value in (("text_field", text_field), ("vector_field", vector_field)):
        if value is not None:
            raise UserError(f"{field}={value}: only for an index on Elasticsearch, {PREFIX}NAME, not built by kinj")
    return open_local_index(Path(name))


def open_retriever(
    name: str,
    *,
    index: str | Path,
    embedder: str | None = None,
    seed: int = 0,
    filter: str | None = None,  # the name of the setting
    text_field: str | None = None,
    vector_field: str | None = None,
) -> Retriever:
    """The retriever of that name over an index.

    Args:
        name: one of `RETRIEVERS`.
        index: a folder that `kinj index build` wrote, or `elasticsearch:NAME`.
        embedder: the sentence-transformers model of `dense` and `hybrid`, by name or folder; by default the one that
            the index was built with. The other retrievers embed nothing and do not look at it.
        seed: draws the place of gold among distractors.
        filter: which chunks may be retrieved; see `parse_filter`.
        text_field: see `open_index`.
        vector_field: see `open_index`.

    Raises:
        UserError: an unknown name; an index that is missing, half-built, changed or of another embedder; a filter that
            lets nothing through.
        MissingExtraError: dense retrieval, or a cluster, without its libraries.
    """
    if name not in RETRIEVERS:
        raise UserError(f"retriever={name}: no such retriever; choose one of none, {', '.join(RETRIEVERS)}")
    wanted = parse_filter(filter) if filter is not None else None
    if wanted is not None and name in ("gold", "all"):
        raise UserError(f"filter={filter}: retriever={name} searches nothing, so there is nothing to filter")
    opened = open_index(index, text_field=text_field, vector_field=vector_field)
    if wanted is not None:
        opened.use_filter(wanted)
    if name in ("dense", "hybrid"):
        opened.use_embedder(embedder)
    if name == "all":
        if not isinstance(opened, WholeIndex):
            raise UserError(f"index={index}: retriever=all reads an index from end to end, which kinj must have built")
        return Everything(opened)
    if name == "bm25":
        return Ranked(opened, "bm25")
    if name == "dense":
        return Ranked(opened, "dense")
    if name == "hybrid":
        return Hybrid(opened)
    return Control(opened, gold="gold" in name, distractors="distractors" in name, seed=seed)
