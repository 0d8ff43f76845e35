"""What an index of kinj's looks like on Elasticsearch: its settings, its fields, a chunk as a document."""

from __future__ import annotations

from kinj.errors import UserError
from kinj.records import Chunk, Json
from kinj.retrieval.analysis import STOP_WORDS, read_analysis
from kinj.retrieval.elastic.generations import meta
from kinj.retrieval.filters import day_of

#: Changes when an index written by older code must not be read by newer code.
FORMAT = 1
#: Up to so many chunks every vector is compared: exact, and fast enough (one core: 570 queries a second at 17,255
#: vectors of 384 numbers, 41 at 200,000).
EXACT_CHUNKS = 50_000
#: How vectors may be kept: compared one by one, or in a graph, whole or quantised.
VECTOR_TYPES = ("flat", "hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw")
#: For collections too large to compare every vector: it finds what the others find and its vectors take least memory
#: (docs/elasticsearch.md, Measured).
GRAPH = "bbq_hnsw"
#: Of a quantised graph so many times k neighbours are compared again with their whole vectors. Stated, since what
#: Elasticsearch does by itself differs between versions.
OVERSAMPLE = 3
#: Lucene's own defaults for the graph, and how many neighbours a search looks at in each shard.
GRAPH_NUMBERS = {"m": 16, "ef_construction": 100, "num_candidates": 500}
#: Where in the index a chunk's text and vector are, and its place in the order of ids, which breaks ties.
TEXT, VECTOR, ROW, DAY = "text", "vector", "row", "day"
CHUNK_FIELDS = (
    *("id", "document_id", "text", "start", "end", "title", "date", "subject", "source", "license"),
    *("headings", "table_header", "page", "language"),
)
#: What is searched besides the text: a chunk's context.
CONTEXT = "context"
#: The terms of a chunk that is not of English alone, made by `kinj.retrieval.analysis`.
TERMS = "terms"


def vector_options(kind: str | None, chunks: int, **numbers: int | None) -> Json:
    """How vectors are kept and looked for: the type, and for a graph its numbers (`GRAPH_NUMBERS`, `OVERSAMPLE`).

    Raises:
        UserError: no such type, a number below 1, or one given where there is no graph.
    """
    chosen = kind or ("flat" if chunks <= EXACT_CHUNKS else GRAPH)
    if chosen not in VECTOR_TYPES:
        raise UserError(f"vectors={chosen}: must be one of {', '.join(VECTOR_TYPES)}")
    settings = {name: at_least_one(name, number) for name, number in numbers.items() if number is not None}
    if chosen == "flat":
        if settings:
            raise UserError(f"{next(iter(settings))}: only for a graph, and these vectors are kept flat; set vectors=")
        return {"type": chosen}
    rescored = {} if chosen == "hnsw" else {"oversample": OVERSAMPLE}
    return {"type": chosen, **GRAPH_NUMBERS, **rescored, **settings}


def at_least_one(name: str, number: int) -> int:
    """The number, refused below 1."""
    if number < 1:
        raise UserError(f"{name}={number}: must be at least 1")
    return number


def vector_mapping(options: Json, dimensions: int) -> Json:
    """The field of the vectors, whose size is known once the first are there."""
    kept = {name: value for name, value in options.items() if name in ("type", "m", "ef_construction")}
    if "oversample" in options:
        kept["rescore_vector"] = {"oversample": options["oversample"]}
    field = {"type": "dense_vector", "dims": dimensions, "similarity": "dot_product", "index_options": kept}
    return {VECTOR: field}


def index_settings(count: int, manifest: Json) -> Json:
    """Settings and mapping, with the analysis that `kinj.retrieval.analysis.ANALYSIS` describes.

    An index that is not of English alone keeps terms that are made already, in a field of their own.
    """
    own_analysis = read_analysis(manifest["analysis"])
    is_plain = own_analysis is None or own_analysis.is_plain
    analysis = {
        "tokenizer": {"kinj_words": {"type": "pattern", "pattern": r"[^\p{IsAlphabetic}\p{N}]+"}},
        "filter": {
            "kinj_stop": {"type": "stop", "stopwords": list(STOP_WORDS)},
            "kinj_stem": {"type": "stemmer", "language": "porter2"},
        },
        "analyzer": {
            "kinj_english": {"tokenizer": "kinj_words", "filter": ["lowercase", "kinj_stop", "kinj_stem"]},
            "kinj_terms": {"tokenizer": "whitespace"},
        },
    }
    settings = {
        "number_of_shards": manifest["shards"],
        # A copy of each shard where the cluster has a second node, so that losing one loses nothing.
        "auto_expand_replicas": "0-1",
        "refresh_interval": -1,
        "max_result_window": max(10_000, count),
        "analysis": analysis,
        "similarity": {"kinj_bm25": {"type": "BM25", "k1": 1.2, "b": 0.75}},
    }
    kept = {"type": "integer", "index": False}
    searched = {"type": "text", "similarity": "kinj_bm25", "index_options": "freqs"}
    unsearched = {"type": "keyword", "index": False, "doc_values": False}
    properties = {
        "id": {"type": "keyword", "index": False, "doc_values": False},
        **{name: {"type": "keyword"} for name in ("document_id", "title", "subject", "source")},
        **{name: unsearched for name in ("date", "license", "headings", "table_header", "page", "language")},
        # Its words count as the text's, while the text itself stays the exact slice.
        **({CONTEXT: {**unsearched, "copy_to": TEXT}} if is_plain else {}),
        TEXT: {**searched, "analyzer": "kinj_english"} if is_plain else {"type": "text", "index": False},
        **({} if is_plain else {TERMS: {**searched, "analyzer": "kinj_terms"}}),
        "start": {**kept, "doc_values": False},
        "end": {**kept, "doc_values": False},
        ROW: {"type": "integer"},
        DAY: {"type": "integer"},
    }
    return {"settings": settings, "mappings": {"_meta": meta(manifest), "dynamic": "strict", "properties": properties}}


def source_of(chunk: Chunk, row: int, terms: str | None) -> Json:
    """The document of a chunk; empty fields are left out, so that no filter meets them.

    Args:
        chunk: what it is made of.
        row: the chunk's place in the order of ids.
        terms: by which it is found; None where Elasticsearch analyses the text, and the context above it.
    """
    named = (*CHUNK_FIELDS, CONTEXT) if terms is None else CHUNK_FIELDS
    values = {name: value for name in named if (value := getattr(chunk, name)) not in ("", ())}
    if terms is not None:
        values[TERMS] = terms
    day = day_of(chunk.date)
    return {**values, ROW: row, **({DAY: day} if day is not None else {})}


def chunk_of(source: Json) -> Chunk:
    """The chunk that `source_of` made a document of."""
    return Chunk.from_json({field: source[field] for field in CHUNK_FIELDS if field in source})
