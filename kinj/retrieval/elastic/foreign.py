"""An index on Elasticsearch that somebody else built, searched as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import Chunk, Json
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import Connection
from kinj.retrieval.elastic.generations import Generation
from kinj.retrieval.elastic.patience import PermanentError
from kinj.retrieval.elastic.search import ElasticHit, count, refused_query, search_all
from kinj.retrieval.embedding.embedder import Embedder, query_vectors
from kinj.retrieval.filters import FIELDS, Filter, check_fields, check_matches
from kinj.retrieval.index import Candidate, Method, batches

#: The fewest neighbours that a search looks for, and how many it looks at in each shard.
NEIGHBOURS, NUM_CANDIDATES = 100, 500
#: What Elasticsearch gives at most in one answer, unless an index is set to more.
_WINDOW = 10_000
#: Documents fetched in one request.
_FETCHED = 1000
_WORDS = ("text", "match_only_text")
#: What is read about a document besides its text, from fields of these names.
_ABOUT = ("document_id", "title", "date", "source", "license")
_IDS_ALONE: Json = {"_source": False, "track_total_hits": False}
_WHOLE = ("keyword", "constant_keyword", "wildcard")


class ForeignIndex:
    """Somebody else's index, opened for reading. A chunk is a document, its id the document's.

    What else is known of it comes from fields named as a chunk's are, where there are any. Nothing but the server knows
    whether its content changes: the fingerprint holds what it says about that when the index is opened.
    """

    def __init__(
        self, connection: Connection, name: str, generation: Generation, text_field: str, vector_field: str | None
    ) -> None:
        self.place = PREFIX + name
        self.manifest: Json = {"kind": "foreign index", "embedder": None}
        self._connection = connection
        self._generation = generation
        self._text = text_field
        self._vector = vector_field
        self._state = _state(connection, generation)
        self._embedder: Embedder | None = None
        self._filter: Filter | None = None
        self._matching = len(self)

    def __len__(self) -> int:
        return int(self._state["documents"])

    @property
    def content(self) -> str:
        """SHA-256 over the index's UUID, document count and highest sequence number."""
        return sha256_json(self._state)

    def identity(self, methods: Sequence[Method]) -> str:
        """See `Index`."""
        content: Json = {"state": self._state, "text_field": self._text}
        if methods and self._filter is not None:
            content["filter"] = str(self._filter)
        if "dense" in methods and self._embedder is not None:
            content |= {"vector_field": self._vector, "embedder": self._embedder.sha256, "neighbours": self._neighbours}
        return sha256_json(content)

    def describe(self) -> Json:
        """See `Index`."""
        info: Json = {
            "index": self.content,
            "chunks": len(self),
            "embedder": self._embedder and self._embedder.identity,
            "back_end": {
                "name": "elasticsearch",
                "index": self._generation.index,
                "version": self._generation.version,
                "built_by": "somebody else: its fingerprint is what the server says about it, not its content",
                **self._state,
                "text_field": self._text,
            },
        }
        if self._embedder is not None:
            info["back_end"]["vector_field"] = self._vector
            info["neighbours"] = self._neighbours
        if self._filter is not None:
            info["filter"] = {"condition": str(self._filter), "chunks": self._matching}
        return info

    def rank(self, texts: Sequence[str], depth: int, methods: Sequence[Method]) -> Iterator[list[list[Candidate]]]:
        """See `Index`. Ties go by id as far down as one answer reaches, a few documents beyond `depth`."""
        vectors = query_vectors(self._embedder, texts) if "dense" in methods else repeat([], len(texts))
        bodies = (
            self._words(text, depth) if method == "bm25" else self._near(vector, depth)
            for text, vector in zip(texts, vectors, strict=True)
            for method in methods
        )
        preference = "kinj" if "dense" in methods else None
        answers = search_all(self._connection, self._generation.index, bodies, preference)
        try:
            for _ in texts:
                yield [_best(next(answers), depth) for _ in methods]
        except PermanentError as error:
            raise refused_query(error, texts, len(methods)) from error

    def chunks(self, ids: Sequence[str]) -> dict[str, Chunk]:
        """See `Index`."""
        chunks: dict[str, Chunk] = {}
        for wanted in batches(ids, _FETCHED):
            shown = {**_IDS_ALONE, "fields": [self._text, *_ABOUT]}
            body = {"query": {"ids": {"values": wanted}}, "size": len(wanted), **shown}
            [hits] = search_all(self._connection, self._generation.index, [body])
            chunks |= {hit["_id"]: self._chunk(hit) for hit in hits}
        for chunk_id in ids:
            if chunk_id not in chunks:
                raise UserError(
                    f"{self.place} has no chunk {chunk_id!r}: it was deleted while the index was read (start "
                    "the command again), or the questions came from another collection"
                )
        return chunks

    def use_embedder(self, name: str | None) -> None:
        """See `Index`."""
        from kinj.retrieval.embedding.find import find_embedder

        if self._vector is None or name is None:
            raise UserError(
                f"{self.place} was not built by kinj: dense retrieval needs vector_field=, where its vectors are, and "
                "embedder=, the model that made them"
            )
        embedder = find_embedder(name)
        size, wanted = embedder.embed_queries(["size"]).shape[1], self._field(self._vector).get("dims")
        if size != wanted:
            raise UserError(
                f"{self.place} keeps vectors of {wanted} dimensions in {self._vector}, but embedder={name} makes "
                f"{size}: name the model that made them"
            )
        self._embedder = embedder

    def use_filter(self, wanted: Filter) -> None:
        """See `Index`."""
        check_fields(wanted, {name: len(self) for name in FIELDS if self._exact(name)}, self.place)
        self._filter = wanted
        matching = count(self._connection, self._generation.index, self._allowed)
        self._matching = check_matches(wanted, matching, self.place)

    @property
    def _neighbours(self) -> Json:
        options = self._field(str(self._vector)).get("index_options", {})
        return {"search": "by the index's own options", **options, "num_candidates": NUM_CANDIDATES}

    @property
    def _allowed(self) -> list[Json]:
        clauses: list[Json] = [{"exists": {"field": self._text}}]
        if self._filter is None:
            return clauses
        clauses += [{"terms": {self._exact(field): list(values)}} for field, values in self._filter.values]
        if self._filter.days:
            ranges = [
                {"range": {self._exact("date"): {"gte": str(days.first), "lte": str(days.last)}}}
                for days in self._filter.days
            ]
            clauses.append({"bool": {"should": ranges, "minimum_should_match": 1}})
        return clauses

    def _exact(self, name: str) -> str:
        """The field by which a filter compares the whole value; empty where the index has none."""
        field = self._field(name)
        if name == "date":
            return name if field.get("type") in ("date", "date_nanos") else ""
        if field.get("type") in _WHOLE:
            return name
        subfields = [subfield for subfield, mapping in field.get("fields", {}).items() if mapping.get("type") in _WHOLE]
        return f"{name}.{subfields[0]}" if subfields else ""

    def _field(self, path: str) -> Json:
        return find_field(self._generation.fields, path)

    def _words(self, text: str, depth: int) -> Json:
        query = {"bool": {"must": {"match": {self._text: text}}, "filter": self._allowed}}
        return {"query": query, "size": self._size(depth), **_IDS_ALONE}

    def _near(self, vector: list[float], depth: int) -> Json:
        size = self._size(depth)
        k = max(size, NEIGHBOURS)
        nearest = {"field": self._vector, "query_vector": vector, "k": k, "num_candidates": max(k, NUM_CANDIDATES)}
        return {"query": {"knn": {**nearest, "filter": self._allowed}}, "size": size, **_IDS_ALONE}

    def _size(self, depth: int) -> int:
        return min(depth + NEIGHBOURS, _WINDOW)

    def _chunk(self, hit: ElasticHit) -> Chunk:
        values = hit["fields"]
        text = "\n".join(map(str, values[self._text]))
        of = {name: str(values[name][0]) if values.get(name) else "" for name in _ABOUT}
        of["document_id"] = of["document_id"] or hit["_id"]
        of["date"] = of["date"][:10]
        return Chunk.from_json({"id": hit["_id"], "text": text, "start": 0, "end": len(text), **of})


