"""Retrieval: an index folder, and the retrievers that read it."""

from kinj.retrieval.build import build_index, collection_index
from kinj.retrieval.embedded import EmbeddedIndex, open_index
from kinj.retrieval.embedder import DEFAULT_EMBEDDER, Embedder, find_embedder
from kinj.retrieval.opening import RETRIEVERS, open_retriever
from kinj.retrieval.retriever import Retriever

__all__ = [
    "DEFAULT_EMBEDDER",
    "RETRIEVERS",
    "EmbeddedIndex",
    "Embedder",
    "Retriever",
    "build_index",
    "collection_index",
    "find_embedder",
    "open_index",
    "open_retriever",
]
