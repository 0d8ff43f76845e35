"""Runs as Every Eval Ever's files: one aggregate for each run, and its questions beside it."""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from kinj.manifest import replacing, sha256_file, write_whole
from kinj.records import Json
from kinj.report.exchange.every_eval_ever.questions import question_rows
from kinj.report.reading import Result, Run
from kinj.report.reading.runs import CONTRADICTED

SCHEMA = "0.3.0"
#: Of `additional_details`: what of a run comes back when its file is read.
MODEL, SETTING, DETAIL, COMPARISON = "kinj.model", "kinj.setting.", "kinj.detail.", "kinj.comparison."
MARKED, CHANCE, METRIC, FILTER = "kinj.marks", "kinj.chance", "kinj.metric", "kinj.filter"


def write_every_eval_ever(
    runs: Iterable[Run], folder: Path, *, with_texts: bool = True, organization: str = "unknown"
) -> list[Path]:
    """Writes `data/COLLECTION/DEVELOPER/MODEL/UUID.json` for each run, and `UUID_samples.jsonl` beside it.

    Args:
        runs: as read; of those of lm-eval with samples the questions are written, with the prompt as it was sent.
        folder: where `data` goes.
        with_texts: whether questions, prompts and answers may be written; without, the aggregates alone.
        organization: who evaluated.

    Returns:
        The aggregates' files, in the order of the runs; equal runs are one. The same run gives the same name. A run
        whose every score is contradicted by its samples has none.
    """
    named = {_uuid(run): run for run in runs if any(result.checked != CONTRADICTED for result in run.results)}
    return [_write(name, run, folder, with_texts=with_texts, organization=organization) for name, run in named.items()]


def result_id(result: Result) -> str:
    """What joins a result and its questions."""
    return f"{result.task}/{result.metric}/{result.filter}"


def _write(name: str, run: Run, folder: Path, *, with_texts: bool, organization: str) -> Path:
    results = [result for result in run.results if result.checked != CONTRADICTED]
    tasks = sorted({result.task for result in results})
    model_id = _model_id(run.model)
    collection = _component(tasks[0] if len(tasks) == 1 else run.source)
    where = Path("data", collection, *model_id.split("/"))
    (folder / where).mkdir(parents=True, exist_ok=True)
    written = str(int(time.time()))
    values: Json = {
        "schema_version": SCHEMA,
        "evaluation_id": f"{collection}/{model_id}/{name[:8]}/{written}",
        "retrieved_timestamp": written,
        **({"evaluation_timestamp": run.details["date"]} if "date" in run.details else {}),
        "source_metadata": {
            "source_name": "kinj",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": run.source.removesuffix("_old"), "version": run.details.get("lm_eval", "unknown")},
        "model_info": {
            "name": run.model,
            "id": model_id,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
        },
        "evaluation_results": [_result(run, result) for result in results],
    }
    questions = folder / where / f"{name}_samples.jsonl"
    if not with_texts:
        questions.unlink(missing_ok=True)  # which an export with texts may have left
    elif samples := _samples(run, results, values, questions):
        path = f"{where.as_posix()}/{name}_samples.jsonl"
        values["detailed_evaluation_results"] = {"format": "jsonl", "file_path": path, **samples}
    file = folder / where / f"{name}.json"
    write_whole(file, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return file


def _samples(run: Run, results: list[Result], values: Json, file: Path) -> Json | None:
    """Writes the questions; None where the run has none."""
    count = 0
    with replacing(file) as part, part.open("w", encoding="utf-8", newline="\n") as sink:
        for row in question_rows(run, results):
            head = {name: values[name] for name in ("schema_version", "evaluation_id")}
            sink.write(json.dumps({**head, "model_id": values["model_info"]["id"], **row}, allow_nan=False) + "\n")
            count += 1
    if count:
        return {"hash_algorithm": "sha256", "checksum": sha256_file(file), "total_rows": count}
    file.unlink()
    return None


def _result(run: Run, result: Result) -> Json:
    is_share = 0 <= result.value <= 1
    uncertainty: Json = {"standard_error": {"value": result.stderr}} if result.stderr is not None else {}
    if result.n is not None:
        uncertainty["num_samples"] = result.n
    metric: Json = {
        "metric_id": result.metric,
        "metric_name": result.metric,
        "lower_is_better": not result.higher_is_better,
        "score_type": "continuous",
        "min_score": 0.0 if is_share else "-Infinity",
        "max_score": 1.0 if is_share else "Infinity",
    }
    return {
        "evaluation_result_id": result_id(result),
        "evaluation_name": result.task if result.filter == "none" else f"{result.task}/{result.filter}",
        "source_data": {"dataset_name": result.task, "source_type": "other"},
        "metric_config": metric,
        "score_details": {"score": result.value, **({"uncertainty": uncertainty} if uncertainty else {})},
        "generation_config": {"additional_details": dict(_details(run, result))},
    }


def _details(run: Run, result: Result) -> Iterator[tuple[str, str]]:
    """The arm, first as anybody reads it, then as it comes back."""
    yield "arm", " · ".join([*(f"{name}={value}" for name, value in run.settings.items()), *run.marks]) or "plain"
    yield MODEL, run.model
    yield METRIC, result.metric
    yield FILTER, result.filter
    yield MARKED, " ".join(run.marks)
    yield "kinj.checked", result.checked
    if result.chance is not None:
        yield CHANCE, repr(result.chance)
    for prefix, values in ((SETTING, run.settings), (DETAIL, run.details), (COMPARISON, result.comparison)):
        yield from ((prefix + name, value) for name, value in values.items())


def _uuid(run: Run) -> str:
    """A UUID of version 4's form, the same for the same run."""
    said: list[object] = [run.model, sorted(run.settings.items()), sorted(run.details.items()), run.source]
    for result in run.results:
        answers = hashlib.sha256(result.answers.values.tobytes()).hexdigest() if result.answers is not None else ""
        said += [result_id(result), result.value, result.n, sorted(result.comparison.items()), answers]
    digest = hashlib.sha256(json.dumps(said).encode("utf-8", "replace")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _model_id(model: str) -> str:
    """`DEVELOPER/MODEL`, each fit for a folder's name."""
    developer, slash, name = model.rpartition("/")
    return f"{_component(developer) if slash and developer not in ('', '…') else 'local'}/{_component(name or model)}"


def _component(text: str) -> str:
    """A part of a path out of a text that may be anything."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:100]
    return kept if kept and kept != "data" else f"x-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
