"""A small form of results to send to others: a line a question and cell, no text of a question, passage or answer."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kinj.errors import UserError
from kinj.manifest import replacing
from kinj.records import Json
from kinj.report.reading import Answers, GroupMean, Result, Run
from kinj.report.reading.plain import plain
from kinj.report.reading.runs import MARKS
from kinj.report.reading.values import check, number

#: In the first line, by which a pack is known.
VERSION = 1
SUFFIX = ".jsonl.gz"
#: The texts that a row may hold: ids, hashes and words of one kind.
_WORD = re.compile(r"[\w.:#@+/-]{0,80}")
#: What a pack may unpack to, line and whole, in bytes: more is somebody's trick.
_LONGEST_LINE, _LARGEST = 2**22, 2**33


@dataclass(frozen=True, slots=True)
class PackedCell:
    """One cell: what is known of it, and a row for each of its questions."""

    #: settings and numbers; texts in it are to be fit to be shown
    facts: Json
    #: JSON objects without texts: numbers, ids, words of one kind, and lists of these
    rows: Iterable[Json]


def refuse_name(file: Path) -> None:
    """Returns where a pack may be called so.

    Raises:
        UserError: it would not be known as one again, or a file that is no pack has that name.
    """
    if not file.name.endswith(SUFFIX):
        raise UserError(f"--pack {file}: the name of a pack ends in {SUFFIX}")
    if file.exists() and not _is_pack(file):
        raise UserError(f"--pack {file}: is there, and no pack; choose another name, or move it away")


def _is_pack(file: Path) -> bool:
    try:
        with gzip.open(file, "rb") as source:
            return "kinj_pack" in next(_lines(file, source), {})
    except (OSError, UserError):
        return False


def write_cells(file: Path, cells: Iterable[PackedCell]) -> int:
    """Writes a pack; the same cells give the same bytes.

    Returns:
        How many rows it has.

    Raises:
        UserError: a row with a text that is more than a word.
    """
    count = 0
    with replacing(file) as part, part.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as sink:
        sink.write(_line({"kinj_pack": VERSION}))
        for cell in cells:
            rows = [_line(_fit(row)) for row in cell.rows]
            sink.write(_line({"cell": cell.facts, "rows": len(rows)}))
            sink.writelines(rows)
            count += len(rows)
    return count


def read_cells(file: Path) -> Iterator[PackedCell]:
    """The cells of a pack, one at a time.

    Raises:
        UserError: it is none, of another version, or cut off.
    """
    with gzip.open(file, "rb") as source:
        lines = _lines(file, source)
        head = next(lines, {})
        if head.get("kinj_pack") != VERSION:
            raise UserError(
                f"{file}: no pack of this kinj (version {plain(head.get('kinj_pack'))}, it reads {VERSION})"
            )
        for cell in lines:
            if not isinstance(cell.get("cell"), dict) or not isinstance(cell.get("rows"), int):
                raise UserError(f"{file}: not as kinj writes packs: a cell's line is missing")
            rows = list(itertools.islice(lines, max(cell["rows"], 0)))
            if len(rows) != cell["rows"]:
                raise UserError(f"{file}: cut off: a cell of {cell['rows']} rows ends after {len(rows)}")
            yield PackedCell(cell["cell"], rows)


def _lines(file: Path, source: BinaryIO | gzip.GzipFile) -> Iterator[Json]:
    size = 0
    try:
        while line := source.readline(_LONGEST_LINE):
            size += len(line)
            if len(line) == _LONGEST_LINE or size > _LARGEST:
                raise UserError(f"{file}: too large to be a pack")
            value = json.loads(line)
            if not isinstance(value, dict):
                raise UserError(f"{file}: not as kinj writes packs: a line is no object")
            yield value
    except (EOFError, OSError, ValueError, RecursionError, zlib.error) as error:
        raise UserError(f"{file}: cut off, or no pack ({type(error).__name__})") from error


def _line(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _fit(row: Json) -> Json:
    for name, value in row.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if not isinstance(one, (int, float, type(None))) and not (isinstance(one, str) and _WORD.fullmatch(one)):
                raise UserError(f"a pack holds no texts, and {name!r} is one: {plain(one)!r}")
    return row


# ---- runs, as the leaderboard reads them

#: Of a result: all but its answers, and what they make of it.
_FACTS = ("task", "metric", "filter", "value", "n", "stderr", "higher_is_better", "comparison", "chance")


def write_pack(file: Path, runs: Iterable[Run], more: Iterable[PackedCell] = ()) -> int:
    """Writes runs with their answers, so that the same leaderboard can be made of the pack; returns its rows.

    Args:
        file: to be written.
        runs: whose answers it holds.
        more: what else is to stand in it, a comparison's cells say; `read_pack` passes over them.
    """
    cells = (cell for number, run in enumerate(runs) for cell in _cells(number, run))
    return write_cells(file, itertools.chain(cells, more))


def read_pack(file: Path, place: str, say: Callable[[str], None]) -> list[Run] | None:
    """The runs of a pack; None where it is another file."""
    if not file.name.endswith(SUFFIX):
        return None
    found: dict[int, tuple[Json, list[Result]]] = {}
    try:
        for cell in read_cells(file):
            facts = cell.facts
            if "run" not in facts and facts.keys() & {"comparison", "questions", "cell"}:
                continue  # a report's own, of the same answers
            _, results = found.setdefault(int(facts["run"]), (facts, []))
            results.append(_result(facts["result"], list(cell.rows), say))
        return [_run(file, place, facts, results) for facts, results in found.values()]
    except UserError as error:
        say(plain(str(error).removeprefix(f"{file}: ")))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        say(f"not as kinj writes packs ({type(error).__name__})")
    return []


def _cells(number_of_run: int, run: Run) -> Iterator[PackedCell]:
    about: Json = {
        "file": run.place,
        "source": run.source,
        "model": run.model,
        "settings": dict(run.settings),
        "details": dict(run.details),
        "marks": list(run.marks),
        "groups": [[one.name, one.metric, one.filter, one.value, list(one.tasks), one.over] for one in run.groups],
    }
    for result in run.results:
        facts = {name: getattr(result, name) for name in _FACTS}
        yield PackedCell({"run": number_of_run, **about, "result": facts}, _rows(result.answers))
        about = {}  # said once


def _rows(answers: Answers | None) -> Iterator[Json]:
    if answers is None:
        return
    columns = (answers.keys.tolist(), answers.clusters.tolist(), answers.values.tolist())
    for key, cluster, value in zip(*columns, strict=True):
        yield {"q": f"{key:016x}", **({"c": f"{cluster:016x}"} if cluster != key else {}), "v": _short(value)}


def _short(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def _result(facts: Json, rows: list[Json], say: Callable[[str], None]) -> Result:
    value = number(facts["value"])
    if value is None:
        raise ValueError("no number")
    task, n = plain(facts["task"]), number(facts.get("n"))
    answers = None
    if rows and n is not None and n != len(rows):
        say(f"task {task!r}, {plain(facts['metric'])}: {len(rows)} rows, the result says {n:g}; they are not used")
    elif rows:
        keys = np.array([int(row["q"], 16) for row in rows], dtype=np.uint64)
        clusters = np.array([int(row["c"] if "c" in row else row["q"], 16) for row in rows], dtype=np.uint64)
        values = [number(row["v"]) for row in rows]
        if None in values or len(np.unique(keys)) != len(keys):
            raise ValueError("a row without a number, or two of one question")
        order = np.argsort(keys, kind="stable")
        answers = Answers(keys[order], np.array(values, dtype=np.float64)[order], clusters[order])
    checked, sampled = check(value, answers)
    if sampled is not None:
        say(f"task {task!r}, {plain(facts['metric'])}: the result says {value:.4f}, its rows give {sampled:.4f}")
    chance = number(facts.get("chance"))
    return Result(
        task=task,
        metric=plain(facts["metric"]),
        filter=plain(facts["filter"]),
        value=value,
        n=int(n) if n and 0 < n < 2**40 else None,
        stderr=number(facts.get("stderr")),
        higher_is_better=facts["higher_is_better"] is not False,
        comparison=_texts(facts["comparison"]),
        chance=chance if chance is not None and 0 <= chance < 1 else None,
        answers=answers,
        checked=checked,
        sampled=sampled,
    )


def _run(file: Path, place: str, facts: Json, results: list[Result]) -> Run:
    groups = (
        GroupMean(plain(name), plain(metric), plain(of), stated, tuple(map(plain, tasks)), plain(over))
        for name, metric, of, value, tasks, over in facts["groups"]
        if (stated := number(value)) is not None
    )
    return Run(
        file=file,
        place=f"{place}: {plain(facts['file'])}",
        source="pack",
        model=plain(facts["model"]),
        settings=_texts(facts["settings"]),
        details=_texts(facts["details"]),
        marks=tuple(mark for mark in MARKS if mark in facts["marks"]),
        results=tuple(results),
        groups=tuple(groups),
    )


def _texts(value: Any) -> dict[str, str]:  # Any: JSON of somebody else
    return {plain(name): plain(text) for name, text in dict(value).items()}
