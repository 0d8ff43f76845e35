"""Retrieval: an index, in a folder or on a cluster, and the retrievers that read it."""

from kinj.retrieval.elastic.build import build_elastic_index
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.embedding.find import DEFAULT_EMBEDDER, find_embedder
from kinj.retrieval.filters import parse_filter
from kinj.retrieval.index import Index
from kinj.retrieval.local.build import build_index, collection_index
from kinj.retrieval.local.index import LocalIndex
from kinj.retrieval.opening import RETRIEVERS, open_index, open_retriever
from kinj.retrieval.retriever import Retriever

__all__ = [
    "DEFAULT_EMBEDDER",
    "RETRIEVERS",
    "Embedder",
    "Index",
    "LocalIndex",
    "Retriever",
    "build_elastic_index",
    "build_index",
    "collection_index",
    "find_embedder",
    "open_index",
    "open_retriever",
    "parse_filter",
]
