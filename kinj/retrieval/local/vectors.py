"""Exact nearest neighbours by inner product through FAISS, memory-mapped; the only module that imports it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinj.errors import MissingExtraError
from kinj.retrieval.local.ties import Hit, best_hits

try:
    import faiss
except ModuleNotFoundError as error:
    if error.name != "faiss":  # faiss is there, and something that it needs is broken: that keeps its traceback
        raise
    raise MissingExtraError("faiss-cpu", "dense", "dense retrieval") from error

#: How many more than k FAISS is asked for at first, so that a tie at the k-th place rarely needs a second search.
_SPARE = 8
#: FAISS sums in blocks, so equal vectors may differ in a score's last bits, and one query's scores between batches.
_SLACK = 1e-5


#: Where FAISS's header of a flat index has the number of rows: after the name of the kind and the dimensions.
_ROWS_AT = 8


def write_vectors(path: Path, shards: Iterable[npt.NDArray[np.float32]]) -> int:
    """Writes the rows of all shards, in their order, as one FAISS index; returns their dimensions.

    The rows go to the file as they come: FAISS's own writer takes an index that holds them all, which at 2,000,000
    rows of 384 numbers is 3 GB. What it would have written is the header of an empty index with the number of rows
    filled in, the number of floats, and the rows.

    Raises:
        ValueError: no vectors, rows of another size than the first, or FAISS reads the file otherwise than it should.
    """
    rows = dimensions = 0
    header = b""
    last: npt.NDArray[np.float32] | None = None
    with path.open("wb") as sink:
        for shard in shards:
            if not header:
                dimensions = shard.shape[1]
                header = faiss.serialize_index(faiss.IndexFlatIP(dimensions)).tobytes()
                sink.write(header)
            if shard.shape[1] != dimensions:
                raise ValueError(f"a row of {shard.shape[1]} numbers among rows of {dimensions}")
            sink.write(np.ascontiguousarray(shard, dtype="<f4").data)
            rows += len(shard)
            last = shard[-1]
        if last is None:
            raise ValueError("no vectors to write")
        sink.seek(_ROWS_AT)
        sink.write(struct.pack("<q", rows))
        sink.seek(len(header) - 8)
        sink.write(struct.pack("<Q", rows * dimensions))
    _check(path, rows, last)
    return dimensions


def _check(path: Path, rows: int, last: npt.NDArray[np.float32]) -> None:
    """Reads the file by FAISS itself, so that a format that changed under us cannot go unnoticed."""
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    if (index.ntotal, index.d) != (rows, len(last)) or not np.array_equal(index.reconstruct(rows - 1), last):
        raise ValueError(f"{path}: FAISS {faiss.__version__} does not read what was written for it")


class Vectors:
    """Ranks the rows of a file that `write_vectors` wrote."""

    def __init__(self, path: Path) -> None:
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def of_rows(self, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """The vectors of those rows, in their order."""
        vectors: npt.NDArray[np.float32] = self._index.reconstruct_batch(np.asarray(rows, dtype=np.int64))
        return vectors

    def rank(
        self, queries: npt.NDArray[np.float32], depth: int, allowed: Sequence[int] | None = None
    ) -> list[list[Hit]]:
        """For each query vector the `depth` rows (of those allowed) of largest inner product, best first, ties by row.

        FAISS chooses the candidates; their scores are summed again row by row, so that equal passages tie exactly and a
        query's scores do not depend on which others came with it.
        """
        total = len(self) if allowed is None else len(allowed)
        only = None
        if allowed is not None:
            selected = faiss.IDSelectorBatch(np.asarray(allowed, dtype=np.int64))
            only = faiss.SearchParameters(sel=selected)  # type: ignore[call-arg]  # FAISS adds it when imported
        _, candidates = self._index.search(queries, min(depth + _SPARE, total), params=only)
        return [self._best(query, first, depth, total, only) for query, first in zip(queries, candidates, strict=True)]

    def _best(
        self, query: npt.NDArray[np.float32], first: npt.NDArray[np.int64], depth: int, total: int, only: Any
    ) -> list[Hit]:  # Any: FAISS is not typed
        def fetch(limit: int) -> list[Hit]:
            rows = first[:limit] if limit <= len(first) else self._index.search(query[None], limit, params=only)[1][0]
            scores = (self._index.reconstruct_batch(rows) * query).sum(axis=1)
            hits = [Hit(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]
            return sorted(hits, key=lambda hit: -hit.score)

        return best_hits(fetch, depth, total, _SLACK)
