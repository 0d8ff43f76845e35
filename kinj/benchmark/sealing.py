"""A benchmark's records into a folder of files, and the manifest that seals them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from kinj.benchmark.collection import Benchmark, open_benchmark
from kinj.benchmark.integrity import file_of
from kinj.benchmark.place import DATA_FILES, FORM_FILES
from kinj.jsonl import write_records
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file, write_manifest
from kinj.records import Json


def write_benchmark(
    benchmark: Benchmark, folder: Path, values: Json, beside: Mapping[str, Iterable[object]] | None = None
) -> None:
    """Writes the records as the files of `folder`, and its manifest last; what is no file of records stays as it is.

    Everything is written and opened beside the folder first, so that a fault leaves the folder as it was.

    Args:
        benchmark: whose `folder` is not looked at.
        folder: where to; it exists.
        values: of the manifest; `counts` and `files` are made anew.
        beside: further files of records by name; the manifest has those that `values["files"]` names.

    Raises:
        UserError: the records are no benchmark; the message names the row.
    """
    with tempfile.TemporaryDirectory(prefix=".benchmark-", dir=folder) as scratch:
        made = Path(scratch)
        names = _write(benchmark, made)
        open_benchmark(made)
        for name, rows in (beside or {}).items():
            write_records(made / name, rows)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in beside or {}:
            (made / name).replace(folder / name)
        for name in DATA_FILES:
            if name in names:
                (made / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    seal(folder, {**values, "counts": counts_of(benchmark)})


def seal(folder: Path, values: Json) -> None:
    """Writes the manifest of a benchmark folder: these values, and the SHA-256 of its files.

    Those are the files of records, and what `values["files"]` names beside them, where it is still there.
    """
    names = sorted({*DATA_FILES, *values.get("files", ())})
    sealed = {name: sha256_file(folder / name) for name in names if (folder / name).is_file()}
    write_manifest(folder, {**values, "files": sealed})


def counts_of(benchmark: Benchmark) -> Json:
    """How many records there are; of questions by split."""
    questions = {split: len(benchmark.part(split).questions) for split in ("test", "dev", "fewshot")}
    names = ("documents", "chunks", "paraphrases", "pairs", "sources")
    return {"questions": questions, **{name: len(getattr(benchmark, name)) for name in names}}


def _write(benchmark: Benchmark, folder: Path) -> set[str]:
    """Writes the records, and gives the names of the files that have some, or have to be there."""
    files: dict[str, list[object]] = {name: [] for name in ("documents.jsonl", "chunks.jsonl", FORM_FILES["direct"])}
    for name in ("documents", "chunks", "paraphrases", "pairs", "sources"):
        if rows := getattr(benchmark, name):
            files[f"{name}.jsonl"] = list(rows)
    for question in benchmark.questions:
        files.setdefault(file_of(question), []).append(question)
    for name, rows in files.items():
        write_records(folder / name, rows)
    return set(files)
