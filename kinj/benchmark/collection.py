"""A benchmark folder, opened and checked (docs/format.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from kinj.benchmark.integrity import (
    SPLITS,
    refuse_broken_chunks,
    refuse_broken_questions,
    refuse_broken_training_texts,
    refuse_changed_files,
    refuse_misplaced_questions,
    refuse_repeated_ids,
)
from kinj.benchmark.place import FORM_FILES, QUESTION_FILES
from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.manifest import NAME as MANIFEST
from kinj.records import Chunk, Document, Pair, Paraphrase, Question

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from; `Document.facts` holds the ids."""

    id: str
    #: what happened, in a few words
    event: str
    #: ISO date
    date: str
    #: every text it was read in: an address or the name of a page
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The records of one folder, or of one split of it, in the order of their files."""

    folder: Path
    documents: tuple[Document, ...]
    chunks: tuple[Chunk, ...]
    #: of every form, the direct ones first
    questions: tuple[Question, ...]
    paraphrases: tuple[Paraphrase, ...] = ()
    pairs: tuple[Pair, ...] = ()
    sources: tuple[Source, ...] = ()

    def part(self, split: str) -> Benchmark:
        """The documents of one split and everything about them.

        Raises:
            UserError: a split other than test, dev and fewshot.
        """
        if split not in SPLITS:
            raise UserError(f"split={split!r}: expected one of {', '.join(SPLITS)}")
        documents = tuple(d for d in self.documents if d.split == split)
        inside = {d.id for d in documents}
        chunks = tuple(c for c in self.chunks if c.document_id in inside)
        kept = {c.id for c in chunks}
        facts = {fact for d in documents for fact in d.facts}
        return replace(
            self,
            documents=documents,
            chunks=chunks,
            # One chunk says it: all chunks of a question lie in one split, which opening has checked.
            questions=tuple(q for q in self.questions if (q.chunk_ids[0] in kept if q.chunk_ids else q.split == split)),
            paraphrases=tuple(p for p in self.paraphrases if p.chunk_id in kept),
            pairs=tuple(p for p in self.pairs if p.chunk_id in kept),
            sources=tuple(s for s in self.sources if s.id in facts),
        )

    def asked(self, form: str = "direct") -> tuple[Question, ...]:
        """The questions of one form that the documents answer."""
        return tuple(q for q in self.questions if q.form == form and q.answerable)


def open_benchmark(folder: Path, *, needs_questions: bool = True) -> Benchmark:
    """The benchmark in `folder`, whole and consistent; all but documents, chunks and questions may be absent.

    Args:
        folder: of its files.
        needs_questions: false where a collection to train on, which may have none, will do.

    Raises:
        UserError: a needed file is absent, a line is bad (`file:line: why`), a file differs from the folder's manifest,
            an id is repeated or does not resolve, a chunk is no exact slice of its document, a split is unknown, a
            question's chunks lie in several splits, it has neither two to ten options with one of them right nor, where
            it has none, accepted answers, it stands in another form's file, or its evidence is no slice of its chunks.
            The message names the file and the row.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    if (folder / MANIFEST).is_file():
        refuse_changed_files(folder)
    benchmark = Benchmark(
        folder=folder,
        documents=_read(folder / "documents.jsonl", Document),
        chunks=_read(folder / "chunks.jsonl", Chunk),
        questions=_read_questions(folder, needs_questions=needs_questions),
        paraphrases=_read_optional(folder / "paraphrases.jsonl", Paraphrase),
        pairs=_read_optional(folder / "pairs.jsonl", Pair),
        sources=_read_optional(folder / "sources.jsonl", Source),
    )
    _refuse_inconsistent(benchmark)
    return benchmark


def _read_questions(folder: Path, *, needs_questions: bool) -> tuple[Question, ...]:
    questions: list[Question] = []
    for name in QUESTION_FILES:
        is_needed = needs_questions and name == FORM_FILES["direct"]
        rows = (_read if is_needed else _read_optional)(folder / name, Question)
        refuse_misplaced_questions(folder / name, rows)
        questions += rows
    return tuple(questions)


def _read(path: Path, kind: type[T]) -> tuple[T, ...]:
    return tuple(read_records(path, kind))


def _read_optional(path: Path, kind: type[T]) -> tuple[T, ...]:
    return _read(path, kind) if path.is_file() else ()


def _refuse_inconsistent(benchmark: Benchmark) -> None:
    folder = benchmark.folder
    for name in ("documents", "chunks", "questions", "paraphrases", "pairs", "sources"):
        refuse_repeated_ids(folder / f"{name}.jsonl", [row.id for row in getattr(benchmark, name)])
    facts = {source.id for source in benchmark.sources}
    for document in benchmark.documents:
        at = f"{folder / 'documents.jsonl'}: {document.id}"
        if document.split not in (*SPLITS, ""):
            raise UserError(f"{at}: split {document.split!r}, expected {', '.join(SPLITS)}, or none for background")
        for fact in document.facts:
            if facts and fact not in facts:
                raise UserError(f"{at}: fact {fact!r} is not in sources.jsonl")
    refuse_broken_chunks(folder, benchmark.documents, benchmark.chunks)
    refuse_broken_questions(folder, benchmark.documents, benchmark.chunks, benchmark.questions)
    refuse_broken_training_texts(folder, benchmark.chunks, benchmark.paraphrases, benchmark.pairs)
