"""An index on Elasticsearch that kinj built."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Chunk, Json
from kinj.retrieval.analysis import Analysis, composed, read_analysis
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import Connection
from kinj.retrieval.elastic.generations import Generation, builds_of
from kinj.retrieval.elastic.mapping import CHUNK_FIELDS, DAY, EXACT_CHUNKS, FORMAT, ROW, TERMS, TEXT, VECTOR, chunk_of
from kinj.retrieval.elastic.patience import PermanentError
from kinj.retrieval.elastic.search import ElasticHit, count, refused_query, search_all
from kinj.retrieval.embedding.embedder import Embedder, query_vectors
from kinj.retrieval.filters import Filter, check_fields, check_matches, number_of
from kinj.retrieval.index import Candidate, Method, batches, no_chunk, rebuild

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

log = logging.getLogger(__name__)

#: The fewest neighbours that an approximate search looks for, whatever k: so the best 3 of k=3 are the first 3 of k=10.
NEIGHBOURS = 100
#: Chunks fetched in one request.
_FETCHED = 1000
_BY_SCORE_THEN_ID = [{"_score": "desc"}, {ROW: "asc"}]


class ElasticIndex:
    """An index on a cluster, opened for reading. `open_elastic_index` makes one.

    It is read under its own name, not under the alias: a newer build that replaces it never mixes with it.
    """

    def __init__(self, connection: Connection, name: str, generation: Generation) -> None:
        if generation.manifest is None:
            raise ValueError(f"{generation.index} was not built by kinj")
        self.place = PREFIX + name
        self.manifest = generation.manifest
        self._analysis = read_analysis(self.manifest["analysis"]) or Analysis()
        self._connection = connection
        self._generation = generation
        self._filter: Filter | None = None
        self._matching = len(self)
        self._embedder: Embedder | None = None

    def __len__(self) -> int:
        return int(self.manifest["chunks"]["count"])

    @property
    def content(self) -> str:
        """SHA-256 of the chunks: the same for the same chunks, on whatever back end."""
        return str(self.manifest["chunks"]["sha256"])

    def identity(self, methods: Sequence[Method]) -> str:
        """See `Index`. A graph of neighbours is drawn anew with each build, so what it finds belongs to one build."""
        content: Json = {"chunks": self.content}
        if methods:
            content["back_end"] = {"name": "elasticsearch", "version": self._generation.version}
            content["filter"] = str(self._filter) if self._filter else None
        if "bm25" in methods:
            content["analysis"] = self.manifest["analysis"]
        if "dense" in methods:
            content["embedder"] = self.manifest["embedder"]["sha256"]
            content["neighbours"] = self._neighbours
            if not self._is_exact:
                content["uuid"] = self._generation.uuid
        return sha256_json(content)

    def describe(self) -> Json:
        """See `Index`."""
        info: Json = {
            "index": self.content,
            "chunks": len(self),
            "embedder": self.manifest["embedder"],
            "back_end": {
                "name": "elasticsearch",
                "index": self._generation.index,
                "uuid": self._generation.uuid,
                "version": self._generation.version,
            },
        }
        if self._embedder is not None:
            info["neighbours"] = self._neighbours
        if self._filter is not None:
            info["filter"] = {"condition": str(self._filter), "chunks": self._matching}
        return info

    def rank(self, texts: Sequence[str], depth: int, methods: Sequence[Method]) -> Iterator[list[list[Candidate]]]:
        """See `Index`."""
        vectors = query_vectors(self._embedder, texts) if "dense" in methods else repeat([], len(texts))
        bodies = (
            self._words(text, depth) if method == "bm25" else self._near(vector, depth)
            for text, vector in zip(texts, vectors, strict=True)
            for method in methods
        )
        approximate = "dense" in methods and not self._is_exact
        # Copies of a shard have graphs of their own: one copy for all keeps the answers of a run alike.
        answers = search_all(self._connection, self._generation.index, bodies, "kinj" if approximate else None)
        try:
            for _ in texts:
                yield [self._candidates(next(answers), method) for method in methods]
        except PermanentError as error:
            raise refused_query(error, texts, len(methods)) from error

    def chunks(self, ids: Sequence[str]) -> dict[str, Chunk]:
        """See `Index`."""
        wanted = list(dict.fromkeys(ids))
        chunks: dict[str, Chunk] = {}
        for batch in batches(wanted, _FETCHED):
            body = {**self._search({"ids": {"values": batch}}, len(batch)), "_source": list(CHUNK_FIELDS)}
            [hits] = search_all(self._connection, self._generation.index, [body])
            chunks |= {hit["_id"]: chunk_of(hit["_source"]) for hit in hits}
        for chunk_id in wanted:
            if chunk_id not in chunks:
                raise no_chunk(self.place, chunk_id)
        return chunks

    def all_chunks(self) -> Iterator[Chunk]:
        """Yields all chunks in the order of their ids, which is that of rows."""
        for rows in batches(range(len(self)), _FETCHED):
            body = {**self._rows(rows), "_source": list(CHUNK_FIELDS)}
            [hits] = search_all(self._connection, self._generation.index, [body])
            yield from (chunk_of(hit["_source"]) for hit in hits)

    def vectors_of(self, rows: Sequence[int]) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the vectors of those rows, in their order."""
        import numpy as np

        vectors: dict[int, npt.NDArray[np.float32]] = {}
        for some in batches(rows, _FETCHED):
            [hits] = search_all(self._connection, self._generation.index, [{**self._rows(some), "fields": [VECTOR]}])
            vectors |= {hit["sort"][0]: np.array(hit["fields"][VECTOR], dtype=np.float32) for hit in hits}
        return (vectors[row] for row in rows)

    def use_embedder(self, name: str | None) -> None:
        """See `Index`."""
        from kinj.retrieval.embedding.find import find_embedder_of

        self._embedder = find_embedder_of(self.place, self.manifest, name)

    def use_filter(self, wanted: Filter) -> None:
        """See `Index`."""
        check_fields(wanted, self.manifest["fields"], self.place)
        matching = count(self._connection, self._generation.index, _conditions(wanted))
        self._matching = check_matches(wanted, matching, self.place)
        self._filter = wanted

    def _rows(self, rows: Sequence[int]) -> Json:
        query = {"terms": {ROW: list(rows)}}
        return {"query": query, "size": len(rows), "sort": [{ROW: "asc"}], "_source": False, "track_total_hits": False}

    @property
    def _is_exact(self) -> bool:
        return self.manifest["vectors"]["type"] == "flat" or self._matching <= EXACT_CHUNKS

    @property
    def _neighbours(self) -> Json:
        """How nearest neighbours are found."""
        if self._is_exact:
            return {"search": "exact"}
        return {"search": "approximate", **self.manifest["vectors"]}

    def _words(self, text: str, depth: int) -> Json:
        plain = self._analysis.is_plain
        wanted = {TEXT: composed(text)} if plain else {TERMS: " ".join(self._analysis.of_query(text))}
        return self._search({"bool": {"must": {"match": wanted}, "filter": self._allowed}}, depth)

    def _near(self, vector: list[float], depth: int) -> Json:
        if self._is_exact:
            compare = {"source": f"dotProduct(params.query, '{VECTOR}') + 1.0", "params": {"query": vector}}
            every = {"bool": {"filter": self._allowed}} if self._allowed else {"match_all": {}}
            return self._search({"script_score": {"query": every, "script": compare}}, depth)
        k = max(depth, NEIGHBOURS)
        candidates = max(k, int(self.manifest["vectors"]["num_candidates"]))
        nearest = {"field": VECTOR, "query_vector": vector, "k": k, "num_candidates": candidates}
        return self._search({"knn": {**nearest, "filter": self._allowed}}, depth)

    def _search(self, query: Json, depth: int) -> Json:
        size = min(depth, len(self))
        return {
            "query": query,
            "size": size,
            "sort": _BY_SCORE_THEN_ID,
            "_source": False,
            "track_total_hits": False,
        }

    @property
    def _allowed(self) -> list[Json]:
        return _conditions(self._filter) if self._filter else []

    def _candidates(self, hits: Sequence[ElasticHit], method: Method) -> list[Candidate]:
        def score(hit: ElasticHit) -> float:
            raw = float(hit["sort"][0])
            if method == "bm25":
                return raw
            return raw - 1 if self._is_exact else 2 * raw - 1  # back to the inner product

        return [Candidate(hit["_id"], score(hit)) for hit in hits]


