"""A collection to train on: a benchmark, its files without questions, or whatever texts `kinj index build` takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinj.benchmark import Benchmark, open_benchmark, shipped_collections
from kinj.corpus import Cutter, load_tokenizer, open_inputs
from kinj.corpus.cutting import CHUNK_TOKENS
from kinj.errors import UserError
from kinj.records import Chunk, Document

log = logging.getLogger(__name__)

QUESTIONS = "questions.jsonl"
#: What a folder that is a collection holds, in the order of preference: what is cut is not cut again.
_FILES = ("chunks.jsonl", "documents.jsonl")


def find_collection(name: str) -> Path:
    """The folder of a shipped collection, else the file or folder at that path.

    Raises:
        UserError: there is none.
    """
    shipped = shipped_collections()
    path = shipped.get(name, Path(name).expanduser())
    if not path.exists():
        known = ", ".join(sorted(shipped)) or "none is installed"
        raise UserError(
            f"collection: {name}: neither a file or folder of texts, nor a collection that ships with kinj ({known})"
        )
    return path


def has_questions(name: str) -> bool:
    """Whether the collection can be asked about: plain texts and those of another machine cannot."""
    return (shipped_collections().get(name, Path(name).expanduser()) / QUESTIONS).is_file()


def open_collection(name: str) -> Benchmark:
    """The collection of that name or at that path; plain texts are cut as `kinj index build` cuts them.

    Raises:
        UserError: nothing is there, a file is faulty, or the tokenizer that counts a chunk's tokens is not here.
    """
    path = find_collection(name)
    if (path / QUESTIONS).is_file():
        return open_benchmark(path)
    files = [path / file for file in _FILES if (path / file).is_file()]
    if len(files) == len(_FILES):
        return open_benchmark(path, needs_questions=False)
    return _cut(path, (files or [path])[0])


def _cut(folder: Path, source: Path) -> Benchmark:
    """The texts of a file or of a folder of files, as a collection that nobody asks about."""
    documents: list[Document] = []
    with _named_faults(source):
        inputs = open_inputs([source])
    cutter = _cutter(source) if inputs.has_documents else None

    def cut(document: Document) -> list[Chunk]:
        documents.append(document)
        return cutter.cut(document) if cutter is not None else []

    with _named_faults(source):
        chunks = tuple(inputs.all_chunks(cut))
    if cutter is not None:
        count = f"{len(documents):,} documents into {len(chunks):,} chunks"
        log.info("%s: cut %s of at most %d tokens", source, count, CHUNK_TOKENS)
    return Benchmark(folder, tuple(documents), chunks, ())


def _cutter(source: Path) -> Cutter:
    try:
        return Cutter(tokenizer=load_tokenizer())
    except UserError as error:
        raise UserError(
            f"collection: {source}: is cut first, for which {error}; a file that `kinj chunk` made is a collection too"
        ) from error


@contextmanager
def _named_faults(source: Path) -> Iterator[None]:
    """Says of a fault which setting it belongs to, and of one in a folder's file how to go on without that file."""
    try:
        yield
    except UserError as error:
        is_of_a_file = str(error).startswith(f"{source}{os.sep}")
        way_out = f": mend it, or take it out of {source}" if is_of_a_file else ""
        raise UserError(f"collection: {error}{way_out}") from error
