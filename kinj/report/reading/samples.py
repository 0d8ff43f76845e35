"""lm-eval's samples, a line at a time: of each question a hash, its numbers and its cluster are kept, no text."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinj.records import Json
from kinj.report.reading.runs import Answers
from kinj.statistics import clusters_of

Keys = npt.NDArray[np.uint64]
Values = npt.NDArray[np.float64]

#: Bytes of the longest line that is read: a question with four options after a context of a million tokens.
LONGEST_LINE = 64 * 2**20


#: No metric of one question is as large.
_HUGE = 1e100


class BadSamplesError(Exception):
    """The samples are not whole, or not lm-eval's; the message is to follow the file's name."""


@dataclass(slots=True)
class _Column:
    """What one filter's rows hold."""

    keys: array[int] = field(default_factory=lambda: array("Q"))
    values: dict[str, array[float]] = field(default_factory=dict)
    logged: dict[str, list[Any]] = field(default_factory=dict)
    chunks: list[tuple[str, ...]] = field(default_factory=list)
    #: sum over questions of one in so many options
    chance: float = 0.0


class Samples:
    """One task's samples: its answers by filter and metric."""

    def __init__(self, columns: dict[str, _Column]) -> None:
        self._columns = columns

    def count(self, filter_name: str) -> int:
        """Rows of a filter."""
        column = self._columns.get(filter_name)
        return len(column.keys) if column else 0

    def chance(self, filter_name: str) -> float | None:
        """The mean of one in so many options; None without rows, or where some have one response only."""
        column = self._columns.get(filter_name)
        return column.chance / len(column.keys) if column and column.keys and column.chance >= 0 else None

    def answers(self, metric: str, filter_name: str) -> Answers | None:
        """None where the samples have no number for each question."""
        column = self._columns.get(filter_name)
        if column is None or not column.keys:
            return None
        if metric == "acc_calibrated":
            values = _calibrated(column.logged.get(metric, []))
        else:
            values = np.asarray(column.values.get(metric, ()), dtype=np.float64)
        if len(values) != len(column.keys):
            return None
        return make_answers(column.keys, values, column.chunks)


def make_answers(keys: Sequence[int], values: Sequence[float] | Values, chunks: Sequence[tuple[str, ...]]) -> Answers:
    """The answers to questions with these keys; `chunks`, each question's, may end early where the rest has none."""
    numbers = np.asarray(keys, dtype=np.uint64)
    order = np.argsort(numbers, kind="stable")
    clusters = _clusters(numbers, chunks)
    return Answers(_told_apart(numbers[order]), np.asarray(values, dtype=np.float64)[order], clusters[order])


