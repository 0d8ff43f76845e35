"""Building an index folder: complete or absent, resumable, safe when several processes start at once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kinj.cache import cache_folder, made_cache_folder
from kinj.corpus.inputs import read_chunks
from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, sha256_file, sha256_json, write_manifest
from kinj.records import Chunk, Json
from kinj.retrieval.analysis import ANALYSIS
from kinj.retrieval.changes import Before, Known, check_update, log_changes
from kinj.retrieval.chunkfile import SortedChunks, sort_chunks
from kinj.retrieval.embedding.embedder import Embedder
from kinj.retrieval.embedding.find import find_embedder
from kinj.retrieval.index import rebuild
from kinj.retrieval.languages import Languages, check_language, find_languages
from kinj.retrieval.local.bm25 import build_bm25
from kinj.retrieval.local.index import CHUNKS, FORMAT, VECTORS, WORDS, LocalIndex, open_local_index
from kinj.retrieval.making import embedder_of_build, in_words, versions_of
from kinj.retrieval.scratch import scratch_folder

log = logging.getLogger(__name__)


def build_index(
    chunks: Iterable[Chunk],
    folder: Path,
    embedder: str | None = None,
    *,
    overwrite: bool = False,
    update: bool = False,
    made_from: Sequence[str] = (),
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    language: str | None = None,
) -> LocalIndex:
    """The index of these chunks in `folder`, built there or, where it is the one already there, reused.

    All is written beside the folder, in `.NAME.building`, and renamed when complete. What was embedded before an
    interruption is found there and not embedded again. Memory does not grow with the number of chunks.

    Args:
        chunks: in any order, read once; the same chunks give the same index.
        folder: where the index goes; new, empty, or an index of kinj.
        embedder: name or folder of a sentence-transformers model; without one the index has no vectors.
        overwrite: replace an index of other chunks or another embedder.
        update: make these chunks of the index that is there, by the embedder and the language that it was built with:
            what was embedded before is kept, and its words, which take seconds, are indexed anew. The result is that
            of a fresh build, but for the last bits of vectors that were embedded in other company.
        made_from: the words of `kinj index build` that make these chunks, for the command in later error messages.
        query_prefix: what the embedder reads before each query; by default what the model's files or its card say.
        passage_prefix: the same before each passage.
        language: ISO 639-1, of all chunks; by default what `find_languages` finds.

    Raises:
        UserError: no chunks, an id given twice, an empty text, a prefix without an embedder, no language code, or
            `folder` holds something else.
        OSError: the disk is full.
        MissingExtraError: an embedder is asked for without the libraries for it.
    """
    check_language(language)
    if folder.is_mount():
        raise UserError(f"{folder} is a mount point, which no complete index can be moved to: name a folder inside it")
    before = open_local_index(folder) if update and (folder / MANIFEST).is_file() else None
    if before is not None:
        check_update(folder, before.manifest, made_from, query_prefix, passage_prefix)
        language = language or before.manifest.get("language")
    updated = before.manifest if before is not None else None
    model = embedder_of_build(folder, updated, embedder, query_prefix, passage_prefix)
    with scratch_folder(folder.parent, folder.name) as scratch:
        made = sort_chunks(chunks, scratch / CHUNKS)
        languages = find_languages(made, language)
        analysis = languages.analysis.description
        wanted: Json = {"chunks": made.summary, "embedder": model and model.identity, "analysis": analysis}
        if language is not None:
            wanted["language"] = language
        with _locked(folder):
            if _must_build(folder, wanted, overwrite=overwrite or before is not None):
                known = _update(before, made) if before is not None else None
                _build(folder, made, languages, wanted, model, made_from, known)
            else:
                log.info("%s already holds this index: reused", folder)
            shutil.rmtree(_work_folder(folder), ignore_errors=True)
    return open_local_index(folder)


def collection_index(collection_folder: Path, embedder: str | None) -> Path:
    """The folder of the index of a collection's `chunks.jsonl`, in the cache; built on first use.

    The place is named by the chunks' SHA-256 and the embedder, so a changed collection gets an index of its own.
    """
    source = collection_folder / CHUNKS
    if not source.is_file():
        raise UserError(f"{source}: no such file; a collection needs its chunks there")
    model = find_embedder(embedder) if embedder is not None else None
    key = sha256_json([FORMAT, ANALYSIS, sha256_file(source), model and model.sha256])[:16]
    folder = cache_folder("indexes", f"{collection_folder.resolve().name}-{key}")
    if not (folder / MANIFEST).is_file():
        made_cache_folder("indexes")
        log.info("building the index of %s in %s", collection_folder, folder)
        build_index(read_chunks([source]), folder, embedder, overwrite=True, made_from=[str(source)])
    return folder


def _work_folder(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.building"


def _build(
    folder: Path,
    made: SortedChunks,
    languages: Languages,
    wanted: Json,
    model: Embedder | None,
    made_from: Sequence[str],
    known: Known | None,
) -> None:
    """Builds the whole index beside its place, then puts it there."""
    unfinished = _work_folder(folder) / "index"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    made = made.move(unfinished / CHUNKS)
    _build_words(unfinished, made, languages)
    if model is not None:
        shards = _work_folder(folder) / "shards"
        wanted = {**wanted, "embedder": _build_vectors(unfinished, made, model, shards, known)}
    write_manifest(unfinished, _manifest(wanted, made.fields, made_from))
    _publish(unfinished, folder)


def _build_words(unfinished: Path, chunks: Iterable[Chunk], languages: Languages) -> None:
    (unfinished / WORDS).mkdir()
    build_bm25(unfinished / WORDS, chunks, languages)
    # tantivy makes some files readable for their owner only, which would shut out those who share the folder.
    mode = (unfinished / CHUNKS).stat().st_mode
    for file in (unfinished / WORDS).iterdir():
        file.chmod(mode)


def _update(index: LocalIndex, made: SortedChunks) -> Known | None:
    """The vectors that the index has, where it has any; says what is changed."""
    before = Before(index.all_chunks(), len(index))
    if index.manifest["embedder"] is None:
        return log_changes(index.folder, before, made, None)
    from kinj.retrieval.local.vectors import Vectors

    return log_changes(index.folder, before, made, Vectors(index.folder / VECTORS).of_rows)


def _build_vectors(unfinished: Path, chunks: SortedChunks, model: Embedder, shards: Path, known: Known | None) -> Json:
    """Writes the vectors of the chunks; returns what the manifest says about the embedder."""
    from kinj.retrieval.embedding.shards import embed_in_shards
    from kinj.retrieval.local.vectors import write_vectors

    vectors = embed_in_shards(chunks.texts(), len(chunks), model, shards, known)
    dimensions = write_vectors(unfinished / VECTORS, vectors)
    return model.describe(chunks.texts(), dimensions)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0.5)
    except Timeout:
        log.info("another process is building %s: waiting for it", folder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _must_build(folder: Path, wanted: Json, *, overwrite: bool) -> bool:
    """Whether `folder` does not already hold the wanted index; refuses what must not be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return True
    if not (folder / MANIFEST).is_file() or read_manifest(folder, "").get("kind") != "kinj index":
        raise UserError(f"{folder} exists and is not an index of kinj: choose another folder")
    manifest = read_manifest(folder, rebuild(folder))
    if manifest["format"] == FORMAT and _same(manifest, wanted):
        open_local_index(folder)
        return False
    if not overwrite:
        raise UserError(
            f"{folder} holds another index ({in_words(manifest)}): add --overwrite, or choose another folder"
        )
    return True


def _same(manifest: Json, wanted: Json) -> bool:
    def key(values: Json) -> tuple[object, ...]:
        return values["chunks"]["sha256"], (values["embedder"] or {}).get("sha256"), values["analysis"]

    return key(manifest) == key(wanted)


def _manifest(wanted: Json, fields: dict[str, int], made_from: Sequence[str]) -> Json:
    return {
        "kind": "kinj index",
        "format": FORMAT,
        **wanted,
        "fields": fields,
        "made_from": list(made_from),
        "versions": versions_of("kinj", "tantivy", "faiss-cpu", "sentence-transformers"),
    }


def _publish(unfinished: Path, folder: Path) -> None:
    """Puts the complete index in its place; an old one is moved aside first, as no rename replaces a full folder."""
    old = unfinished.parent / "replaced"
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
