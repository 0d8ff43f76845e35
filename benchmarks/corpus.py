"""What the Elasticsearch benchmarks share: the corpus, embedded once and kept in the cache, and its questions."""

from __future__ import annotations

import argparse
import csv
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import faiss
import numpy as np
import numpy.typing as npt

from kinj.cache import cache_folder
from kinj.corpus.inputs import read_chunks
from kinj.manifest import NAME as MANIFEST
from kinj.records import Query
from kinj.retrieval import DEFAULT_EMBEDDER
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.local.index import CHUNKS, VECTORS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SUBJECTS = ("anatomy", "astronomy", "college_biology", "college_chemistry", "prehistory")
Floats = npt.NDArray[np.float32]


def corpus_index(corpus: Path) -> Path:
    """The folder of the corpus's index with vectors; where it is not in the cache, says by which command it is made."""
    folder = cache_folder("benchmarks", "corpus")
    if not (folder / MANIFEST).is_file():
        raise SystemExit(
            "the corpus is not embedded yet; once, about half an hour of two slow cores:\n    "
            f"kinj index build {shlex.quote(str(corpus))}/*.jsonl {folder} --embedder {DEFAULT_EMBEDDER}"
        )
    return folder


def short_chunks(corpus: Path) -> Path:
    """The file of the corpus cut short; where it is not in the cache, says by which command it is made."""
    file = cache_folder("benchmarks", "short.jsonl")
    if not file.is_file():
        raise SystemExit(
            "the corpus is not cut short yet; once, three minutes:\n    "
            f"kinj chunk {shlex.quote(str(corpus))}/*.jsonl {file} --chunk-tokens 19"
        )
    return file


def mmlu_questions(folder: Path, *, with_options: bool = False) -> list[Query]:
    """The test questions of MMLU's five subjects, as `query=question` or `query=question+options` sends them."""
    queries = []
    for subject in SUBJECTS:
        with (folder / subject / "test.csv").open(encoding="utf-8", newline="") as source:
            for number, cells in enumerate(csv.reader(source), 1):
                text = "\n".join(cells[:5]) if with_options else cells[0]
                queries.append(Query(text, id=f"{subject}-{number}"))
    return queries


def vectors_of(folder: Path) -> Floats:
    """The vectors of an index folder, shape (chunks, dimensions), in the order of the chunks' ids."""
    index = faiss.read_index(str(folder / VECTORS))
    vectors: Floats = index.reconstruct_n(0, index.ntotal)
    return vectors


def vectors_by_text(folder: Path) -> dict[str, Floats]:
    """For each chunk's text its vector."""
    return {
        chunk.text: vector for chunk, vector in zip(read_chunks([folder / CHUNKS]), vectors_of(folder), strict=True)
    }


@contextmanager
def embedded_already(vectors: Mapping[str, Floats], queries: Mapping[str, Floats] | None = None) -> Iterator[None]:
    """Gives these texts' vectors to whoever embeds passages, and embeds each query once for all who ask.

    Queries that are given with their vectors are not embedded at all. Both back ends then compare the same numbers.
    """
    embed_queries = Embedder.embed_queries
    asked = dict(queries or {})

    def passages(_: Embedder, texts: Sequence[str]) -> Floats:
        return np.stack([vectors[text] for text in texts])

    def once(embedder: Embedder, texts: Sequence[str]) -> Floats:
        if new := [text for text in dict.fromkeys(texts) if text not in asked]:
            asked.update(zip(new, embed_queries(embedder, new), strict=True))
        return np.stack([asked[text] for text in texts])

    with patch.object(Embedder, "embed_passages", passages), patch.object(Embedder, "embed_queries", once):
        yield


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Adds where the corpus and the questions are."""
    parser.add_argument("--corpus", type=Path, default=DATA / "corpus", help="folder of the corpus's JSON lines")
    parser.add_argument("--mmlu-dir", type=Path, default=DATA / "mmlu", help="folder of MMLU's CSV files")
