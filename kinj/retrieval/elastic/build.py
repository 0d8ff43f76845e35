"""Building an index on Elasticsearch: it serves under its name only when complete, and goes on where it stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from kinj.cache import made_cache_folder
from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Chunk, Json
from kinj.retrieval.changes import Before, Known, check_update, log_changes
from kinj.retrieval.chunkfile import SortedChunks, sort_chunks
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import Connection, connect
from kinj.retrieval.elastic.generations import Generation, builds_of, check_name, find_generation
from kinj.retrieval.elastic.index import ElasticIndex, open_elastic_index
from kinj.retrieval.elastic.mapping import EXACT_CHUNKS, FORMAT, GRAPH, at_least_one, vector_options
from kinj.retrieval.elastic.steps import ElasticBuild
from kinj.retrieval.languages import check_language, find_languages
from kinj.retrieval.making import embedder_of_build, in_words, versions_of
from kinj.retrieval.scratch import scratch_folder

log = logging.getLogger(__name__)


def build_elastic_index(
    chunks: Iterable[Chunk],
    name: str,
    embedder: str | None = None,
    *,
    overwrite: bool = False,
    update: bool = False,
    made_from: Sequence[str] = (),
    vectors: str | None = None,
    m: int | None = None,
    ef_construction: int | None = None,
    num_candidates: int | None = None,
    shards: int = 1,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    language: str | None = None,
) -> ElasticIndex:
    """The index of these chunks under that name, built there or, where it is the one already there, reused.

    It is written as `NAME-HASH`; the alias NAME is set to it when it is complete and counted. An interrupted build of
    the same chunks goes on where it stopped: what was embedded is there already. The chunks are sorted in a file of the
    cache folder meanwhile: memory does not grow with their number.

    Args:
        chunks: in any order, read once; the same chunks give the same index.
        name: of the index, with or without `elasticsearch:` before it.
        embedder: name or folder of a sentence-transformers model; without one the index has no vectors.
        overwrite: replace an index of other chunks, another embedder or other settings, and what unfinished builds of
            that name left.
        update: make these chunks of the index that serves, by the embedder and the language that it was built with:
            what was embedded before is read from it, not embedded again.
        made_from: the words of `kinj index build` that make these chunks, for the command in later error messages.
        vectors: one of `VECTOR_TYPES`; by default `flat` for up to `EXACT_CHUNKS` chunks, else `GRAPH`.
        m: neighbours of each vector in the graph; this and the next two by default as in `GRAPH_NUMBERS`.
        ef_construction: neighbours looked at when a vector is put into the graph.
        num_candidates: neighbours that an approximate search looks at in each shard.
        shards: parts that the index is spread over; scores stay those of one, at the price of one more step.
        query_prefix: what the embedder reads before each query; by default what the model's files or its card say.
        passage_prefix: the same before each passage.
        language: ISO 639-1, of all chunks; by default what `find_languages` finds.

    Raises:
        UserError: no chunks, an id given twice, an empty text, a setting that is not allowed, a name that somebody else
            uses, a chunk that Elasticsearch refuses, or a cluster that does not answer.
        OSError: the disk of the cache folder is full.
        MissingExtraError: Elasticsearch's client or the libraries for an embedder are not installed.
    """
    name = check_name(name.removeprefix(PREFIX))
    before = _to_update(name, made_from, query_prefix, passage_prefix) if update else None
    updated = before.manifest if before is not None else None
    model = embedder_of_build(PREFIX + name, updated, embedder, query_prefix, passage_prefix)
    language = language or (updated or {}).get("language")
    numbers = {"m": m, "ef_construction": ef_construction, "num_candidates": num_candidates}
    if model is None and (vectors or any(numbers.values())):
        raise UserError("settings for vectors need an embedder that makes them")
    # Here too, though only their number says how vectors are kept: reading the chunks may take long.
    vector_options(vectors or GRAPH, 0, **numbers)
    at_least_one("shards", shards)
    check_language(language)
    connection = connect()
    with scratch_folder(made_cache_folder("elasticsearch"), name) as scratch:
        made = sort_chunks(chunks, scratch / "chunks.jsonl")
        options = vector_options(vectors, len(made), **numbers)
        languages = find_languages(made, language)
        wanted: Json = {
            "format": FORMAT,
            "chunks": made.summary,
            "embedder": model and model.identity,
            "vectors": options if model else None,
            "analysis": languages.analysis.description,
            "shards": shards,
            **({"language": language} if language else {}),
        }
        serving = _serving(connection, name)
        if serving is not None and _key(serving.manifest or {}) == _key(wanted):
            log.info("%s%s already holds this index: reused", PREFIX, name)
            return open_elastic_index(connection, name, serving)
        if serving is not None and not (overwrite or update):
            raise UserError(
                f"{PREFIX}{name} holds another index ({in_words(serving.manifest or {})}): add --overwrite, or choose "
                "another name"
            )
        if model and options["type"] != "flat" and len(made) <= EXACT_CHUNKS:
            log.info("up to %d chunks are compared one by one, exactly: the graph will not be searched", EXACT_CHUNKS)
        known = _update(before, made) if before is not None else None
        build = ElasticBuild(connection, name, f"{name}-{_key(wanted)[:12]}", made, languages, model, known)
        build.run(_manifest(name, wanted, made.fields, made_from), serving)
    _remove_replaced(connection, name, build.index, serving, overwrite=overwrite)
    return open_elastic_index(connection, name, build.find())


def _to_update(
    name: str, made_from: Sequence[str], query_prefix: str | None, passage_prefix: str | None
) -> ElasticIndex | None:
    """The index that serves under that name; None where there is none yet."""
    connection = connect()
    serving = _serving(connection, name)
    if serving is None:
        return None
    index = open_elastic_index(connection, name, serving)
    check_update(index.place, index.manifest, made_from, query_prefix, passage_prefix)
    return index


def _update(index: ElasticIndex, made: SortedChunks) -> Known | None:
    """The vectors that the index has, where it has any; says what is changed."""
    before = Before(index.all_chunks(), len(index))
    return log_changes(index.place, before, made, index.vectors_of if index.manifest["embedder"] else None)


def _remove_replaced(
    connection: Connection, name: str, index: str, replaced: Generation | None, *, overwrite: bool
) -> None:
    """Deletes the index that this one has replaced; when overwriting also what unfinished builds of the name left.

    Any other complete index of that name stays: somebody may read it under its own name.
    """
    for old in builds_of(connection, name):
        is_replaced = replaced is not None and old.index == replaced.index
        if old.index != index and (is_replaced or (overwrite and not old.is_complete)):
            connection.request("DELETE", f"/{old.index}", what=f"delete {old.index}")


def _serving(connection: Connection, name: str) -> Generation | None:
    """The index behind the alias of that name; refuses one that kinj must not replace."""
    generation = find_generation(connection, name)
    if generation is None:
        return None
    if generation.manifest is None or generation.index == name:
        raise UserError(f"{PREFIX}{name} is the name of something that kinj must not replace: choose another name")
    return generation


def _manifest(name: str, wanted: Json, fields: dict[str, int], made_from: Sequence[str]) -> Json:
    """The manifest of an unfinished build."""
    return {
        **wanted,
        "kind": "kinj index",
        "name": name,
        "state": "building",
        "fields": fields,
        "made_from": list(made_from),
        "versions": versions_of("kinj", "elasticsearch", "sentence-transformers"),
    }


def _key(manifest: Json) -> str:
    """64 hex digits: equal for builds that make the same index."""
    settings = {name: manifest[name] for name in ("format", "vectors", "analysis", "shards")}
    return sha256_json([settings, manifest["chunks"]["sha256"], (manifest["embedder"] or {}).get("sha256")])
