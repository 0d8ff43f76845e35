"""Which retriever serves which row."""

from __future__ import annotations

from kinj.benchmark import collection_folder
from kinj.errors import UserError
from kinj.retrieval import DEFAULT_EMBEDDER, Retriever, collection_index, open_retriever
from kinj_models.settings import Json, Settings


class Retrievers:
    """The retrievers of one run, opened when the first row needs them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, Retriever] = {}

    def for_row(self, task: str, collection: str | None) -> tuple[str, Retriever]:
        """The name and retriever of what the row is to be searched in: `index=` if given, else the row's collection.

        Raises:
            UserError: neither is there; the message has the command that builds an index.
        """
        settings = self._settings
        name = settings.index or collection
        if name is None:
            raise UserError(
                f"task {task} has no collection of its own: build an index with `kinj index build DOCUMENTS DIR`, name "
                "it by --model_args index=DIR, or use retriever=none"
            )
        if name not in self._open:
            dense = settings.retriever in ("dense", "hybrid")
            embedder = (settings.embedder or DEFAULT_EMBEDDER) if dense else None
            index = settings.index or collection_index(collection_folder(name), embedder)
            self._open[name] = open_retriever(
                settings.retriever,
                index=index,
                embedder=settings.embedder,
                seed=settings.distractor_seed,
                filter=settings.filter,
                text_field=settings.text_field,
                vector_field=settings.vector_field,
            )
        return name, self._open[name]

    def describe(self) -> dict[str, Json]:
        """What each opened retriever says of itself, by index or collection."""
        return {name: retriever.describe() for name, retriever in self._open.items()}
