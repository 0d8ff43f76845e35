"""Which retriever serves which row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kinj.benchmark import find_registered
from kinj.corpus.ready_made import CHUNKS, SUBJECTS, find_collection
from kinj.errors import UserError
from kinj.manifest import sha256_file
from kinj.retrieval import DEFAULT_EMBEDDER, Retriever, collection_index, open_retriever
from kinj_models.settings import Json, Settings
from kinj_models.task_rows import Row, benchmark_of


class Retrievers:
    """The retrievers of one run, opened when the first row needs them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, Retriever] = {}
        #: where the collections of tasks lie, and what they are called in results
        self._collections: dict[str, tuple[str, Path]] = {}

    def use(self, opened: Mapping[str, Retriever]) -> None:
        """Takes retrievers that are open already, by the names that `for_row` gives."""
        self._open.update(opened)

    def for_row(self, task: str, row: Row) -> tuple[str, Retriever]:
        """The name and retriever of what the row is to be searched in.

        That is `index=` if given, else its benchmark's chunks, else the collection made for its task.

        Raises:
            UserError: none of them is there, or nobody knows where the benchmark lies; the message has the way out.
        """
        index = self._settings.index
        if index is not None:
            if index not in self._open:
                self._open[index] = self._open_retriever(index)
            return index, self._open[index]
        benchmark = benchmark_of(row)
        # By the task's name, since its rows are those of the stock task, so that both pair question by question.
        if benchmark is None and task.removeprefix("kinj_") in SUBJECTS and task.startswith("kinj_"):
            return self._of_collection(task, task.removeprefix("kinj_"))
        if benchmark is None:
            raise UserError(
                f"task {task} has no collection of its own: build an index with `kinj index build DOCUMENTS DIR`, name "
                "it by --model_args index=DIR, or use retriever=none"
            )
        name, sha256 = benchmark
        source = f"{name}@{sha256[:12]}"
        if source not in self._open:
            self._open[source] = self._open_retriever(self._index_of(task, name, sha256))
        return source, self._open[source]

    def _index_of(self, task: str, name: str, sha256: str) -> Path:
        registered = find_registered(name, sha256)
        if registered is None:
            raise UserError(
                f"task {task}: its rows are of the benchmark {name} (SHA-256 {sha256[:12]}…), whose folder this "
                "process has not opened: load them by kinj's own tasks, or name an index of its chunks by index=DIR"
            )
        return self._collection_index(registered[1])

    def _of_collection(self, task: str, name: str) -> tuple[str, Retriever]:
        if name not in self._collections:
            try:
                folder = find_collection(name)
            except UserError as error:
                raise UserError(f"task {task}: {error}; index=DIR names an index, retriever=none reads none") from error
            self._collections[name] = f"{name}@{sha256_file(folder / CHUNKS)[:12]}", folder
        source, folder = self._collections[name]
        if source not in self._open:
            self._open[source] = self._open_retriever(self._collection_index(folder))
        return source, self._open[source]

    def _collection_index(self, folder: Path) -> Path:
        dense = self._settings.retriever in ("dense", "hybrid")
        return collection_index(folder, (self._settings.embedder or DEFAULT_EMBEDDER) if dense else None)

    def _open_retriever(self, index: str | Path) -> Retriever:
        settings = self._settings
        return open_retriever(
            settings.retriever,
            index=index,
            embedder=settings.embedder,
            seed=settings.distractor_seed,
            filter=settings.filter,
            text_field=settings.text_field,
            vector_field=settings.vector_field,
        )

    def describe(self) -> dict[str, Json]:
        """What each opened retriever says of itself, by `index=` or NAME@SHA-256 of the benchmark."""
        return {source: retriever.describe() for source, retriever in self._open.items()}
