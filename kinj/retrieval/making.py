"""What building does alike on both back ends."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kinj.records import Json
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.embedding.find import find_embedder_of, find_wanted_embedder


def embedder_of_build(
    place: str | Path, updated: Json | None, name: str | None, query_prefix: str | None, passage_prefix: str | None
) -> Embedder | None:
    """The embedder of a build; of an update, that of the index whose manifest is given.

    Raises:
        UserError: as `find_embedder_of` and `find_wanted_embedder`.
    """
    if updated is not None and (name or updated["embedder"]):
        return find_embedder_of(place, updated, name)
    return find_wanted_embedder(name, query_prefix, passage_prefix)


def in_words(manifest: Json) -> str:
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
