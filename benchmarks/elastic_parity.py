"""Do the two back ends find the same? The embedded index against Elasticsearch, on the same chunks and queries.

    export ELASTICSEARCH_URL=http://127.0.0.1:9200
    python benchmarks/elastic_parity.py

Two collections: the current-events one with its own questions, and the textbooks of --corpus with MMLU's questions of
five subjects, asked alone and with their options. Compared are the top k of BM25, of exact dense search and of hybrid,
and the approximate dense search of `int8_hnsw` and `bbq_hnsw` with the exact one. Ends with an error where BM25 or
hybrid overlap in fewer places than --limit, or an exact dense search gives passages not tied to the sixth decimal.

Vectors come from the embedded index, so both sides compare the same numbers. What was made on the cluster is removed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from cluster import removed_after
from corpus import add_data_options, corpus_index, embedded_already, mmlu_questions, vectors_by_text
from rich.console import Console
from rich.table import Table

from kinj.benchmark import collection_folder, open_benchmark
from kinj.corpus.inputs import read_chunks
from kinj.records import Passage, Query
from kinj.retrieval import DEFAULT_EMBEDDER, build_elastic_index, collection_index, open_retriever
from kinj.retrieval.elastic import index as elastic_index
from kinj.retrieval.elastic.mapping import GRAPH_NUMBERS
from kinj.retrieval.local.index import CHUNKS

#: Exact scores that differ by less are a tie that rounding broke: two sums of 384 products in another order.
TIED = 1e-6
NAME = "kinj-benchmark-parity"
Found = list[list[Passage]]


@dataclass(frozen=True, slots=True)
class Case:
    """A collection, indexed in a folder, and what it is asked."""

    name: str
    folder: Path
    asked: dict[str, list[Query]]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far two rankings of the same queries agree."""

    #: of all places that both or one of them fill
    places: float
    #: queries whose passages and their order are the same
    same: float
    #: queries that differ by more than the order of passages tied to the sixth decimal
    beyond_ties: int

    def __str__(self) -> str:
        return f"{self.places:.2%}"


def overlap(ours: Found, theirs: Found) -> Overlap:
    """Compares the passages of each query, wherever in its ranking they stand."""
    shared = wanted = same = beyond = 0
    for mine, other in zip(ours, theirs, strict=True):
        ids, other_ids = [p.chunk_id for p in mine], [p.chunk_id for p in other]
        shared += len(set(ids) & set(other_ids))
        wanted += max(len(ids), len(other_ids))
        same += ids == other_ids
        scores = [abs(p.score - q.score) for p, q in zip(mine, other, strict=False)]
        beyond += len(ids) != len(other_ids) or any(score > TIED for score in scores)
    return Overlap(shared / wanted, same / len(ours), beyond)


def found(retriever: str, index: str | Path, queries: Sequence[Query], k: int) -> Found:
    """The passages of each query."""
    return open_retriever(retriever, index=index).search(queries, k)


def build(case: Case, name: str, vectors: str | None) -> str:
    """The same chunks on the cluster, with the same vectors."""
    chunks = list(read_chunks([case.folder / CHUNKS]))
    build_elastic_index(chunks, name, DEFAULT_EMBEDDER, overwrite=True, vectors=vectors)
    return f"elasticsearch:{name}"


def compare_exact(case: Case, k: int, table: Table, limit: float) -> list[str]:
    """Adds a row for each retriever and each way to ask; returns what is below the limit."""
    wrong = []
    with removed_after(NAME):
        index = build(case, NAME, None)
        for way, queries in case.asked.items():
            for retriever in ("bm25", "dense", "hybrid"):
                result = overlap(found(retriever, case.folder, queries, k), found(retriever, index, queries, k))
                what = f"{case.name}, {way}: {retriever}"
                table.add_row(what, str(len(queries)), str(result), f"{result.same:.2%}")
                if retriever == "dense" and result.beyond_ties:
                    wrong.append(f"{what}: {result.beyond_ties} queries get other passages")
                elif retriever != "dense" and result.places < limit:
                    wrong.append(f"{what}: {result} of places, wanted {limit:.0%}")
    return wrong


def compare_approximate(case: Case, k: int, table: Table) -> None:
    """Adds the recall of each kind of graph."""
    for kind in ("int8_hnsw", "bbq_hnsw"):
        # A collection of this size is searched exactly, whatever its graph; here the graph itself is looked at.
        with removed_after(NAME), patch.object(elastic_index, "EXACT_CHUNKS", 0):
            index = build(case, NAME, kind)
            for way, queries in case.asked.items():
                result = overlap(found("dense", case.folder, queries, k), found("dense", index, queries, k))
                said = f"{kind}, {GRAPH_NUMBERS['num_candidates']} candidates"
                table.add_row(f"{case.name}, {way}: {said}", str(len(queries)), str(result), f"{result.same:.2%}")


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Both collections."""
    folder = collection_folder("current_events")
    benchmark = open_benchmark(folder)
    questions = [q for split in ("test", "dev") for q in benchmark.part(split).questions]
    asked = {"its questions": [Query(q.question, q.chunk_ids, q.id) for q in questions]}
    yield Case("current_events", collection_index(folder, DEFAULT_EMBEDDER), asked)
    asked = {
        "MMLU's questions": mmlu_questions(options.mmlu_dir),
        "with options": mmlu_questions(options.mmlu_dir, with_options=True),
    }
    yield Case("corpus", corpus_index(options.corpus), asked)


def main() -> None:
    """Compares everything and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", type=int, default=5, help="passages of each query (5)")
    parser.add_argument("--limit", type=float, default=0.98, help="share of places that must be the same (0.98)")
    add_data_options(parser)
    options = parser.parse_args()
    table = Table("collection, queries: search", "queries", f"same of the top {options.k}", "same order too")
    wrong = []
    for case in cases(options):
        with embedded_already(vectors_by_text(case.folder)):
            wrong += compare_exact(case, options.k, table, options.limit)
            compare_approximate(case, options.k, table)
        Console(width=120).print(table)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
