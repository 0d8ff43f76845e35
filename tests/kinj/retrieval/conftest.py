"""Small collections for the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kinj.records import Chunk
from kinj.retrieval import LocalIndex, build_index


@pytest.fixture
def chunks() -> Callable[..., list[Chunk]]:
    """Makes chunks of the given texts, ids c00, c01, …; `documents` says how many chunks a document has."""

    def make(*texts: str, per_document: int = 1) -> list[Chunk]:
        return [
            Chunk(f"c{i:02d}", f"d{i // per_document:02d}", text, start=0, end=len(text))
            for i, text in enumerate(texts)
        ]

    return make


@pytest.fixture
def indexed(tmp_path: Path, chunks: Callable[..., list[Chunk]]) -> Callable[..., LocalIndex]:
    """Builds an index of the given texts below `tmp_path`."""

    def make(*texts: str, name: str = "index", embedder: str | None = None, per_document: int = 1) -> LocalIndex:
        return build_index(chunks(*texts, per_document=per_document), tmp_path / name, embedder)

    return make


@pytest.fixture
def ids() -> Callable[..., list[list[str]]]:
    """The chunk ids of each query's passages."""

    def of(found: Sequence[Sequence]) -> list[list[str]]:
        return [[passage.chunk_id for passage in passages] for passages in found]

    return of
