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

    Everything is written and opened beside the folder first, the new manifest too, so that a fault leaves the folder as
    it was. While the files change places the folder has no manifest: it is unfinished then.

    Args:
        benchmark: whose `folder` is not looked at.
        folder: where to; it exists.
        values: of the manifest; `counts` and `files` are made anew.
        beside: further files of records by name; the manifest has those that `values["files"]` names, and of what else
            it names beside the records what is still there.

    Raises:
        UserError: the records are no benchmark; the message names the row.
    """
    with tempfile.TemporaryDirectory(prefix=".benchmark-", dir=folder) as scratch:
        made = Path(scratch)
        names = _write(benchmark, made)
        open_benchmark(made)
        for name, rows in (beside or {}).items():
            write_records(made / name, rows)
        write_manifest(made, {**values, "counts": counts_of(benchmark), "files": _sealed(made, folder, values)})
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in beside or {}:
            (made / name).replace(folder / name)
        for name in DATA_FILES:
            if name in names:
                (made / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        (made / MANIFEST).replace(folder / MANIFEST)


def _sealed(made: Path, folder: Path, values: Json) -> dict[str, str]:
    """The SHA-256 of the files of records, and of what `values["files"]` names beside them and is there."""
    others = {name: folder / name for name in values.get("files", ()) if name not in DATA_FILES}
    places = others | {name: made / name for name in (*DATA_FILES, *others) if (made / name).is_file()}
    return {name: sha256_file(place) for name, place in sorted(places.items()) if place.is_file()}


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
