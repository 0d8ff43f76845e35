"""Benchmarks: documents, their chunks, and the questions about them, in one folder (docs/format.md)."""

from kinj.benchmark.collection import Benchmark, Source, open_benchmark
from kinj.benchmark.place import collection_folder, shipped_collections

__all__ = ["Benchmark", "Source", "collection_folder", "open_benchmark", "shipped_collections"]
