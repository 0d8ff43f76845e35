"""A source into a collection folder: documents.jsonl, chunks.jsonl, what was left out, and manifest.json last.

First every item that is new or changed is read and prepared into the folder's journal, which a kill cannot harm; then
the files are written from it in the source's order. Memory holds one document at a time in both. So whatever happens
between, the same things in the source give the same folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from kinj.corpus.contamination import QuestionFinder, read_questions
from kinj.corpus.duplicates import NEAR, DuplicateFinder
from kinj.corpus.journal import NAME as JOURNAL
from kinj.corpus.journal import UNPREPARED, Entry, Journal, open_journal
from kinj.corpus.preparing import Prepared, Preparer, unpacked
from kinj.corpus.readers.formats import library_versions
from kinj.corpus.sources.source import Item, Source, Unread
from kinj.corpus.summary import Summary
from kinj.corpus.used_ids import UsedIds
from kinj.errors import MissingExtraError, UserError
from kinj.hub.packaged import DEMO
from kinj.jsonl import record_line
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, replacing, sha256_file, write_manifest
from kinj.progress import progress
from kinj.records import Document, Json

DOCUMENTS, CHUNKS = "documents.jsonl", "chunks.jsonl"
#: What was left out, or wants a look; one JSON line each.
UNREAD, DOUBTFUL, DUPLICATES, QUESTIONS = "unread.jsonl", "doubtful.jsonl", "duplicates.jsonl", "questions_found.jsonl"
#: What the run that wrote the folder found added, changed and gone since the one before.
CHANGES = "changes.jsonl"
_FILES = (DOCUMENTS, CHUNKS, UNREAD, DOUBTFUL, DUPLICATES, QUESTIONS, CHANGES)
AGAIN = "type the same `kinj corpus` command again"


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How documents become a collection."""

    chunk_tokens: int
    #: its name as it is typed; empty: the default one
    tokenizer_name: str = ""
    #: documents that share this much of their 5-grams with an earlier one are left out; 1: only those of the same words
    near: float = NEAR
    #: benchmark folders and files of rows, whose questions are looked for
    questions: tuple[Path, ...] = ()
    #: stop at the first thing that cannot be read
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """A complete collection folder."""

    folder: Path
    manifest: Json
    #: items added, changed, gone and unchanged since it was last complete
    changes: dict[str, int]


