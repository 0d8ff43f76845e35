"""`python -m kinj_models.questions FILE`: what a comparison asks, counted, and its passages, before a model is loaded.

FILE is JSON: `questions` (each with `key`, `task`, `metadata`, `limit` and `of`, their content), `counts` (the file for
their counts), `passes` (each with `folder`, `questions`, a key of theirs, `split` and `settings`), and `fits` (each
with `key`, `questions` and what `measure_fit` takes). What is there is left alone, but for counts of another content.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lm_eval.api.task import Task

from kinj.errors import UserError, show_user_errors_plainly
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import write_whole
from kinj.progress import progress
from kinj.records import Passage, Query
from kinj.retrieval import Retriever
from kinj.statistics import clusters_of
from kinj_models.asking.fitting import measure_fit
from kinj_models.rankings import write_rankings
from kinj_models.retrievers import Retrievers
from kinj_models.settings import Json, make_settings
from kinj_models.task_rows import Row, query_of
from kinj_models.tasks import Tasks

log = logging.getLogger("kinj.questions")


def main(file: Path) -> None:
    """Counts the questions and retrieves the passages that the file asks for.

    Raises:
        UserError: no such task, a task without questions, nothing to search in.
    """
    request = json.loads(file.read_text(encoding="utf-8"))
    passes = [one for one in request["passes"] if not Path(one["folder"], MANIFEST).is_file()]
    counts_file = Path(request["counts"])
    counts = json.loads(counts_file.read_text(encoding="utf-8")) if counts_file.is_file() else {}
    fits = [one for one in request["fits"] if one["key"] not in counts]
    needed = {one["questions"] for one in (*passes, *fits)}
    rows: dict[str, list[Row]] = {}
    tasks, loaded = Tasks(), {}
    for asked in request["questions"]:
        if asked["key"] in needed or counts.get(asked["key"], {}).get("of") != asked["of"]:
            task = loaded[asked["key"]] = tasks.load(asked["task"], asked["metadata"])
            rows[asked["key"]] = _rows(task, asked)
            counts[asked["key"]] = {"output_type": str(task.OUTPUT_TYPE), "of": asked["of"]}
            counts[asked["key"]] |= _counts(rows[asked["key"]])
    names = {asked["key"]: asked["task"] for asked in request["questions"]}
    for one in fits:
        counts[one["key"]] = measure_fit(one, loaded[one["questions"]], rows[one["questions"]])
    write_whole(counts_file, json.dumps(counts, indent=1, ensure_ascii=False) + "\n")
    with progress("retrieval", len(passes)) as advance:
        for one in passes:
            _retrieve(one, names[one["questions"]], rows[one["questions"]])
            advance(1)


def _rows(task: Task, asked: Json) -> list[Row]:
    """The rows that lm-eval will ask, in its order."""
    rows = list(task.eval_docs)[: asked["limit"]]
    if not rows:
        raise UserError(f"task {asked['task']} has no questions")
    return rows


def _counts(rows: list[Row]) -> Json:
    chunk_ids = [tuple(row.get("chunk_ids") or ()) for row in rows]
    return {"questions": len(rows), "clusters": int(clusters_of(chunk_ids).max()) + 1}


def _retrieve(one: Json, task: str, rows: list[Row]) -> None:
    settings = make_settings({key: value for key, value in one["settings"].items() if value is not None})
    retrievers = Retrievers(settings)
    opened: dict[str, Retriever] = {}
    asked: dict[str, list[Query]] = {}
    for source, retriever, query in _queries(retrievers, task, rows, with_options=settings.query != "question"):
        opened[source] = retriever
        asked.setdefault(source, []).append(query)
    found: dict[str, dict[Query, list[Passage]]] = {}
    started = time.monotonic()
    for source, queries in asked.items():
        best = opened[source].search(queries, settings.k or 0)
        found[source] = dict(zip(queries, best, strict=True))
    values = {"task": task, "split": one["split"], "settings": one["settings"]}
    write_rankings(Path(one["folder"]), {**values, "seconds": time.monotonic() - started}, opened, found)
    log.info("%s: passages of %s for %d questions", one["folder"], settings.retriever, len(rows))


def _queries(
    retrievers: Retrievers, task: str, rows: list[Row], *, with_options: bool
) -> Iterator[tuple[str, Any, Query]]:  # Any: a Retriever
    for number, row in enumerate(rows):
        source, retriever = retrievers.for_row(task, row)
        yield source, retriever, query_of(row, task, number, None, with_options=with_options)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    show_user_errors_plainly()
    main(Path(sys.argv[1]))
