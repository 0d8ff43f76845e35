"""The steps of one build on Elasticsearch: make the index, fill it, complete it, switch its name to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from kinj.errors import UserError
from kinj.progress import progress
from kinj.records import Chunk, Json
from kinj.retrieval.changes import Known
from kinj.retrieval.chunkfile import SortedChunks
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.bulk import DOCUMENTS, BulkItem, as_item, send_all
from kinj.retrieval.elastic.connection import Connection
from kinj.retrieval.elastic.generations import Generation, find_generation, meta
from kinj.retrieval.elastic.mapping import ROW, VECTOR, index_settings, source_of, vector_mapping
from kinj.retrieval.elastic.patience import PermanentError
from kinj.retrieval.elastic.search import count, search_all
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.index import batches
from kinj.retrieval.languages import Languages

log = logging.getLogger(__name__)

_PAGE = 10_000
_OVERTAKEN = ("cluster_block_exception", "index_not_found_exception")
#: How long the nodes may take to start a new index's shards.
SHARD_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ElasticBuild:
    """One build under way."""

    connection: Connection
    name: str
    #: the name under which it is written
    index: str
    chunks: SortedChunks
    languages: Languages
    model: Embedder | None
    #: gives vectors that need not be made
    known: Known | None = None

    @property
    def alias(self) -> str:
        """Stands for the index while it is built: what is sent to it never makes an index anew."""
        return f"{self.index}-building"

    def run(self, manifest: Json, serving: Generation | None) -> None:
        """All steps in their order.

        Args:
            manifest: of the unfinished index; what is known of it at the end is added.
            serving: the index that the name stands for when the build begins, or None.
        """
        self.create(manifest)
        self.fill()
        if self.model is not None:
            manifest = {**manifest, "embedder": self.model.describe(self.chunks.texts(), self.dimensions())}
        self.complete({**manifest, "state": "complete"})
        self.switch(serving)

    def find(self) -> Generation:
        """The index as it is now."""
        generation = find_generation(self.connection, self.index)
        if generation is None or generation.manifest is None:
            raise UserError(f"{self.index} is gone: another build of {PREFIX}{self.name} removed it; start again")
        return generation

    def create(self, manifest: Json) -> None:
        """Makes the empty index; one that an earlier build of the same chunks left is used as it is.

        Raises:
            UserError: no node has room for it.
        """
        if find_generation(self.connection, self.index) is None:
            body = {**index_settings(len(self.chunks), manifest), "aliases": {self.alias: {}}}
            what, limit = f"make the index {self.index}", f"{SHARD_SECONDS}s"
            try:
                made = self.connection.request("PUT", f"/{self.index}", body, what=what, timeout=limit)
            except PermanentError as error:
                if error.kind != "resource_already_exists_exception":
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
                for count in send_all(self.connection, self.alias, self._items(there)):
                    advance(count)
            except PermanentError as error:
                # A quicker build of the same chunks has closed the index, or removed the alias too: all is there.
                if error.kind not in _OVERTAKEN or not self.find().is_complete:
                    raise

    def dimensions(self) -> int:
        """Of the vectors that it holds."""
        return int(self.find().fields[VECTOR]["dims"])

    def complete(self, manifest: Json) -> None:
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
        actions: list[Json] = [
            # Elasticsearch lets one alias have only one index to write to: of two builds one is refused.
            {"add": {"index": self.index, "alias": self.name, "is_write_index": True}},
            {"remove": {"index": self.index, "alias": self.alias, "must_exist": False}},
        ]
        if serving is not None:
            actions.insert(0, {"remove": {"index": serving.index, "alias": self.name, "must_exist": True}})
        try:
            self.connection.request("POST", "/_aliases", {"actions": actions}, what=f"switch {self.name}")
        except PermanentError as error:
            now = find_generation(self.connection, self.name)
            if now is None or now.index != self.index:
                raise UserError(
                    f"{PREFIX}{self.name} was built anew by somebody else meanwhile: look at it with `kinj index "
                    f"info`, or type the same command with --overwrite ({error})"
                ) from error

    def _rows_there(self) -> bytearray:
        """For each chunk 1 where the index holds it; empty where it holds none."""
        there = bytearray(len(self.chunks))
        self.connection.request("POST", f"/{self.index}/_refresh", what="show what is there")
        body: Json = {"size": _PAGE, "sort": [{ROW: "asc"}], "_source": False, "track_total_hits": False}
        while True:
            [hits] = search_all(self.connection, self.index, [body])
            rows = [hit["sort"][0] for hit in hits]
            for row in rows:
                there[row] = 1
            if len(rows) < _PAGE:
                return there if any(there) else bytearray()
            body["search_after"] = rows[-1:]

    def _items(self, there: bytearray) -> Iterator[list[BulkItem]]:
        """What is missing, by the embedder's shards: the same texts go through the model together each time."""
        from kinj.retrieval.embedding.shards import SHARD, embed

        size = SHARD if self.model else DOCUMENTS
        is_mapped = False
        start = 0
        for batch in batches(self.chunks, size):
            missing = [i for i in range(len(batch)) if not (there and there[start + i])]
            sources = [source_of(batch[i], start + i, self._terms(batch[i], start + i)) for i in missing]
            if missing and self.model is not None:
                vectors = embed([chunk.searched_text for chunk in batch], self.model, self.known)
                if not is_mapped:
                    self._map_vectors(vectors.shape[1])
                    is_mapped = True
                for i, source in zip(missing, sources, strict=True):
                    source[VECTOR] = vectors[i].tolist()
            if missing:
                yield [as_item(batch[i].id, source) for i, source in zip(missing, sources, strict=True)]
            start += len(batch)

    def _terms(self, chunk: Chunk, row: int) -> str | None:
        """By which the chunk is found; None where Elasticsearch makes them."""
        analysis = self.languages.analysis
        return None if analysis.is_plain else analysis.of_chunk(chunk.searched_text, self.languages.of_row(row))

    def _map_vectors(self, dimensions: int) -> None:
        """Adds the field of the vectors, whose size is known once the first are there."""
        properties = vector_mapping((self.find().manifest or {})["vectors"], dimensions)
        self.connection.request(
            "PUT", f"/{self.index}/_mapping", {"properties": properties}, what="take vectors of this kind"
        )
