"""Index build and search of `kinj.retrieval` against bm25s and against raw FAISS, in one run on the same texts.

bm25s is no dependency of kinj; install it and its stemmer by hand:

    pip install bm25s PyStemmer
    python benchmarks/retrieval.py --passages 20000 --queries 200

A ratio above 1 means that kinj is faster. Texts are made of invented words whose frequencies follow Zipf's law, so that
posting lists are as long as those of real texts; vectors are random, which costs an exact search the same as real ones.
Each search is measured `--repeats` times, the best counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bm25s
import faiss
import numpy as np
import Stemmer
from rich.console import Console
from rich.table import Table

from kinj.records import Chunk, Query
from kinj.retrieval import build_index, open_retriever
from kinj.retrieval.analysis import STOP_WORDS
from kinj.retrieval.local.vectors import Vectors, write_vectors

K = 10


def timed(work: Callable[[], object], repeats: int = 1) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def texts_of(count: int, words: int, draw: np.random.Generator) -> list[str]:
    """Texts of `words` words each, out of 50,000 by Zipf's law, with the commonest stop words among them."""
    vocabulary = np.array([*STOP_WORDS, *(f"word{chr(97 + i % 26)}{i}" for i in range(50_000 - len(STOP_WORDS)))])
    chances = 1 / np.arange(1, len(vocabulary) + 1)
    rows = draw.choice(len(vocabulary), size=(count, words), p=chances / chances.sum())
    return [" ".join(vocabulary[row]) for row in rows]


def bm25_rows(texts: list[str], queries: list[str], folder: Path, repeats: int) -> list[tuple[str, float, float]]:
    """Build and search of BM25 here and by bm25s; both write their index to disk and read it again."""
    chunks = [Chunk(f"c{i:08d}", f"d{i}", text, 0, len(text)) for i, text in enumerate(texts)]
    stemmer = Stemmer.Stemmer("english")

    def tokenize(given: list[str]) -> object:
        return bm25s.tokenize(given, stopwords=list(STOP_WORDS), stemmer=stemmer, show_progress=False)

    def build_theirs() -> None:
        rival = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        rival.index(tokenize(texts), show_progress=False)
        rival.save(folder / "bm25s")

    built = timed(lambda: build_index(chunks, folder / "kinj")), timed(build_theirs)
    ours = open_retriever("bm25", index=folder / "kinj")
    theirs = bm25s.BM25.load(folder / "bm25s", mmap=True)
    asked = [Query(text) for text in queries]
    searched = (
        timed(lambda: ours.search(asked, K), repeats),
        timed(lambda: theirs.retrieve(tokenize(queries), k=K, show_progress=False, return_as="documents"), repeats),
    )
    found = [{int(p.chunk_id[1:]) for p in passages} for passages in ours.search(asked, K)]
    rival_found = theirs.retrieve(tokenize(queries), k=K, show_progress=False, return_as="documents")
    same = np.mean([len(mine & set(map(int, other))) / K for mine, other in zip(found, rival_found, strict=True)])
    Console().print(f"BM25: {same:.1%} of the top {K} are the same passages")
    return [("BM25 build, against bm25s", *built), ("BM25 search, against bm25s", *searched)]


def dense_rows(
    count: int, dimensions: int, queries: int, folder: Path, repeats: int, draw: np.random.Generator
) -> list[tuple[str, float, float]]:
    """Build and search of exact vectors here and by FAISS as it comes."""

    def unit(rows: int) -> np.ndarray:
        vectors = draw.standard_normal((rows, dimensions), dtype="float32")
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    vectors, asked = unit(count), unit(queries)

    def build_theirs() -> None:
        index = faiss.IndexFlatIP(dimensions)
        index.add(vectors)
        faiss.write_index(index, str(folder / "theirs.faiss"))

    shards = np.array_split(vectors, max(1, count // 256))
    built = timed(lambda: write_vectors(folder / "ours.faiss", shards)), timed(build_theirs)
    ours, theirs = Vectors(folder / "ours.faiss"), faiss.read_index(str(folder / "theirs.faiss"))
    searched = timed(lambda: ours.rank(asked, K), repeats), timed(lambda: theirs.search(asked, K), repeats)
    return [("dense build, against FAISS", *built), ("dense search, against FAISS", *searched)]


def show(rows: Sequence[tuple[str, float, float]]) -> None:
    """Prints the seconds of both and their ratio."""
    table = Table("what", "kinj, s", "rival, s", "rival / kinj")
    for what, mine, other in rows:
        table.add_row(what, f"{mine:.2f}", f"{other:.2f}", f"{other / mine:.2f}")
    Console().print(table)


def main() -> None:
    """Runs everything and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=150, help="words in a passage")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--query-words", type=int, default=20)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = np.random.default_rng(given.seed)
    texts, queries = texts_of(given.passages, given.words, draw), texts_of(given.queries, given.query_words, draw)
    with tempfile.TemporaryDirectory() as folder:
        rows = bm25_rows(texts, queries, Path(folder), given.repeats)
        rows += dense_rows(given.passages, given.dimensions, given.queries, Path(folder), given.repeats, draw)
    print(f"{given.passages} passages of {given.words} words, {given.queries} queries, k={K}")
    show(rows)


if __name__ == "__main__":
    main()
