"""Building an index on Elasticsearch: it serves under its name only when complete, and goes on where it stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Chunk
from kinj.retrieval.analysis import ANALYSIS
from kinj.retrieval.build import check_chunks, describe_embedder, find_if_named, in_words, versions_of
from kinj.retrieval.chunkfile import describe_chunks, in_order
from kinj.retrieval.elastic_bulk import DOCUMENTS, Document, as_document, send_all
from kinj.retrieval.elastic_connection import Connection, Refusal, connect
from kinj.retrieval.elastic_generations import Generation, builds_of, check_name, find_generation, meta
from kinj.retrieval.elastic_index import ElasticIndex, open_elastic_index
from kinj.retrieval.elastic_mapping import (
    EXACT_CHUNKS,
    FORMAT,
    ROW,
    VECTOR,
    at_least_one,
    index_settings,
    source_of,
    vector_mapping,
    vector_options,
)
from kinj.retrieval.elastic_search import count, search_all
from kinj.retrieval.elastic_settings import PREFIX
from kinj.retrieval.filters import count_fields
from kinj.retrieval.progress import progress

if TYPE_CHECKING:
    from kinj.retrieval.embedder import Embedder

log = logging.getLogger(__name__)

_PAGE = 10_000
#: How long the nodes may take to start a new index's shards.
SHARD_SECONDS = 30


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
    build = _Build(connection, name, f"{name}-{_key(wanted)[:12]}", ordered, model)
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


@dataclass(frozen=True, slots=True)
class _Build:
    """One build under way."""

    connection: Connection
    name: str
    #: the name under which it is written
    index: str
    #: in the order of their ids
    chunks: list[Chunk]
    model: Embedder | None

    @property
    def alias(self) -> str:
        """Stands for the index while it is built: what is sent to it never makes an index anew."""
        return f"{self.index}-building"

    def find(self) -> Generation:
        """The index as it is now."""
        found = find_generation(self.connection, self.index)
        if found is None or found.manifest is None:
            raise UserError(f"{self.index} is gone: another build of {PREFIX}{self.name} removed it; start again")
        return found

    def create(self, manifest: dict[str, Any]) -> None:  # Any: JSON values
        """Makes the empty index; one that an earlier build of the same chunks left is used as it is.

        Raises:
            UserError: no node has room for it.
        """
        if find_generation(self.connection, self.index) is None:
            body = {**index_settings(len(self.chunks), manifest), "aliases": {self.alias: {}}}
            what, limit = f"make the index {self.index}", f"{SHARD_SECONDS}s"
            try:
                made = self.connection.request("PUT", f"/{self.index}", body, what=what, timeout=limit)
            except Refusal as refusal:
                if refusal.kind != "resource_already_exists_exception":
                    raise
            else:
                if not made["shards_acknowledged"]:
                    raise UserError(
                        f"Elasticsearch at {self.connection.address}: no node took the shards of {self.index} within "
                        f"{limit}, as when all disks are nearly full; `GET _cluster/allocation/explain` says why. When "
                        "there is room type the same command again"
                    )
        self.find()

    def fill(self) -> None:
        """Sends what is not there yet."""
        there = self._rows_there()
        if there:
            log.info("%s holds %d of %d chunks from an earlier build: going on", self.index, sum(there), len(there))
        with progress("indexing chunks", len(self.chunks)) as advance:
            advance(sum(there))
            try:
                for count in send_all(self.connection, self.alias, self._documents(there)):
                    advance(count)
            except Refusal as refusal:
                # A second build of the same chunks that was quicker has completed and closed the index: all is there.
                if refusal.kind != "cluster_block_exception" or not self.find().is_complete:
                    raise

    def dimensions(self) -> int:
        """Of the vectors that it holds."""
        return int(self.find().fields[VECTOR]["dims"])

    def complete(self, manifest: dict[str, Any]) -> None:  # Any: JSON values
        """Counts the chunks, closes the index to writing, and marks it complete."""
        what = f"complete {self.index}"
        self.connection.request("POST", f"/{self.index}/_refresh", what=what)
        held = count(self.connection, self.index)
        if held != len(self.chunks):
            raise UserError(
                f"{self.index} holds {held} of {len(self.chunks)} chunks after all were sent: type the same command "
                "to go on"
            )
        closed = {"index": {"refresh_interval": None, "blocks": {"write": True}}}
        self.connection.request("PUT", f"/{self.index}/_settings", closed, what=what)
        self.connection.request("PUT", f"/{self.index}/_mapping", {"_meta": meta(manifest)}, what=what)

    def switch(self, serving: Generation | None) -> None:
        """Sets the name to this index, in one step that fails where another build was quicker.

        Raises:
            UserError: the name stands for another index than when the build began.
        """
        actions: list[dict[str, Any]] = [  # Any: JSON values
            # Elasticsearch lets one alias have only one index to write to: of two builds one is refused.
            {"add": {"index": self.index, "alias": self.name, "is_write_index": True}},
            {"remove": {"index": self.index, "alias": self.alias, "must_exist": False}},
        ]
        if serving is not None:
            actions.insert(0, {"remove": {"index": serving.index, "alias": self.name, "must_exist": True}})
        try:
            self.connection.request("POST", "/_aliases", {"actions": actions}, what=f"switch {self.name}")
        except Refusal as refusal:
            now = find_generation(self.connection, self.name)
            if now is None or now.index != self.index:
                raise UserError(
                    f"{PREFIX}{self.name} was built anew by somebody else meanwhile: look at it with `kinj index "
                    f"info`, or type the same command with --overwrite ({refusal})"
                ) from refusal

    def _rows_there(self) -> bytearray:
        """For each chunk 1 where the index holds it; empty where it holds none."""
        there = bytearray(len(self.chunks))
        self.connection.request("POST", f"/{self.index}/_refresh", what="show what is there")
        body: dict[str, Any] = {"size": _PAGE, "sort": [{ROW: "asc"}], "_source": False, "track_total_hits": False}
        while True:
            [hits] = search_all(self.connection, self.index, [body])
            rows = [hit["sort"][0] for hit in hits]
            for row in rows:
                there[row] = 1
            if len(rows) < _PAGE:
                return there if any(there) else bytearray()
            body["search_after"] = rows[-1:]

    def _documents(self, there: bytearray) -> Iterator[list[Document]]:
        """What is missing, by the embedder's shards: the same texts go through the model together each time."""
        from kinj.retrieval.shards import SHARD, embed

        step = SHARD if self.model else DOCUMENTS
        is_mapped = False
        for start in range(0, len(self.chunks), step):
            rows = range(start, min(start + step, len(self.chunks)))
            missing = [row for row in rows if not (there and there[row])]
            if not missing:
                continue
            sources = [source_of(self.chunks[row], row) for row in missing]
            if self.model is not None:
                vectors = embed([self.chunks[row].text for row in rows], self.model)
                if not is_mapped:
                    self._map_vectors(vectors.shape[1])
                    is_mapped = True
                for row, source in zip(missing, sources, strict=True):
                    source[VECTOR] = vectors[row - start].tolist()
            yield [as_document(self.chunks[row].id, source) for row, source in zip(missing, sources, strict=True)]

    def _map_vectors(self, dimensions: int) -> None:
        """Adds the field of the vectors, whose size is known once the first are there."""
        properties = vector_mapping((self.find().manifest or {})["vectors"], dimensions)
        self.connection.request(
            "PUT", f"/{self.index}/_mapping", {"properties": properties}, what="take vectors of this kind"
        )


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
