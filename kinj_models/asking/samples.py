"""The files that lm-eval wrote of a cell: whether they are whole, and the samples' arguments made short."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from lm_eval.utils import handle_non_serializable

from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj.manifest import replacing
from kinj_models.settings import Json


def check_rows(results: Json, rows: list[Json], task: str) -> Json:
    """The numbers of questions, filters and rows, of which the third is the product of the others.

    Raises:
        UserError: it is not: lm-eval only warns when it cannot write.
    """
    # Not `effective`: that counts the questions of the metric that has most, and one may be of half of them alone.
    questions = int(results["n-samples"][task]["original"])
    if (limit := results["config"]["limit"]) is not None:
        questions = min(questions, int(limit))
    filters = len({row["filter"] for row in rows})
    distinct = len({(row["filter"], row["doc_id"]) for row in rows})
    if not rows or not len(rows) == distinct == questions * filters:
        raise UserError(
            f"task {task}: {len(rows)} rows of samples for {questions} questions and {filters} filters: they were not "
            "written whole; is the disk full?"
        )
    return {"questions": questions, "filters": filters, "rows": len(rows)}


def only_file(folder: Path, pattern: str) -> Path:
    """The one file of that pattern.

    Raises:
        UserError: there is none, or there are several.
    """
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise UserError(f"{folder}: lm-eval wrote {len(files)} files {pattern}: what it said stands above")
    return files[0]


def shorten(file: Path, arguments: Iterable[Json]) -> None:
    """Puts the short arguments in the place of each row's."""
    with replacing(file) as part, part.open("w", encoding="utf-8", newline="\n") as sink:
        sink.writelines(_rows(file, arguments))


def _rows(file: Path, arguments: Iterable[Json]) -> Iterator[str]:
    for (_, row), short in zip(read_objects(file), arguments, strict=True):
        row["arguments"] = short
        yield json.dumps(row, default=handle_non_serializable, ensure_ascii=False) + "\n"
