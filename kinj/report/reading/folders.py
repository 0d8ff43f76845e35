"""Finds results below folders, at any depth, and reads what can be read; the rest is named with its reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file
from kinj.progress import progress
from kinj.records import Json
from kinj.report.reading.formats import EVERY_EVAL_EVER, HELM, INSPECT, LIGHTEVAL, LM_EVAL, MARKS, told_by_content
from kinj.report.reading.lm_eval import read_lm_eval
from kinj.report.reading.others import read_inspect, read_lighteval, read_old_lm_eval
from kinj.report.reading.plain import plain
from kinj.report.reading.runs import SEALED, UNCHECKED, Problem, Run
from kinj.report.reading.values import mapping

#: Bytes of the largest file of results that is parsed; lm-eval's own have 10 kB to 5 MB. Samples are streamed instead.
LARGEST = 64 * 2**20
#: Folders that hold no results, and may hold very many files.
_SKIPPED = {".git", "node_modules", "__pycache__", "passages"}

#: Reads files of further kinds: given a file and its place, the runs in it, or None where it is no such file.
Reader = Callable[[Path, str, Callable[[str], None]], list[Run] | None]


def read_runs(paths: Iterable[Path], readers: Iterable[Reader] = ()) -> tuple[list[Run], list[Problem]]:
    """All runs at or below the paths, and what was not taken.

    A file that is broken, or is somebody else's, is a problem, not an error. Files that are no results at all are
    passed over in silence, unless they were named.

    Raises:
        UserError: a path that does not exist.
    """
    found = [one for path in paths for one in _files(path)]
    runs: list[Run] = []
    problems: list[Problem] = []
    further = tuple(readers)
    with progress("reading results", len(found)) as advance:
        for file, place, is_named in found:
            try:
                runs += _read(file, place, is_named, further, problems)
            except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
                problems.append(Problem(place, plain(_why(error))))
            advance(1)
    return runs, problems


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    said = " ".join(str(error).split())
    return (
        said
        if isinstance(error, ValueError) and said
        else f"not as its kind should be ({type(error).__name__}: {said})"
    )


def _files(path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Files that may be results, what to call each (its place below the given folder), and whether it was named."""
    if path.is_file():
        yield path, plain(path.name), True
        return
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder; name one that `lm_eval --output_path` wrote")
    top = path.resolve().name
    for folder, below, names in os.walk(path):  # which does not follow links to folders
        below[:] = sorted(name for name in below if name not in _SKIPPED and not name.endswith(".part"))
        for name in sorted(names):
            file = Path(folder, name)
            if name.endswith((".json", ".jsonl.gz", ".eval")) and name != MANIFEST and file.is_file():
                yield file, plain(os.path.join(top, file.relative_to(path).as_posix())), False


def _read(file: Path, place: str, is_named: bool, readers: tuple[Reader, ...], problems: list[Problem]) -> list[Run]:
    def say(why: str) -> None:
        problems.append(Problem(place, why))

    for reader in readers:
        if (runs := reader(file, place, say)) is not None:
            return runs
    if file.suffix == ".eval":
        say("inspect's binary log: write it as JSON by `inspect log convert --to json`")
        return []
    if file.suffix != ".json":
        if is_named:
            say("no file of results: those are .json; samples are found beside their results")
        return []
    is_expected = is_named or file.name.startswith("results")
    size = file.stat().st_size
    if size > LARGEST:
        if is_expected or _has_mark(file):
            say(
                f"{size / 2**20:.0f} MB: results of at most {LARGEST // 2**20} MB are read, as no program writes larger"
            )
        return []
    run = _parsed(file, place, is_expected, say)
    return [run] if run is not None else []


def _parsed(file: Path, place: str, is_expected: bool, say: Callable[[str], None]) -> Run | None:
    """The run in a JSON file; where none was expected, a file of something else is passed over in silence."""
    raw = file.read_bytes()
    if not is_expected and not any(mark in raw for mark in MARKS):
        return None
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        say(f"cut off, or no JSON ({plain(error)})")
        return None
    kind = told_by_content(value)
    if kind is None:
        if is_expected:
            say("no results of lm-eval, lighteval, inspect or Every Eval Ever")
        return None
    return _run(kind, file, place, value, say)


def _has_mark(file: Path) -> bool:
    with file.open("rb") as source:
        head = source.read(2**16)
    return any(mark in head for mark in (*MARKS, b'"eval"'))


def _run(kind: str, file: Path, place: str, value: Json, say: Callable[[str], None]) -> Run | None:
    if kind == HELM:
        say("HELM's: convert its folder by `every_eval_ever convert helm`, and give what that writes")
        return None
    if kind == EVERY_EVAL_EVER:  # its reader has looked at it before
        say("Every Eval Ever, which this command does not read")
        return None
    if kind == LIGHTEVAL:
        return _with_scores(read_lighteval(file, place, value, say), say)
    if kind == INSPECT:
        return _with_scores(read_inspect(file, place, value, say), say)
    if kind != LM_EVAL:
        return _with_scores(read_old_lm_eval(file, place, value, say), say)
    manifest = cell_manifest(file)
    if manifest is not None and (changed := _changed(file, manifest)):
        say(f"changed since kinj compare sealed it: {', '.join(map(plain, changed))}; ask the cell anew")
        return None
    run = read_lm_eval(file, place, value, manifest["cell"] if manifest else None, say)
    if manifest is not None and file.name in _sums(manifest):  # manifests of kinj 0.1 have sizes alone
        results = (replace(one, checked=SEALED) if one.checked == UNCHECKED else one for one in run.results)
        run = replace(run, results=tuple(results))
    return _with_scores(run, say)


def _with_scores(run: Run, say: Callable[[str], None]) -> Run | None:
    if run.results:
        return run
    say("no score in it")
    return None


def cell_manifest(file: Path) -> Json | None:
    """The manifest of `kinj compare` that lies beside results; None where there is none.

    Raises:
        ValueError: one that is cut off, or not as kinj writes it.
    """
    path = file.with_name(MANIFEST)
    if not path.is_file() or path.stat().st_size > LARGEST:
        return None
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            "the manifest beside it is cut off, or no JSON: nothing says whether a file changed"
        ) from error
    if not isinstance(value, dict) or value.get("made_by") != "kinj compare":
        return None
    if not isinstance(value.get("files"), dict) or not isinstance(value.get("cell"), dict):
        raise ValueError("the manifest beside it is not as kinj compare writes it")
    return value


def _changed(file: Path, manifest: Json) -> list[str]:
    """Names of files that are not as the manifest says: gone, or of another size or SHA-256."""
    sums = _sums(manifest)
    changed = [] if file.name in manifest["files"] else [file.name]
    for name, size in manifest["files"].items():
        path = file.with_name(name) if "/" not in name and name not in ("", ".", "..") else None
        if path is None or not path.is_file() or path.stat().st_size != size or not _has_sum(path, sums.get(name)):
            changed.append(name)
    return changed


def _sums(manifest: Json) -> Json:
    return mapping(manifest.get("sha256"))


def _has_sum(path: Path, stated: object) -> bool:
    """Whether a file has the SHA-256 that is stated, or none is."""
    return stated is None or sha256_file(path) == stated
