"""The answers behind a score, a row a question, out of the samples that lm-eval logged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinj.errors import UserError

Json = dict[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Answer:
    """How one question was answered, by one metric."""

    question_id: str
    #: the chunks that hold its answer; empty where the task's rows do not say
    chunk_ids: tuple[str, ...]
    #: from 0 to 1
    value: float


@dataclass(frozen=True, slots=True)
class Samples:
    """A task's rows as lm-eval logged them beside a result file, but for prompts and responses."""

    file: Path
    rows: tuple[Json, ...]

    def answers(self, metric: str, filter_name: str, count: int) -> list[Answer]:
        """The answers behind one metric.

        Raises:
            UserError: the file has another number of rows than the results say questions, or no such metric.
        """
        rows = [row for row in self.rows if row["filter"] == filter_name]
        if len(rows) != count:
            raise UserError(
                f"{self.file} has {len(rows)} rows for filter {filter_name!r}, the results say {count} questions: the "
                "file was cut short or belongs to another run; run it again, or remove the file"
            )
        values = _calibrated(rows) if metric == "acc_calibrated" else [float(row["values"][metric]) for row in rows]
        return [Answer(row["id"], row["chunk_ids"], value) for row, value in zip(rows, values, strict=True)]


def read_samples(results: Path, task: str) -> Samples | None:
    """The samples of a task that belong to this result file; None where none were logged.

    Raises:
        UserError: a line that is no sample of lm-eval's.
    """
    stamp = results.stem.removeprefix("results_")
    file = results.with_name(f"samples_{task}_{stamp}.jsonl")
    if not file.is_file():
        return None
    try:
        with file.open(encoding="utf-8") as lines:
            return Samples(file, tuple(_row(json.loads(line)) for line in lines))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not a file of lm-eval's samples ({type(error).__name__}: {error})") from error


def _row(sample: Json) -> Json:
    doc = sample["doc"]
    chunk_ids = doc.get("chunk_ids") if isinstance(doc, dict) else None
    named = isinstance(chunk_ids, list) and all(isinstance(chunk_id, str) for chunk_id in chunk_ids)
    identity = doc.get("id") if isinstance(doc, dict) else None
    return {
        "id": str(identity or sample["doc_hash"]),
        "chunk_ids": tuple(chunk_ids) if named and chunk_ids else (),
        "filter": sample.get("filter", "none"),
        "values": {name: sample[name] for name in sample.get("metrics", ()) if name in sample},
    }


def _calibrated(rows: Sequence[Json]) -> list[float]:
    """Right or not once each letter's mean log-probability has been subtracted, as `acc_calibrated` counts."""
    logged = [row["values"]["acc_calibrated"] for row in rows]
    log_probabilities = np.array([values for values, _ in logged], dtype=np.float64)
    chosen = (log_probabilities - log_probabilities.mean(axis=0)).argmax(axis=1)
    return [float(choice == answer) for choice, (_, answer) in zip(chosen, logged, strict=True)]