def open_elastic_index(connection: Connection, name: str, generation: Generation) -> ElasticIndex:
    """The index that kinj built, checked: complete, of this format and analysis, and with all its chunks.

    Raises:
        UserError: it is none of that; the message ends with the command that builds it.
    """
    place, manifest = PREFIX + name, generation.manifest or {}
    if not generation.is_complete:
        raise UserError(f"{place} is unfinished; {rebuild(place, manifest)}")
    if manifest["format"] != FORMAT or read_analysis(manifest["analysis"]) is None:
        raise UserError(f"{place} was written by another version of kinj; {rebuild(place, manifest)}")
    index = ElasticIndex(connection, name, generation)
    held = count(connection, generation.index)
    if held != len(index):
        raise UserError(f"{place} holds {held} chunks but was built with {len(index)}; {rebuild(place, manifest)}")
    return index


def missing(connection: Connection, name: str) -> UserError:
    """The error for a name that no index has; says so where a build of it is unfinished."""
    place = PREFIX + name
    for build in builds_of(connection, name):
        if build.manifest is not None and not build.is_complete:
            command = rebuild(place, build.manifest).removesuffix(" --overwrite")
            return UserError(f"{place} is not there yet, its build is unfinished; {command}")
    return UserError(f"{place} does not exist on Elasticsearch at {connection.address}; {rebuild(place)}")


def _conditions(wanted: Filter) -> list[Json]:
    """The filter as Elasticsearch's clauses, which leave the scores as they are."""
    clauses: list[Json] = [{"terms": {field: list(values)}} for field, values in wanted.values]
    if wanted.days:
        ranges = [{"range": {DAY: {"gte": number_of(one.first), "lte": number_of(one.last)}}} for one in wanted.days]
        clauses.append({"bool": {"should": ranges, "minimum_should_match": 1}})
    return clauses
