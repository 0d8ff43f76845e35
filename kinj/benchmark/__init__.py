"""Benchmarks: documents, their chunks, and the questions about them, in one folder (docs/format.md)."""

from kinj.benchmark.collection import Benchmark, Source, open_benchmark
from kinj.benchmark.place import (
    FORM_FILES,
    QUESTION_FILES,
    BenchmarkIdentity,
    collection_folder,
    find_registered,
    register,
    shipped_collections,
)

__all__ = [
    "FORM_FILES",
    "QUESTION_FILES",
    "Benchmark",
    "BenchmarkIdentity",
    "Source",
    "collection_folder",
    "find_registered",
    "open_benchmark",
    "register",
    "shipped_collections",
]