def _best(hits: Sequence[ElasticHit], depth: int) -> list[Candidate]:
    best = sorted(hits, key=lambda hit: (-hit["_score"], hit["_id"]))[:depth]
    return [Candidate(hit["_id"], float(hit["_score"])) for hit in best]


def open_foreign_index(
    connection: Connection, name: str, generation: Generation, text_field: str | None, vector_field: str | None
) -> ForeignIndex:
    """The index, its fields checked.

    Raises:
        UserError: no `text_field`, or one that is not of text; a `vector_field` that holds no vectors to search in.
    """
    place = PREFIX + name
    texts = _fields_of(generation.fields, _WORDS)
    if text_field not in texts:
        mistake = "" if text_field is None else f", and {text_field!r} is no field of text there"
        raise UserError(
            f"{place} was not built by kinj{mistake}: say by text_field= where its texts are; there are: "
            f"{', '.join(texts) or 'none'}"
        )
    if any("filter" in settings for alias, settings in generation.aliases.items() if alias == name):
        raise UserError(f"{place} is an alias with a filter of its own: name the index behind it, {generation.index}")
    vectors = _fields_of(generation.fields, ("dense_vector",))
    if vector_field is not None and vector_field not in vectors:
        there = ", ".join(vectors) or "none"
        raise UserError(f"{place}: vector_field={vector_field} is no field of vectors; there are: {there}")
    mapping = find_field(generation.fields, vector_field or "")
    if vector_field is not None and (kind := mapping.get("element_type")) in ("byte", "bit"):
        raise UserError(
            f"{place}: vector_field={vector_field} keeps whole numbers ({kind}), and embedders make others: name a "
            "field of element_type float or bfloat16"
        )
    if vector_field is not None and mapping.get("index") is False:
        raise UserError(f"{place}: the vectors in vector_field={vector_field} are not indexed, so nothing finds them")
    return ForeignIndex(connection, name, generation, text_field, vector_field)


