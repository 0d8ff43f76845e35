"""OUT: a whole benchmark folder of what stands, whichever command wrote it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from kinj.benchmark import QUESTION_FILES, Benchmark
from kinj.benchmark.reviewing import REVIEW, Item
from kinj.benchmark.sealing import write_benchmark
from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, sha256_file
from kinj.records import Chunk, Document, Json, Pair, Paraphrase, Question
from kinj.writing.candidate import TASKS, Row, about, sort_of
from kinj.writing.journal import Journal
from kinj.writing.material import Material

T = TypeVar("T", bound=Row)

_DOCUMENTS = "documents"
#: ids of the collection's own rows that the folder has been given
_TAKEN = "taken"


def write_folder(
    journal: Journal,
    out: Path,
    source: Path,
    material: Material,
    *,
    rows: Sequence[Row],
    review: Sequence[Item],
    is_ours: Callable[[str], bool],
    splits: Mapping[str, str],
    facts: Json,
) -> None:
    """Makes the folder whole: documents with their splits, chunks, every row that stands, and the manifest last.

    Args:
        journal: keeps the manifest while there is none.
        out: exists; may be `source`.
        source: the collection.
        material: what it holds.
        rows: of this command that stand; its earlier ones go, all others stay that are about a chunk as it still is, in
            `out` and in `source`. What `source` had the last time comes no second time: a person may have taken it out
            of `out`.
        review: all that the review file is to hold.
        is_ours: of the sort of a row's id (`sort_of`): whether this command writes such rows.
        splits: document -> test, dev or fewshot; the others keep what they have.
        facts: of this command, for the manifest.

    Raises:
        UserError: a row that a person edited is none that could be asked; the folder stays what it was.
    """
    unchanged = _unchanged_chunks(out, material)
    given = {**journal.facts.get("splits", {}), **splits_of(out), **splits}
    ids = {row.id for row in rows}
    has = unchanged & _chunks_in(out).keys()
    taken, given_rows = set(journal.facts.get(_TAKEN, {}).get("ids", ())), set[str]()

    def standing(names: Sequence[str], kind: type[T]) -> tuple[T, ...]:
        old: dict[str, T] = {}
        offered = _read(source, names, kind)
        given_rows.update(row.id for row in offered)
        new = [row for row in offered if row.id not in taken or not has or not has.issuperset(_chunk_ids(row))]
        for found, chunks in ((_read(out, names, kind), unchanged), (new, set(material.chunks))):
            for row in found:
                if chunks.issuperset(_chunk_ids(row)) and row.id not in ids and not is_ours(sort_of(row.id)):
                    old.setdefault(row.id, row)
        return (*old.values(), *(row for row in rows if isinstance(row, kind)))

    benchmark = Benchmark(
        folder=out,
        documents=tuple(replace(d, split=given.get(d.id, d.split)) for d in material.benchmark.documents),
        chunks=material.benchmark.chunks,
        questions=standing(QUESTION_FILES, Question),
        paraphrases=standing(("paraphrases.jsonl",), Paraphrase),
        pairs=standing(("pairs.jsonl",), Pair),
        sources=material.benchmark.sources,
    )
    before = _manifest_before(journal, out, source)
    values = {
        "name": out.resolve().name,
        **before,
        "writing": {**before.get("writing", {}), **facts},
        "files": sorted({*before.get("files", ()), REVIEW}),
    }
    write_benchmark(benchmark, out, values, {REVIEW: review})
    if given_rows != taken:
        journal.set_fact(_TAKEN, {"ids": sorted(given_rows)})


def _manifest_before(journal: Journal, out: Path, source: Path) -> Json:
    """What the folder's manifest says; for a new folder, what that of its collection says about the texts."""
    if (out / MANIFEST).is_file():
        journal.set_fact("manifest", read_manifest(out, "restore it or delete it"))
    # Where a run was killed between the old manifest and the new one, it stands in the journal alone.
    if before := journal.facts.get("manifest"):
        return before
    if not (source / MANIFEST).is_file():
        return {}
    given = read_manifest(source, "restore it or delete it")
    known: Json = {name: given[name] for name in ("license", "languages", "licenses") if name in given}
    return known | {"collection": {"name": given.get("name", source.name), "sha256": sha256_file(source / MANIFEST)}}


