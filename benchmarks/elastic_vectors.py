"""Dense search on Elasticsearch by kind of index: what each costs, how much each finds, against exact FAISS in one run.

    export ELASTICSEARCH_URL=http://127.0.0.1:9200
    python benchmarks/elastic_vectors.py                      # the corpus's own vectors, MMLU's questions: with recall
    python benchmarks/elastic_vectors.py --synthetic 200000   # random vectors: THROUGHPUT AND MEMORY ONLY

`flat` is searched exactly, as kinj does for small collections; graphs as it does for large ones, whatever the size.
Recall is the share of the exact search's best 10 that are found. Random vectors have no neighbours worth the name, so
with --synthetic it is not shown. CPU seconds are those of this process and of the server together, CPU ms those of one
query. "/ FAISS" is queries a second against FAISS's, "FAISS /" FAISS's CPU time against this: above 1, this is faster.
Parts are Lucene's segments.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cluster import Cost, memory, removed_after, server_memory, size_on_cluster, timed
from corpus import Floats, add_data_options, corpus_index, embedded_already, mmlu_questions, vectors_of
from rich.console import Console
from rich.table import Table

from kinj.corpus.inputs import read_chunks
from kinj.records import Chunk
from kinj.retrieval import DEFAULT_EMBEDDER, build_elastic_index, find_embedder
from kinj.retrieval.elastic import index as elastic_index
from kinj.retrieval.elastic.mapping import VECTOR_TYPES
from kinj.retrieval.local.index import CHUNKS
from kinj.retrieval.local.vectors import Vectors, write_vectors

K = 10
NAME = "kinj-benchmark-vectors"
DIMENSIONS = 384
WIDTH = 150


@dataclass(frozen=True, slots=True)
class Case:
    """Chunks and queries with their vectors."""

    chunks: list[Chunk]
    vectors: Floats
    queries: dict[str, Floats]
    is_synthetic: bool


def real(corpus: Path, mmlu: Path, count: int) -> Case:
    """The embedded corpus, in the order of its ids, and questions evenly from all of MMLU's."""
    folder = corpus_index(corpus)
    questions = mmlu_questions(mmlu)
    texts = [questions[int(i * len(questions) / count)].text for i in range(count)]
    asked = dict(zip(texts, find_embedder(DEFAULT_EMBEDDER).embed_queries(texts), strict=True))
    return Case(list(read_chunks([folder / CHUNKS])), vectors_of(folder), asked, is_synthetic=False)