def find_field(fields: Json, path: str) -> Json:
    """What a mapping says about the field of that dotted path; empty where there is none."""
    mapping: Json = {"properties": fields}
    for name in path.split("."):
        mapping = mapping.get("properties", {}).get(name, {})
    return mapping


def _fields_of(fields: Json, types: Sequence[str], prefix: str = "") -> list[str]:
    paths = []
    for name, mapping in fields.items():
        if mapping.get("type") in types:
            paths.append(prefix + name)
        paths += _fields_of(mapping.get("properties", {}), types, f"{prefix}{name}.")
    return paths


def _state(connection: Connection, generation: Generation) -> Json:
    """What tells the index's content as far as the server knows it."""
    what = "give the state of the index"
    patience = connection.patience(what)
    while True:
        answer = connection.request(
            "GET", f"/{generation.index}/_stats/docs", what=what, patience=patience, level="shards"
        )
        copies = answer["indices"].get(generation.index, {}).get("shards", {})
        primaries = [copy for of_shard in copies.values() for copy in of_shard if copy["routing"]["primary"]]
        if len(primaries) == generation.shards:
            return {
                "uuid": generation.uuid,
                "documents": sum(copy["docs"]["count"] for copy in primaries),
                "highest_sequence_number": max(copy["seq_no"]["max_seq_no"] for copy in primaries),
            }
        patience.wait(f"{len(primaries)} of {generation.shards} shards are there")
