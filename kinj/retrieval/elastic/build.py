"""Building an index on Elasticsearch: it serves under its name only when complete, and goes on where it stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Chunk
from kinj.retrieval.analysis import ANALYSIS
from kinj.retrieval.chunkfile import describe_chunks, in_order
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import Connection, connect
from kinj.retrieval.elastic.generations import Generation, builds_of, check_name, find_generation
from kinj.retrieval.elastic.index import ElasticIndex, open_elastic_index
from kinj.retrieval.elastic.mapping import EXACT_CHUNKS, FORMAT, at_least_one, vector_options
from kinj.retrieval.elastic.steps import ElasticBuild
from kinj.retrieval.filters import count_fields
from kinj.retrieval.making import check_chunks, describe_embedder, find_if_named, in_words, versions_of

log = logging.getLogger(__name__)


def build_elastic_index(
    chunks: Iterable[Chunk],
    name: str,
    embedder: str | None = None,
    *,
    overwrite: bool = False,
    made_from: Sequence[str] = (),
    vectors: str | None = None,
    m: int | None = None,
    ef_construction: int | None = None,
    num_candidates: int | None = None,
    shards: int = 1,
) -> ElasticIndex:
    """The index of these chunks under that name, built there or, where it is the one already there, reused.

    It is written as `NAME-HASH`; the alias NAME is set to it when it is complete and counted. An interrupted build of
    the same chunks goes on where it stopped: what was embedded is there already.

    Args:
        chunks: in any order; the same chunks give the same index.
        name: of the index, with or without `elasticsearch:` before it.
        embedder: name or folder of a sentence-transformers model; without one the index has no vectors.
        overwrite: replace an index of other chunks, another embedder or other settings, and what unfinished builds of
            that name left.
        made_from: the words of `kinj index build` that make these chunks, for the command in later error messages.
        vectors: one of `VECTOR_TYPES`; by default `flat` for up to `EXACT_CHUNKS` chunks, else `GRAPH`.
        m: neighbours of each vector in the graph; this and the next two by default as in `GRAPH_NUMBERS`.
        ef_construction: neighbours looked at when a vector is put into the graph.
        num_candidates: neighbours that an approximate search looks at in each shard.
        shards: parts that the index is spread over; scores stay those of one, at the price of one more step.

    Raises:
        UserError: no chunks, an id given twice, an empty text, a setting that is not allowed, a name that somebody else
            uses, a chunk that Elasticsearch refuses, or a cluster that does not answer.
        MissingExtraError: Elasticsearch's client or the libraries for an embedder are not installed.
    """
    name = check_name(name.removeprefix(PREFIX))
    ordered = in_order(check_chunks(list(chunks)))
    model = find_if_named(embedder)
    numbers = {"m": m, "ef_construction": ef_construction, "num_candidates": num_candidates}
    options = vector_options(vectors, len(ordered), **numbers)
    if model is None and (vectors or any(numbers.values())):
        raise UserError("settings for vectors need an embedder that makes them")
    wanted: dict[str, Any] = {  # Any: JSON values
        "format": FORMAT,
        "chunks": describe_chunks(ordered),
        "embedder": model and model.identity,
        "vectors": options if model else None,
        "analysis": ANALYSIS,
        "shards": at_least_one("shards", shards),
    }
    connection = connect()
    serving = _serving(connection, name)
    if serving is not None and _key(serving.manifest or {}) == _key(wanted):
        log.info("%s%s already holds this index: reused", PREFIX, name)
        return open_elastic_index(connection, name, serving)
    if serving is not None and not overwrite:
        raise UserError(
            f"{PREFIX}{name} holds another index ({in_words(serving.manifest or {})}): add --overwrite, or choose "
            "another name"
        )
    manifest = {
        **wanted,
        "kind": "kinj index",
        "name": name,
        "state": "building",
        "fields": count_fields(ordered),
        "made_from": list(made_from),
        "versions": versions_of("kinj", "elasticsearch", "sentence-transformers"),
    }
    if model and options["type"] != "flat" and len(ordered) <= EXACT_CHUNKS:
        log.info("up to %d chunks are compared one by one, exactly: the graph will not be searched", EXACT_CHUNKS)
    build = ElasticBuild(connection, name, f"{name}-{_key(wanted)[:12]}", ordered, model)
    build.create(manifest)
    build.fill()
    if model is not None:
        texts = [chunk.text for chunk in ordered]
        manifest["embedder"] = describe_embedder(model, texts, build.dimensions())
    build.complete({**manifest, "state": "complete"})
    build.switch(serving)
    for old in builds_of(connection, name):
        if old.index != build.index and (overwrite or old.is_complete):
            connection.request("DELETE", f"/{old.index}", what=f"delete {old.index}")
    return open_elastic_index(connection, name, build.find())


def _serving(connection: Connection, name: str) -> Generation | None:
    """The index behind the alias of that name; refuses one that kinj must not replace."""
    found = find_generation(connection, name)
    if found is None:
        return None
    if found.manifest is None or found.index == name:
        raise UserError(f"{PREFIX}{name} is the name of something that kinj must not replace: choose another name")
    return found


def _key(manifest: dict[str, Any]) -> str:  # Any: JSON values
    """64 hex digits: equal for builds that make the same index."""
    parts = {name: manifest[name] for name in ("format", "vectors", "analysis", "shards")}
    return sha256_json([parts, manifest["chunks"]["sha256"], (manifest["embedder"] or {}).get("sha256")])
