"""Embedding a collection shard by shard, each kept on disk until the index is complete."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinj.manifest import replacing
from kinj.progress import progress
from kinj.retrieval.changes import Known
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.index import batches

#: Passages in a shard: what an interruption can lose, some ten seconds of two slow cores.
SHARD = 64


def embed_in_shards(
    texts: Iterable[str], total: int, embedder: Embedder, folder: Path, known: Known | None = None
) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the vectors of so many texts, `SHARD` rows at a time, embedding only the shards that `folder` lacks.

    A shard's name is the SHA-256 of the embedder and its texts, so one from another build is either right or not found.
    What `known` gives is not embedded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with progress("embedding passages", total) as advance:
        for shard in batches(texts, SHARD):
            path = folder / f"{_name(shard, embedder)}.npy"
            if not path.is_file():
                _save(path, embed(shard, embedder, known))
            yield np.load(path)
            advance(len(shard))


def embed(texts: Sequence[str], embedder: Embedder, known: Known | None = None) -> npt.NDArray[np.float32]:
    """The vectors of one shard, a row a text; those that `known` gives are not made anew.

    Equal texts get one vector: padded differently they would differ in their last bits, and their tie be chance.
    """
    distinct = list(dict.fromkeys(texts))
    vectors = dict(known(distinct)) if known is not None else {}
    if new := [text for text in distinct if text not in vectors]:
        vectors |= zip(new, embedder.embed_passages(new), strict=True)
    return np.stack([vectors[text] for text in texts])


def _name(texts: Sequence[str], embedder: Embedder) -> str:
    digest = hashlib.sha256(embedder.sha256.encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def _save(path: Path, vectors: npt.NDArray[np.float32]) -> None:
    with replacing(path, to_disk=True) as unfinished, unfinished.open("wb") as sink:
        np.save(sink, vectors)
