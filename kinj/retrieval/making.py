"""What the builders of both back ends do alike."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from kinj.errors import UserError
from kinj.records import Chunk

if TYPE_CHECKING:
    from kinj.retrieval.embedding.embedder import Embedder

log = logging.getLogger(__name__)


def check_chunks(chunks: list[Chunk]) -> list[Chunk]:
    """The chunks, refused where an index cannot hold them.

    Raises:
        UserError: none, an id given twice, or an empty text.
    """
    if not chunks:
        raise UserError("no chunks: there is nothing to index")
    seen: set[str] = set()
    for chunk in chunks:
        if not chunk.text.strip():
            raise UserError(f"chunk {chunk.id!r} has an empty text")
        if chunk.id in seen:
            raise UserError(f"the chunk id {chunk.id!r} was given twice")
        seen.add(chunk.id)
    return chunks


def find_if_named(embedder: str | None) -> Embedder | None:
    """The embedder of that name, none for none."""
    if embedder is None:
        return None
    from kinj.retrieval.embedding.embedder import find_embedder

    return find_embedder(embedder)


def describe_embedder(model: Embedder, texts: list[str], dimensions: int) -> dict[str, Any]:  # Any: JSON values
    """What a manifest says about the embedder of these passages; warns where it reads some only in part."""
    cut = model.count_cut(texts)
    if cut:
        log.warning(
            "%d of %d passages are longer than the %d tokens that %s reads: only their beginning is embedded",
            cut, len(texts), model.window, model.name,
        )  # fmt: skip
    return {**model.identity, "dimensions": dimensions, "window": model.window, "passages_cut": cut}


def in_words(manifest: dict[str, Any]) -> str:  # Any: JSON values
    """What an index holds, in a few words."""
    return f"{manifest['chunks']['count']} chunks, embedder {(manifest['embedder'] or {}).get('name', 'none')}"


def versions_of(*distributions: str) -> dict[str, str | None]:
    """The installed version of each; None where it is not installed."""
    return {name: _version(name) for name in distributions}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
