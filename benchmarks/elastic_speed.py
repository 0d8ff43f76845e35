"""BM25 on Elasticsearch against its client alone, and against the embedded index; two sizes, with memory, in one run.

Indexing is compared with the client's own `parallel_bulk`, batched search with its `search`, one query at a time.

    export ELASTICSEARCH_URL=http://127.0.0.1:9200
    python benchmarks/elastic_speed.py

A ratio above 1 means that the first named is faster. CPU seconds are those of this process and of the server together.
Chunks are the corpus cut to 19 tokens (some 11 words), so that there are 200,000; a smaller size takes every n-th.
Memory is what is resident when the work is done; the server's holds its whole heap from the start.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cluster import Cost, in_a_process, least, remove, removed_after, server_memory, size_on_cluster, timed
from corpus import add_data_options, mmlu_questions, short_chunks
from rich.console import Console
from rich.table import Table

from kinj.corpus.inputs import read_chunks
from kinj.records import Chunk, Query
from kinj.retrieval import build_elastic_index, build_index, open_retriever
from kinj.retrieval.elastic.access import read_access
from kinj.retrieval.elastic.bulk import DOCUMENTS, IN_FLIGHT
from kinj.retrieval.elastic.mapping import CHUNK_FIELDS, TEXT, index_settings, source_of

K = 10
NAME = "kinj-benchmark-words"


def chunks_of(file: Path, size: int) -> list[Chunk]:
    """So many of the file's chunks, evenly from all of it."""
    chunks = list(read_chunks([file]))
    return [chunks[int(i * len(chunks) / size)] for i in range(size)]


def build_embedded(file: Path, size: int, folder: Path) -> Cost:
    """Builds in a folder."""
    chunks = chunks_of(file, size)
    return timed(lambda: build_index(chunks, folder))


def build_on_cluster(file: Path, size: int) -> Cost:
    """Builds on the cluster, complete: counted, closed and switched to."""
    chunks = chunks_of(file, size)
    remove(NAME)
    return timed(lambda: build_elastic_index(chunks, NAME))


def build_by_client(file: Path, size: int) -> Cost:
    """The same documents into the same kind of index by the client's own helper, made visible; removed again."""
    from elasticsearch import Elasticsearch
    from elasticsearch.helpers import parallel_bulk

    chunks = sorted(chunks_of(file, size), key=lambda chunk: chunk.id)
    client = Elasticsearch(**read_access().arguments(), request_timeout=60)
    name = f"{NAME}-by-client"
    body = index_settings(size, {"shards": 1})

    def actions() -> Iterator[dict[str, object]]:
        for row, chunk in enumerate(chunks):
            yield {"_op_type": "create", "_index": name, "_id": chunk.id, "_source": source_of(chunk, row)}

    def build() -> None:
        client.indices.create(index=name, **body)
        for _ in parallel_bulk(client, actions(), thread_count=IN_FLIGHT, chunk_size=DOCUMENTS):
            pass
        client.indices.refresh(index=name)

    cost = timed(build)
    client.indices.delete(index=name)
    return cost


def search(index: str, queries: list[Query], repeats: int) -> Cost:
    """One batch of queries, after one that warms up."""
    retriever = open_retriever("bm25", index=index)
    retriever.search(queries, K)
    return timed(lambda: retriever.search(queries, K), repeats)


def search_by_client(queries: list[Query], repeats: int) -> Cost:
    """The same queries by the client's own `search`, one at a time, after a round that warms up."""
    from elasticsearch import Elasticsearch

    client = Elasticsearch(**read_access().arguments())

    def all_of_them() -> None:
        for query in queries:
            client.search(index=NAME, query={"match": {TEXT: query.text}}, size=K, source=list(CHUNK_FIELDS))

    all_of_them()
    return timed(all_of_them, repeats)


def measure(file: Path, size: int, queries: list[Query], repeats: int, speed: Table, space: Table) -> None:
    """Adds the rows of one size to both tables."""
    with tempfile.TemporaryDirectory() as scratch, removed_after(NAME):
        folder = Path(scratch) / "index"
        embedded, embedded_mb = in_a_process(build_embedded, file, size, folder)
        # In turn, so that neither always meets a colder server.
        turns = [
            (in_a_process(build_by_client, file, size), in_a_process(build_on_cluster, file, size))
            for _ in range(repeats)
        ]
        theirs, ours = (least([turn[side][0] for turn in turns]) for side in (0, 1))
        theirs_mb, ours_mb = (max(turn[side][1] for turn in turns) for side in (0, 1))
        one_by_one, one_by_one_mb = in_a_process(search_by_client, queries, repeats)
        batched, batched_mb = in_a_process(search, f"elasticsearch:{NAME}", queries, repeats)
        local, local_mb = in_a_process(search, str(folder), queries, repeats)
        index_mb, _ = size_on_cluster(NAME)
        folder_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    found = f"{len(queries)} queries"
    for what, first, second in (
        ("index: kinj, against parallel_bulk", ours, theirs),
        (f"{found}: one batch, against one by one", batched, one_by_one),
        ("index: embedded, against Elasticsearch", embedded, ours),
        (f"{found}: embedded, against Elasticsearch", local, batched),
    ):
        seconds = [f"{first.wall:.2f}", f"{second.wall:.2f}", f"{second.wall / first.wall:.2f}"]
        cpu = [f"{first.cpu:.2f}", f"{second.cpu:.2f}", f"{second.cpu / first.cpu:.2f}"]
        speed.add_row(f"{size}: {what}", *seconds, *cpu)
    server = f"{server_memory():.0f}"
    for what, indexing, searching, held, disk in (
        ("embedded", embedded_mb, local_mb, "-", folder_mb),
        ("Elasticsearch, kinj", ours_mb, batched_mb, server, index_mb),
        ("Elasticsearch, client alone", theirs_mb, one_by_one_mb, server, index_mb),
    ):
        space.add_row(f"{size}: {what}", f"{indexing:.0f}", f"{searching:.0f}", held, f"{disk:.1f}")


def main() -> None:
    """Measures all sizes and prints two tables, anew after each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 200_000], help="chunks (10000 200000)")
    parser.add_argument("--queries", type=int, default=200, help="of MMLU's test questions (200)")
    parser.add_argument(
        "--repeats", type=int, default=2, help="timings of each but the embedded build; the best counts (2)"
    )
    add_data_options(parser)
    options = parser.parse_args()
    file = short_chunks(options.corpus)
    questions = mmlu_questions(options.mmlu_dir)
    queries = [questions[int(i * len(questions) / options.queries)] for i in range(options.queries)]
    speed = Table("chunks: what", "first, s", "second, s", "ratio", "first, CPU s", "second, CPU s", "ratio")
    space = Table("chunks: where", "process indexing, MB", "process searching, MB", "server, MB", "on disk, MB")
    for size in options.sizes:
        measure(file, size, queries, options.repeats, speed, space)
        Console(width=140).print(speed, space)


if __name__ == "__main__":
    main()