def synthetic(size: int, count: int, seed: int) -> Case:
    """Random vectors of length 1, each of a chunk of its own."""
    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((size + count, DIMENSIONS), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    texts = [f"chunk {row}" for row in range(size)]
    chunks = [Chunk(f"c{row:07d}", f"c{row:07d}", text, 0, len(text)) for row, text in enumerate(texts)]
    asked = {f"query {row}": rows[size + row] for row in range(count)}
    return Case(chunks, rows[:size], asked, is_synthetic=True)


def exact(case: Case, repeats: int, table: Table) -> tuple[list[set[int]], Cost]:
    """The rows that FAISS finds for each query, and what its search takes; adds a row."""
    asked = np.stack(list(case.queries.values()))
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "vectors.faiss"
        built = timed(lambda: write_vectors(file, [case.vectors]))
        vectors = Vectors(file)
        hits = vectors.rank(asked, K)
        cost = timed(lambda: vectors.rank(asked, K), repeats)
        size = file.stat().st_size / 1e6
    said = [f"{built.wall:.1f}", f"{built.cpu:.1f}", f"{size:.0f}", "1", "-", f"{memory(os.getpid()):.0f}"]
    table.add_row(
        "embedded (FAISS), exact", *said, *_rates(len(asked), cost, cost), "-" if case.is_synthetic else "1.000"
    )
    return [{hit.row for hit in of_one} for of_one in hits], cost


def on_cluster(
    case: Case, kind: str, candidates: Sequence[int], repeats: int, wanted: list[set[int]], rival: Cost, table: Table
) -> None:
    """Builds one kind of index and searches it with each number of candidates; adds a row for each."""
    vectors = dict(zip((chunk.text for chunk in case.chunks), case.vectors, strict=True))
    with embedded_already(vectors, case.queries), removed_after(NAME):
        built = timed(lambda: build_elastic_index(case.chunks, NAME, DEFAULT_EMBEDDER, overwrite=True, vectors=kind))
        size, segments = size_on_cluster(NAME)
        said = [f"{built.wall:.1f}", f"{built.cpu:.1f}", f"{size:.0f}", str(segments)]
        for number in (0,) if kind == "flat" else candidates:
            limit = len(case.chunks) if kind == "flat" else 0
            with patch.object(elastic_index, "EXACT_CHUNKS", limit):
                cost, found = search(case, number, repeats)
            recall = sum(len(mine & other) for mine, other in zip(found, wanted, strict=True)) / (K * len(wanted))
            name = f"{kind}, {number} candidates" if number else f"{kind}, exact"
            rates = _rates(len(wanted), cost, rival)
            held = [f"{server_memory():.0f}", f"{memory(os.getpid()):.0f}"]
            table.add_row(name, *said, *held, *rates, "-" if case.is_synthetic else f"{recall:.3f}")
            Console(width=WIDTH).print(table)


def search(case: Case, candidates: int, repeats: int) -> tuple[Cost, list[set[int]]]:
    """What one batch takes, after one that warms up, and the rows it finds."""
    from kinj.retrieval import open_index

    index = open_index(f"elasticsearch:{NAME}")
    index.use_embedder(None)
    if candidates:
        index.manifest["vectors"]["num_candidates"] = candidates
    rows = {chunk.id: row for row, chunk in enumerate(case.chunks)}
    texts = list(case.queries)
    found = list(index.rank(texts, K, ["dense"]))
    cost = timed(lambda: list(index.rank(texts, K, ["dense"])), repeats)
    return cost, [{rows[candidate.chunk_id] for candidate in ranking} for [ranking] in found]


def _rates(queries: int, cost: Cost, rival: Cost) -> list[str]:
    wall = [f"{queries / cost.wall:.0f}", f"{rival.wall / cost.wall:.2f}"]
    return [*wall, f"{1000 * cost.cpu / queries:.1f}", f"{rival.cpu / cost.cpu:.2f}"]


def main() -> None:
    """Measures all kinds and prints a table, anew after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthetic", type=int, metavar="N", help="so many random vectors instead of the corpus's")
    parser.add_argument("--kinds", nargs="+", choices=VECTOR_TYPES, default=["flat", "int8_hnsw", "bbq_hnsw"])
    parser.add_argument("--candidates", type=int, nargs="+", default=[100, 200, 500], help="in graphs (100 200 500)")
    parser.add_argument("--queries", type=int, default=400, help="how many (400)")
    parser.add_argument("--repeats", type=int, default=2, help="timings of each search; the best counts (2)")
    parser.add_argument("--seed", type=int, default=0, help="draws synthetic vectors")
    add_data_options(parser)
    options = parser.parse_args()
    if options.synthetic:
        case = synthetic(options.synthetic, options.queries, options.seed)
        title = "SYNTHETIC (random) vectors: throughput and memory only"
    else:
        case = real(options.corpus, options.mmlu_dir, options.queries)
        title = "the corpus's own vectors"
    print(f"{title}; {len(case.chunks)} chunks, {len(case.queries)} queries, best {K}")
    headings = ("built, s", "CPU s", "disk, MB", "parts", "server, MB", "here, MB")
    rates = ("queries/s", "/ FAISS", "CPU ms", "FAISS /", f"recall@{K}")
    table = Table("index, search", *headings, *rates)
    wanted, rival = exact(case, options.repeats, table)
    for kind in options.kinds:
        on_cluster(case, kind, options.candidates, options.repeats, wanted, rival, table)


if __name__ == "__main__":
    main()