def splits_of(out: Path) -> dict[str, str]:
    """The split of each document that has one in the folder, whoever gave it: newer than what the journal knows."""
    path = out / "documents.jsonl"
    return {d.id: d.split for d in read_records(path, Document) if d.split} if path.is_file() else {}


def standing_questions(out: Path, source: Path) -> list[Question]:
    """The evaluation questions of the folder and of the collection; those with options."""
    found = {row.id: row for folder in (source, out) for row in _read(folder, QUESTION_FILES, Question)}
    return [question for question in found.values() if question.choices]


def refuse_losing(journal: Journal, out: Path, source: Path, is_ours: Callable[[str], bool]) -> None:
    """Refuses a command whose rows would take the place of those that another folder's `kinj write` has written.

    Args:
        journal: of `out`: whatever it knows is written anew by the command.
        out: may not be there yet.
        source: the collection.
        is_ours: as of `write_folder`.

    Raises:
        UserError: there are such rows.
    """
    keys = {entry.key for entry in journal.all_entries()}
    known = {(key.task, name) for key in keys for name in (key.chunk, key.chunk.replace(" ", "+"))}
    is_apart = out.resolve() != source.resolve()
    for folder in (out, source) if is_apart else (out,):
        rows: list[Row] = [*_read(folder, QUESTION_FILES, Question), *_read(folder, ("pairs.jsonl",), Pair)]
        rows += _read(folder, ("paraphrases.jsonl",), Paraphrase)
        is_given = is_apart and folder == source
        # By its id: a person may have edited which chunks a row is about.
        ours = [row.id for row in rows if is_ours(sort_of(row.id))]
        lost = [name for name in ours if is_given or (TASKS[sort_of(name)], about(name)) not in known]
        if lost and is_given:
            raise UserError(
                f"{source}: an earlier `kinj write` wrote {len(lost):,} of its rows ({lost[0]}), which would not come "
                f"into {out}: name {source} as OUT too, or the collection that it was made of as IN"
            )
        if lost:
            raise UserError(
                f"{out}: {len(lost):,} rows ({lost[0]}) have ids that `kinj write` gives, and journal.jsonl there does "
                "not know them; they would be lost: restore the journal, or give the rows ids of your own"
            )


def _chunk_ids(row: Row) -> tuple[str, ...]:
    return row.chunk_ids if isinstance(row, Question) else (row.chunk_id,)


def _read(folder: Path, names: Sequence[str], kind: type[T]) -> list[T]:
    return [row for name in names if (folder / name).is_file() for row in read_records(folder / name, kind)]


def _unchanged_chunks(out: Path, material: Material) -> set[str]:
    """Chunks that `out` has in the same words: rows about others are about something that is gone."""
    old = _chunks_in(out)
    return {chunk_id for chunk_id, chunk in material.chunks.items() if old.get(chunk_id, chunk.text) == chunk.text}


def _chunks_in(out: Path) -> dict[str, str]:
    path = out / "chunks.jsonl"
    return {chunk.id: chunk.text for chunk in read_records(path, Chunk)} if path.is_file() else {}


def changes_since(journal: Journal, command: str, documents: Sequence[Document]) -> dict[str, list[str]]:
    """Ids of documents added, changed and gone since the command last came to its end; nothing before it ever did."""
    before = journal.facts.get(_DOCUMENTS, {}).get(command)
    if before is None:
        return {}
    now = {document.id: _sha(document) for document in documents}
    return {
        "added": [name for name in now if name not in before],
        "changed": [name for name in now if before.get(name, now[name]) != now[name]],
        "gone": [name for name in before if name not in now],
    }


def keep_documents(journal: Journal, command: str, documents: Sequence[Document]) -> None:
    """The command has come to its end with these documents."""
    known = journal.facts.get(_DOCUMENTS, {})
    journal.set_fact(_DOCUMENTS, {**known, command: {document.id: _sha(document) for document in documents}})


def _sha(document: Document) -> str:
    return hashlib.sha256(document.text.encode("utf-8", "replace")).hexdigest()[:16]