def question_key(doc_hash: str, target_hash: str) -> int:
    """What a question and its target are known by, 64 bits."""
    digest = hashlib.blake2b(f"{doc_hash} {target_hash}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def sample_rows(file: Path) -> Iterator[Json]:
    """The rows of a file of JSON lines, one at a time.

    Raises:
        BadSamplesError: a line that is cut off, too long or no object.
    """
    return (row for _, row in _rows(file))


def read_samples(file: Path, metrics: Iterable[str]) -> Samples:
    """The numbers of these metrics in a file of samples.

    Raises:
        BadSamplesError: a line that is cut off, too long or no sample.
    """
    wanted = tuple(metrics)
    columns: dict[str, _Column] = {}
    for number, row in _rows(file):
        try:
            _take(columns.setdefault(str(row.get("filter", "none")), _Column()), row, wanted)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadSamplesError(f"line {number} is no sample of lm-eval ({type(error).__name__})") from error
    return Samples(columns)


def find_samples(results: Path, task: str, stamp: str) -> Path | None:
    """The samples of a task beside its results; None where there are none, or the task's name is no file's name.

    Args:
        results: the file of results.
        task: as lm-eval names it.
        stamp: the date in the file's name; empty: lm-eval before 0.4.3, which wrote `MODEL_TASK.jsonl`.
    """
    if not task or "/" in task or "\\" in task or "\0" in task or len(task) > 200:
        return None
    if stamp:
        file = results.with_name(f"samples_{task}_{stamp}.jsonl")
        return file if file.is_file() else None
    found = [path for path in results.parent.glob("*.jsonl") if path.name.endswith(f"_{task}.jsonl")]
    return found[0] if len(found) == 1 and found[0].is_file() else None


def _rows(file: Path) -> Iterator[tuple[int, Json]]:
    with file.open("rb") as lines:
        number = 0
        while line := lines.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise BadSamplesError(f"line {number} is longer than {LONGEST_LINE // 2**20} MB")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadSamplesError(f"line {number} is cut off or no JSON") from error
            if not isinstance(row, dict):
                raise BadSamplesError(f"line {number} is no JSON object")
            yield number, row


def _take(column: _Column, row: Json, wanted: tuple[str, ...]) -> None:
    doc = row["doc"]
    # lm-eval's own hash of a question; before 0.4.3 it was not logged, but is made of this very text
    doc_hash = row.get("doc_hash") or _sha256(json.dumps(doc, indent=2, ensure_ascii=False))
    target = row.get("target_hash") or _sha256(str(row.get("target", "")))
    column.keys.append(question_key(doc_hash, target))
    for metric in wanted:
        value = row.get(metric)
        if metric == "acc_calibrated" and isinstance(value, list):
            column.logged.setdefault(metric, []).append(value)
        elif isinstance(value, (int, float)) and abs(value) < _HUGE:  # nor NaN
            column.values.setdefault(metric, array("d")).append(float(value))
    ids = doc.get("chunk_ids") if isinstance(doc, dict) else None
    named = isinstance(ids, list) and all(isinstance(one, str) for one in ids)
    if named and ids:
        column.chunks.extend([()] * (len(column.keys) - 1 - len(column.chunks)))
        column.chunks.append(tuple(ids))
    options = row.get("resps")
    if isinstance(options, list) and len(options) > 1 and column.chance >= 0:
        column.chance += 1 / len(options)
    else:
        column.chance = -1.0


def _told_apart(keys: Keys) -> Keys:
    """Ascending keys with those that stand several times counted up: equal questions asked twice are two."""
    first = np.concatenate([[True], keys[1:] != keys[:-1]])
    starts = np.maximum.accumulate(np.where(first, np.arange(len(keys)), 0))
    return np.asarray(keys + (np.arange(len(keys)) - starts).astype(np.uint64), dtype=np.uint64)


def _clusters(keys: Keys, chunks: Sequence[tuple[str, ...]]) -> Keys:
    """A name for each question's cluster that is the same in every file: a hash of the first of its chunks."""
    if not any(chunks):
        return keys
    chunks = [*chunks, *([()] * (len(keys) - len(chunks)))]
    numbers = clusters_of(chunks)
    first: dict[int, str] = {}
    for number, ids in zip(numbers.tolist(), chunks, strict=True):
        if ids:
            first[number] = min(first.get(number, min(ids)), *ids)
    names = {number: int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")
             for number, name in first.items()}  # fmt: skip
    return np.array([names.get(number, key) for number, key in zip(numbers.tolist(), keys.tolist(), strict=True)],
                    dtype=np.uint64)  # fmt: skip


def _calibrated(logged: list[Any]) -> Values:
    """Right or not once each letter's mean log-probability has been subtracted, as `acc_calibrated` counts."""
    # Any: a list of log-probabilities and the right one's number, unless the file is broken
    try:
        scores = np.array([values for values, _ in logged], dtype=np.float64)
        right = np.array([answer for _, answer in logged], dtype=np.float64)
        chosen = (scores - scores.mean(axis=0)).argmax(axis=1)
    except (TypeError, ValueError):
        return np.empty(0)
    return np.asarray(chosen == right, dtype=np.float64)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
