"""What a task's row says about itself: its question, its options, its benchmark, its source chunks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from kinj.benchmark import find_registered
from kinj.errors import UserError
from kinj.records import Query

#: The fields tried in this order when no `query_field=` is given.
QUESTION_FIELDS = ("question", "question_stem", "query", "goal", "problem", "prompt", "input", "ctx", "sentence")
OPTION_FIELDS = ("choices", "options")

_SHA256 = re.compile("[0-9a-f]{64}")

Row = dict[str, Any]  # Any: a row is whatever the task's data set holds


def question_of(row: Row, task: str, field: str | None) -> str:
    """The row's question: `field` if given, else the first of `QUESTION_FIELDS` that holds text.

    Raises:
        UserError: the row has no such field; the message lists the row's keys.
    """
    if field is not None:
        value = row.get(field)
        if isinstance(value, str) and value.strip():
            return value
        raise UserError(f"query_field={field}: a row of task {task} has no text there; its keys are {_keys(row)}")
    for name in QUESTION_FIELDS:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return value
    raise UserError(f"task {task}: no field to take the query from; name one by query_field= out of {_keys(row)}")


def options_of(row: Row, task: str) -> list[str]:
    """The texts of the row's options: a list, or ARC's `{"text": [...]}`, under `choices` or `options`."""
    for name in OPTION_FIELDS:
        value = row.get(name)
        if isinstance(value, dict):
            value = value.get("text")
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return list(value)
    raise UserError(f"query=question+options: a row of task {task} has no list of options; its keys are {_keys(row)}")


def query_of(row: Row, task: str, doc_id: int | None, field: str | None, *, with_options: bool) -> Query:
    """The row's query, with its source chunks where the row names them (`chunk_ids`)."""
    text = question_of(row, task, field).strip()
    if with_options:
        text = "\n".join([text, *options_of(row, task)])
    return replace(closed_query_of(row, task, doc_id), text=text)


def closed_query_of(row: Row, task: str, doc_id: int | None) -> Query:
    """What identifies the row where nothing is searched for: its id and source chunks, no text."""
    return Query(text="", chunk_ids=tuple(row.get("chunk_ids") or ()), id=str(row.get("id") or f"{task}:{doc_id}"))


def benchmark_of(row: Row) -> tuple[str, str] | None:
    """Name and SHA-256 of the benchmark that the row is from, or None for rows that our loader did not make.

    Both must be there and be what they say: other data sets have columns of these names too.
    """
    name, sha256 = row.get("benchmark"), row.get("benchmark_sha256")
    if isinstance(name, str) and name and isinstance(sha256, str) and _SHA256.fullmatch(sha256):
        return name, sha256
    return None


def source_of(row: Row) -> dict[str, object]:
    """What results say about where a task's rows are from: benchmark and split; nothing of other data sets' rows."""
    benchmark = benchmark_of(row)
    if benchmark is None:
        return {}
    name, sha256 = benchmark
    registered = find_registered(name, sha256)
    version = registered[0].version if registered is not None else None
    return {"benchmark": {"name": name, "version": version, "sha256": sha256}, "split": row.get("split")}


def _keys(row: Row) -> str:
    return ", ".join(map(str, row))
