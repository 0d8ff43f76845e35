"""Exact nearest neighbours by inner product through FAISS, memory-mapped; the only module that imports it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinj.errors import MissingExtraError
from kinj.retrieval.ties import Hit, best_hits

try:
    import faiss
except ImportError as error:
    raise MissingExtraError("faiss-cpu", "dense", "dense retrieval") from error

#: How many more than k FAISS is asked for at first, so that a tie at the k-th place rarely needs a second search.
_SPARE = 8
#: FAISS sums in blocks, so equal vectors may differ in a score's last bits, and one query's scores between batches.
_SLACK = 1e-5


def write_vectors(path: Path, shards: Iterable[npt.NDArray[np.float32]]) -> int:
    """Writes the rows of all shards, in their order, as one FAISS index; returns their dimensions."""
    index = None
    for shard in shards:
        if index is None:
            index = faiss.IndexFlatIP(shard.shape[1])
        index.add(shard)
    if index is None:
        raise ValueError("no vectors to write")
    faiss.write_index(index, str(path))
    return int(index.d)


class Vectors:
    """Ranks the rows of a file that `write_vectors` wrote."""

    def __init__(self, path: Path) -> None:
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def rank(self, queries: npt.NDArray[np.float32], depth: int) -> list[list[Hit]]:
        """For each query vector the `depth` rows of largest inner product, best first, ties by row.

        FAISS chooses the candidates; their scores are summed again row by row, so that equal passages tie exactly and a
        query's scores do not depend on which others came with it.
        """
        limit = min(depth + _SPARE, len(self))
        _, found = self._index.search(queries, limit)
        return [self._best(query, first, depth) for query, first in zip(queries, found, strict=True)]

    def _best(self, query: npt.NDArray[np.float32], first: npt.NDArray[np.int64], depth: int) -> list[Hit]:
        def fetch(limit: int) -> list[Hit]:
            rows = first[:limit] if limit <= len(first) else self._index.search(query[None], limit)[1][0]
            scores = (self._index.reconstruct_batch(rows) * query).sum(axis=1)
            hits = [Hit(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]
            return sorted(hits, key=lambda hit: -hit.score)

        return best_hits(fetch, depth, len(self), _SLACK)
