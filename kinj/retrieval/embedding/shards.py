"""Embedding a collection shard by shard, each kept on disk until the index is complete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinj.progress import progress

if TYPE_CHECKING:
    from kinj.retrieval.embedding.embedder import Embedder

#: Passages in a shard: what an interruption can lose, some ten seconds of two slow cores.
SHARD = 64


def embed_in_shards(texts: Sequence[str], embedder: Embedder, folder: Path) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the texts' vectors, `SHARD` rows at a time, embedding only the shards that `folder` does not hold.

    A shard's name is the SHA-256 of the embedder and its texts, so one from another build is either right or not found.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(texts), SHARD)
    with progress("embedding passages", len(texts)) as advance:
        for start in starts:
            part = texts[start : start + SHARD]
            path = folder / f"{_name(part, embedder)}.npy"
            if not path.is_file():
                _save(path, embed(part, embedder))
            yield np.load(path)
            advance(len(part))


def embed(texts: Sequence[str], embedder: Embedder) -> npt.NDArray[np.float32]:
    """The vectors of one shard, a row a text.

    Equal texts get one vector: padded differently they would differ in their last bits, and their tie be chance.
    """
    distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    vectors = embedder.embed_passages(list(distinct))
    return vectors[[distinct[text] for text in texts]]


def _name(texts: Sequence[str], embedder: Embedder) -> str:
    digest = hashlib.sha256(embedder.sha256.encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def _save(path: Path, vectors: npt.NDArray[np.float32]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as sink:
        np.save(sink, vectors)
        sink.flush()
        os.fsync(sink.fileno())
    part.rename(path)
