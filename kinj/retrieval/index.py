"""What an index does for the retrievers, whichever back end keeps it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from kinj.errors import UserError
from kinj.records import Chunk, Json, Passage

if TYPE_CHECKING:
    from kinj.retrieval.filters import Filter

#: How to rank: by the words that query and chunk share (BM25), or by the nearness of their embeddings.
Method = Literal["bm25", "dense"]
#: Queries that are searched, and whose passages are fetched, together.
BATCH = 1000
T = TypeVar("T")


class RefusedQueryError(UserError):
    """An index cannot search for one text; whoever knows its question names it."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(why)
        self.text = text


class Candidate(NamedTuple):
    """A chunk in a ranking. What it says is fetched only if it is among the best."""

    chunk_id: str
    #: the method's own, larger is better
    score: float


class Index(Protocol):
    """Chunks that can be ranked.

    A retriever asks for all queries and for all its methods at once: a cluster answers many in one round trip.
    """

    #: what its builder wrote down: counts, embedder, analysis, versions
    manifest: Json

    def __len__(self) -> int:
        """How many chunks it holds."""
        ...

    @property
    def content(self) -> str:
        """64 hex digits: the same for the same chunks."""
        ...

    def identity(self, methods: Sequence[Method]) -> str:
        """SHA-256 over all that shapes what the index returns by these methods."""
        ...

    def describe(self) -> Json:
        """What results say about the index."""
        ...

    def rank(self, texts: Sequence[str], depth: int, methods: Sequence[Method]) -> Iterator[list[list[Candidate]]]:
        """Yields for each text, for each method, its `depth` best chunks, best first, ties by chunk id.

        Rankings are made as they are asked for, `BATCH` texts or fewer at a time.

        Raises:
            RefusedQueryError: one of the texts cannot be searched for.
        """
        ...

    def chunks(self, ids: Sequence[str]) -> dict[str, Chunk]:
        """The chunks of those ids, whether or not a filter lets them through.

        Raises:
            UserError: the index lacks one of them.
        """
        ...

    def use_embedder(self, name: str | None) -> None:
        """Takes an embedder for dense searches: by default the one that the index was built with.

        Raises:
            UserError: the index has no vectors, or they come from another model than `name`.
            MissingExtraError: the libraries for dense retrieval are not installed.
        """
        ...

    def use_filter(self, wanted: Filter) -> None:
        """From now on ranks only the chunks that the filter lets through.

        Raises:
            UserError: no chunk has a field that the filter names, or it lets no chunk through.
        """
        ...


def as_passage(chunk: Chunk, score: float, rank: int) -> Passage:
    """The chunk as a retrieved passage."""
    return Passage(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        text=chunk.text,
        score=score,
        rank=rank,
        title=chunk.title,
        date=chunk.date,
        source=chunk.source,
        license=chunk.license,
        headings=chunk.headings,
        table_header=chunk.table_header,
        page=chunk.page,
    )


def fetch_passages(index: Index, rankings: Iterable[Sequence[Candidate]]) -> Iterator[list[Passage]]:
    """Yields the chunks of each ranking as passages, in its order; they are fetched for `BATCH` rankings at a time."""
    for batch in batches(rankings, BATCH):
        chunks = index.chunks(list(dict.fromkeys(one.chunk_id for ranking in batch for one in ranking)))
        for ranking in batch:
            yield [as_passage(chunks[chunk_id], score, rank) for rank, (chunk_id, score) in enumerate(ranking, 1)]


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields the items in lists of `size`, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def no_chunk(place: str | Path, chunk_id: str) -> UserError:
    """The error for a chunk that a question names and the index lacks."""
    return UserError(f"{place} has no chunk {chunk_id!r}: index the collection that the questions came from")


def rebuild(place: str | Path, manifest: Json | None = None, embedder: str | None = None) -> str:
    """What to type to build the index (anew, where a manifest is given), as the end of an error message."""
    known = manifest or {}
    words = ["kinj", "index", "build", *(known.get("made_from") or ["IN"]), str(place)]
    if name := embedder or (known.get("embedder") or {}).get("name"):
        words += ["--embedder", name]
    if manifest is not None:
        words.append("--overwrite")
    return f"build it with: {shlex.join(words)}"
