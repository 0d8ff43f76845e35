"""The embedded index: a folder of chunks, BM25 and, where it was built with an embedder, vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kinj.errors import UserError
from kinj.manifest import read_manifest, sha256_json
from kinj.records import Chunk, Json
from kinj.retrieval.analysis import Analysis, read_analysis
from kinj.retrieval.chunkfile import ChunkFile
from kinj.retrieval.filters import Filter, check_fields, check_matches
from kinj.retrieval.index import BATCH, Candidate, Method, no_chunk, rebuild
from kinj.retrieval.local.bm25 import BM25
from kinj.retrieval.local.ties import Hit

if TYPE_CHECKING:
    from kinj.retrieval.embedding.embedder import Embedder

#: Changes when a folder written by older code must not be read by newer code.
FORMAT = 2
CHUNKS, WORDS, VECTORS = "chunks.jsonl", "bm25", "vectors.faiss"


class LocalIndex:
    """An index folder, opened for reading. `open_local_index` makes one."""

    def __init__(self, folder: Path, manifest: Json, chunks: ChunkFile, analysis: Analysis) -> None:
        self.folder = folder
        self.manifest = manifest
        self._chunks = chunks
        self._words = BM25(folder / WORDS, analysis)
        self._filter: Filter | None = None
        self._allowed: list[int] | None = None
        self._check_count("BM25 index", len(self._words))

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def content(self) -> str:
        """SHA-256 of the chunks: the same for the same chunks, in whatever folder and order they came."""
        return str(self.manifest["chunks"]["sha256"])

    def identity(self, methods: Sequence[Method]) -> str:
        """SHA-256 over all that shapes what the index returns by these methods."""
        content: Json = {"chunks": self.content}
        if "bm25" in methods:
            content["analysis"] = self.manifest["analysis"]
        if "dense" in methods:
            content["embedder"] = self.manifest["embedder"]["sha256"]
        if methods and self._filter is not None:
            content["filter"] = str(self._filter)
        return sha256_json(content)

    def describe(self) -> Json:
        """See `Index`."""
        info: Json = {"index": self.content, "chunks": len(self), "embedder": self.manifest["embedder"]}
        if self._filter is not None:
            info["filter"] = {"condition": str(self._filter), "chunks": len(self._allowed or ())}
        return info

    def rank(self, texts: Sequence[str], depth: int, methods: Sequence[Method]) -> Iterator[list[list[Candidate]]]:
        """See `Index`."""
        rankings = [
            self._rank_words(texts, depth) if method == "bm25" else self._rank_vectors(texts, depth)
            for method in methods
        ]
        for of_one_text in zip(*rankings, strict=True):
            yield [[Candidate(self._chunks.id_of(hit.row), hit.score) for hit in hits] for hits in of_one_text]

    def chunks(self, ids: Sequence[str]) -> dict[str, Chunk]:
        """See `Index`."""
        chunks: dict[str, Chunk] = {}
        for chunk_id in ids:
            chunk = self._chunks.find(chunk_id)
            if chunk is None:
                raise no_chunk(self.folder, chunk_id)
            chunks[chunk_id] = chunk
        return chunks

    def all_chunks(self) -> Iterator[Chunk]:
        """Yields all chunks in the order of their ids, which is that of rows."""
        return (self._chunks[row] for row in range(len(self)))

    def use_embedder(self, name: str | None) -> None:
        """Takes the embedder that the index was built with for its dense searches.

        Raises:
            UserError: the index has no vectors, or they come from another model than `name`.
            MissingExtraError: the libraries for dense retrieval are not installed.
        """
        from kinj.retrieval.embedding.find import find_embedder_of

        embedder = find_embedder_of(self.folder, self.manifest, name)
        from kinj.retrieval.local.vectors import Vectors

        self._embedder: Embedder = embedder
        self._vectors: Vectors = Vectors(self.folder / VECTORS)
        self._check_count("vector index", len(self._vectors))

    def use_filter(self, wanted: Filter) -> None:
        """See `Index`."""
        check_fields(wanted, self.manifest["fields"], self.folder)
        allowed = self._words.use_filter(wanted)
        check_matches(wanted, len(allowed), self.folder)
        self._filter, self._allowed = wanted, allowed

    def _check_count(self, name: str, count: int) -> None:
        if count != len(self):
            why = f"its {name} has {count} rows for {len(self)} chunks"
            raise UserError(f"{self.folder}: {why}; {rebuild(self.folder, self.manifest)}")

    def _rank_words(self, texts: Sequence[str], depth: int) -> Iterator[list[Hit]]:
        return (self._words.rank(text, depth) for text in texts)

    def _rank_vectors(self, texts: Sequence[str], depth: int) -> Iterator[list[Hit]]:
        # All texts go through the model together: padded with others, a vector may differ in its last bits.
        vectors = self._embedder.embed_queries(texts)
        for start in range(0, len(vectors), BATCH):
            yield from self._vectors.rank(vectors[start : start + BATCH], depth, self._allowed)


def open_local_index(folder: Path) -> LocalIndex:
    """The index of that folder, its chunks checked against the SHA-256 of its manifest.

    Raises:
        UserError: no index there, half-built, of another format or analysis, or with changed chunks; the message ends
            with the command that builds it.
    """
    manifest = read_manifest(folder, rebuild(folder))
    if manifest.get("kind") != "kinj index":
        raise UserError(f"{folder} is not an index of kinj (its manifest is of another stage); {rebuild(folder)}")
    analysis = read_analysis(manifest["analysis"])
    if manifest["format"] != FORMAT or analysis is None:
        raise UserError(f"{folder} was written by another version of kinj; {rebuild(folder, manifest)}")
    path = folder / CHUNKS
    if not path.is_file() or path.stat().st_size != manifest["chunks"]["bytes"]:
        raise UserError(f"{path} changed after the index was built; {rebuild(folder, manifest)}")
    chunks = ChunkFile(path)
    if chunks.sha256 != manifest["chunks"]["sha256"]:
        raise UserError(f"{path} changed after the index was built; {rebuild(folder, manifest)}")
    index = LocalIndex(folder, manifest, chunks, analysis)
    if read_manifest(folder, rebuild(folder)) != manifest:
        return open_local_index(folder)  # it was replaced while its parts were being opened
    return index