def build_corpus(source: Source, out: Path, tokenizer: Tokenizer, settings: BuildSettings) -> Built:
    """Writes the collection of a source; where there is one already, does only what changed in the source since.

    Raises:
        UserError: `out` is no collection, one of another kind of source, or in use; a setting is wrong; or, where
            `is_strict`, something cannot be read.
        OSError: the disk is full. What was read is kept.
    """
    _refuse(out)
    if not 0 < settings.near <= 1:
        raise UserError(f"--near-duplicates {settings.near}: a share of at most 1, 0.8 for example")
    questions = QuestionFinder(read_questions(settings.questions))
    preparer = Preparer(settings.chunk_tokens, tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    with open_journal(out) as journal:
        _refuse_another_kind(journal, source, out)
        _read(source, journal, preparer, is_strict=settings.is_strict)
        changes = journal.changes()
        identity = _settings_json(source, preparer, settings, questions)
        manifest = _complete_manifest(out, identity, changes)
        if manifest is None:
            _refuse_to_empty(journal, source, out)
            # A reader refuses the folder from here on until all of it is new.
            (out / MANIFEST).unlink(missing_ok=True)
            summary = _write(out, journal, settings, questions)
            if not summary.documents:
                raise UserError(f"no document could be read; {out / UNREAD} says why")
            manifest = {"name": out.resolve().name, **identity, **summary.as_json(), "files": _hashes(out)}
            write_manifest(out, manifest)
        journal.complete()
    return Built(out, manifest, changes)


def is_unfinished(folder: Path) -> bool:
    """Whether a `kinj corpus` that was stopped left the folder."""
    return (folder / JOURNAL).is_file() and not (folder / MANIFEST).is_file()


def _refuse(out: Path) -> None:
    if out.is_file():
        raise UserError(f"{out} is a file: name a folder to write")
    if out.is_dir() and any(out.iterdir()) and not (out / JOURNAL).is_file():
        raise UserError(f"{out} holds files that are not of `kinj corpus`: name a new folder, or an empty one")


def _refuse_another_kind(journal: Journal, source: Source, out: Path) -> None:
    kind = journal.fact("kind")
    if kind not in (None, source.kind):
        raise UserError(f"{out} is a collection of {kind}, not of {source.kind}: name another folder")
    journal.set_fact("kind", source.kind)
    journal.commit()


def _refuse_to_empty(journal: Journal, source: Source, out: Path) -> None:
    """A disk that is not mounted today takes nothing away."""
    if (out / MANIFEST).is_file() and not journal.has_documents():
        made_from = " ".join(source.made_from)
        raise UserError(f"nothing that can be read is left in {made_from}; {out} stays as it was: delete it otherwise")


# ---- reading


def _read(source: Source, journal: Journal, preparer: Preparer, *, is_strict: bool) -> None:
    """Brings the journal to what the source holds now."""
    with progress(f"reading, in {source.unit}", source.total()) as advance:
        for count, item in enumerate(source.items(journal.version), 1):
            key = _take(journal, item, preparer)
            if is_strict and (unread := journal.unread(key)):
                raise UserError(f"{unread.place}: {unread.reason} (--strict)")
            advance(item.size, f"{count} read")
    journal.commit()


def _take(journal: Journal, item: Item, preparer: Preparer) -> str:
    """Keeps what an item gave; returns the key that it is kept under."""
    key, content = item.key, item.content
    if journal.is_of_this_run(key):
        content = Unread(key, "comes a second time: only the first one was read")
        while journal.is_of_this_run(key):
            key += ", again"
    if content is None and journal.prepared_by(key) in (preparer.identity, UNPREPARED):
        journal.keep(key)
        return key
    if content is None:
        entry = journal.entry(key)
        content, notes = unpacked(entry.notes, str(entry.body)).document, entry.notes
    else:
        notes = {"place": item.place or key, "removed": dict(item.removed), "doubt": item.doubt}
    prepared = _prepare(preparer, content) if isinstance(content, Document) else content
    if isinstance(prepared, Unread):
        unread = {"place": prepared.place or key, "reason": prepared.reason}
        journal.put(key, item.version, UNPREPARED, unread, None)
    else:
        journal.put(key, item.version, preparer.identity, notes | prepared.notes(), prepared.body())
    return key


def _prepare(preparer: Preparer, document: Document) -> Prepared | Unread:
    try:
        return preparer.prepare(document)
    except MissingExtraError:
        raise
    except UserError as error:  # it cannot be cut
        return Unread("", str(error))


# ---- writing


def _settings_json(source: Source, preparer: Preparer, settings: BuildSettings, questions: QuestionFinder) -> Json:
    """What decides the folder's content, beside what the source holds."""
    return {
        "format": 1,
        "kind": source.kind,
        "made_from": source.made_from,
        "chunk_tokens": settings.chunk_tokens,
        "tokenizer": {"name": settings.tokenizer_name or DEMO.hub_name, "sha256": preparer.tokenizer_sha256},
        "near_duplicates": settings.near,
        "questions_sha256": questions.sha256,
        "libraries": library_versions(),
    }


def _complete_manifest(out: Path, settings: Json, changes: dict[str, int]) -> Json | None:
    """The folder's manifest, where everything is as it was when it was written; else None."""
    if not (out / MANIFEST).is_file() or any(changes[name] for name in ("added", "changed", "gone")):
        return None
    manifest = read_manifest(out, AGAIN)
    is_same = {name: manifest.get(name) for name in settings} == settings
    return manifest if is_same and manifest.get("files") == _hashes(out) else None


def _hashes(out: Path) -> dict[str, str]:
    return {name: sha256_file(out / name) for name in _FILES if (out / name).is_file()}


def _write(out: Path, journal: Journal, settings: BuildSettings, questions: QuestionFinder) -> Summary:
    """Writes all files but the manifest; returns what they hold."""
    summary = Summary(questions=questions.count)
    with _naming(out), ExitStack() as stack:
        files = {name: _Sink(stack, out / name) for name in _FILES}
        writer = _Writer(files, DuplicateFinder(settings.near), questions, summary, is_strict=settings.is_strict)
        for change in journal.changed_items():
            files[CHANGES].add(change)
        advance = stack.enter_context(progress("writing", len(journal)))
        for entry in journal.entries():
            writer.write(entry)
            advance(1)
    return summary


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Says where the disk is full: an error while writing names no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(folder)
        raise


class _Sink:
    """A file that takes the place of the old one once all are written."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        part = stack.enter_context(replacing(path))
        self._file = stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))

    def add(self, record: object) -> None:
        self._file.write(record_line(record))


@dataclass(frozen=True, slots=True)
class Doubt:
    """A document that was read, and that a person should look at."""

    id: str
    place: str
    reason: str


class _Writer:
    """Writes entries into the files that they belong to."""

    def __init__(
        self,
        files: dict[str, _Sink],
        duplicates: DuplicateFinder,
        questions: QuestionFinder,
        summary: Summary,
        *,
        is_strict: bool,
    ) -> None:
        self._files, self._duplicates, self._questions, self._summary = files, duplicates, questions, summary
        self._used = UsedIds()
        self._is_strict = is_strict

    def write(self, entry: Entry) -> None:
        """Writes one item of the journal."""
        if entry.body is None:
            self._add_unread(Unread(entry.notes["place"], entry.notes["reason"]))
            return
        prepared, place = unpacked(entry.notes, entry.body), entry.notes["place"]
        document = prepared.document
        try:
            self._used.add(document.id, place)
        except UserError as error:
            self._add_unread(Unread(place, str(error).removeprefix(f"{place}: ")))
            return
        duplicate = self._duplicates.check(document.id, prepared.mark)
        if duplicate is not None:
            self._files[DUPLICATES].add(duplicate)
            self._summary.duplicates[duplicate.kind] += 1
            return
        self._files[DOCUMENTS].add(document)
        for chunk in prepared.chunks:
            self._files[CHUNKS].add(chunk)
        self._summary.add(prepared, entry.notes["removed"])
        self._look_at(document, place, entry.notes["doubt"])

    def _add_unread(self, unread: Unread) -> None:
        if self._is_strict:
            raise UserError(f"{unread.place}: {unread.reason} (--strict)")
        self._files[UNREAD].add(unread)
        self._summary.unread += 1

    def _look_at(self, document: Document, place: str, doubt: str) -> None:
        if doubt:
            self._files[DOUBTFUL].add(Doubt(document.id, place, doubt))
            self._summary.doubtful += 1
        for found in self._questions.find(document.id, document.text):
            self._files[QUESTIONS].add(found)
            self._summary.questions_found += 1
