"""Every Eval Ever's aggregates as runs, with the questions beside them; kinj's own come back as they were."""

from __future__ import annotations

import json
import re
from array import array
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from kinj.records import Json
from kinj.report.exchange.every_eval_ever.writing import (
    CHANCE,
    COMPARISON,
    DETAIL,
    FILTER,
    MARKED,
    METRIC,
    MODEL,
    SETTING,
)  # fmt: skip
from kinj.report.reading import Answers, Result, Run
from kinj.report.reading.folders import LARGEST
from kinj.report.reading.formats import EVERY_EVAL_EVER, told_by_content
from kinj.report.reading.plain import plain, plain_settings, short_hash
from kinj.report.reading.runs import MARKS
from kinj.report.reading.samples import BadSamplesError, make_answers, question_key, sample_rows
from kinj.report.reading.values import check, mapping, number

#: What others call the number of examples before a question.
_SHOTS = re.compile(r"few_?shot|^(num_|n_|n)?shots?$", re.IGNORECASE)


def read_every_eval_ever(file: Path, place: str, say: Callable[[str], None]) -> list[Run] | None:
    """The run in an aggregate file; None where it is another file."""
    if file.suffix != ".json" or file.stat().st_size > LARGEST:
        return None
    raw = file.read_bytes()
    if b'"evaluation_results"' not in raw:
        return None
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None  # which the next reader says
    if told_by_content(value) != EVERY_EVAL_EVER:
        return None
    entries = [entry for entry in value["evaluation_results"] if isinstance(entry, dict)]
    answers = _answers(file, value, say)
    results = [result for entry in entries if (result := _result(entry, answers, say)) is not None]
    if not results:
        say("no score in it")
        return []
    details = _details(entries[0])
    model = mapping(value.get("model_info"))
    return [
        Run(
            file=file,
            place=place,
            source="every_eval_ever",
            model=plain(details.get(MODEL) or model.get("id") or model.get("name") or "unnamed"),
            settings=_under(SETTING, details) if MODEL in details else plain_settings(details),
            details=_under(DETAIL, details),
            marks=tuple(mark for mark in MARKS if mark in str(details.get(MARKED, "")).split()),
            results=tuple(results),
        )
    ]


def _result(entry: Json, answers: dict[str, Answers], say: Callable[[str], None]) -> Result | None:
    metric, score = mapping(entry.get("metric_config")), mapping(entry.get("score_details"))
    name = plain(entry.get("evaluation_name", "unnamed"))
    value = number(score.get("score"))
    if value is None:
        say(f"{name!r}: no finite number")
        return None
    details, uncertainty = _details(entry), mapping(score.get("uncertainty"))
    own = answers.get(str(entry.get("evaluation_result_id"))) or answers.get(str(entry.get("evaluation_name")))
    stated = number(uncertainty.get("num_samples"))
    n = int(stated) if stated and 0 < stated < 2**40 else None
    if own is not None and n is not None and n != len(own.keys):
        say(f"{name!r}: {len(own.keys)} rows of questions, the result says {n}; they are not used")
        own = None
    checked, sampled = check(value, own)
    if sampled is not None:
        say(f"{name!r}: the result says {value:.4f}, the questions give {sampled:.4f}")
    is_ours = MODEL in details
    data = mapping(entry.get("source_data"))
    fields = {
        "data set": data.get("hf_repo") or data.get("dataset_name"),
        "split": data.get("hf_split"),
        "questions asked": n,
        **_asked_how(entry),
    }
    chance = number(_float(details.get(CHANCE)))
    return Result(
        task=plain(data.get("dataset_name", name)) if is_ours else name,
        metric=plain(details.get(METRIC) or metric.get("metric_id") or metric.get("metric_name") or "score"),
        filter=plain(details.get(FILTER, "none")),
        value=value,
        n=n,
        stderr=number(mapping(uncertainty.get("standard_error")).get("value")),
        higher_is_better=metric.get("lower_is_better") is not True,
        comparison=_under(COMPARISON, details) if is_ours else plain_settings(fields),
        chance=chance if chance is not None and 0 <= chance < 1 else None,
        answers=own,
        checked=checked,
        sampled=sampled,
    )


def _answers(file: Path, value: Json, say: Callable[[str], None]) -> dict[str, Answers]:
    """By result id, or by name where rows have none, the answers in the file of questions beside the aggregate."""
    stated = mapping(value.get("detailed_evaluation_results")).get("file_path")
    name = PurePosixPath(str(stated or f"{file.stem}_samples.jsonl")).name
    samples = file.with_name(name) if name not in ("", "..") and "\0" not in name else file
    if samples.suffix != ".jsonl" or not samples.is_file():
        return {}
    keys: dict[str, array[int]] = defaultdict(lambda: array("Q"))
    values: dict[str, array[float]] = defaultdict(lambda: array("d"))
    chunks: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    try:
        for row in sample_rows(samples):
            result = str(row.get("evaluation_result_id") or row.get("evaluation_name"))
            score = number(mapping(row.get("evaluation")).get("score"))
            metadata = mapping(row.get("metadata"))
            if score is None:
                raise BadSamplesError(f"a question of {plain(result)!r} has no number")
            key = metadata.get("doc_hash") or row.get("sample_hash") or row.get("sample_id")
            keys[result].append(question_key(str(key), str(metadata.get("target_hash", ""))))
            values[result].append(score)
            chunks[result].append(_chunk_ids(metadata.get("chunk_ids")))
    except (BadSamplesError, OSError) as error:
        say(f"questions {plain(name)}: {error}; they are not used")
        return {}
    return {result: make_answers(keys[result], values[result], chunks[result]) for result in keys}


def _chunk_ids(text: object) -> tuple[str, ...]:
    try:
        ids = json.loads(str(text)) if text else ()
    except (ValueError, RecursionError):
        return ()
    return tuple(ids) if isinstance(ids, list) and all(isinstance(one, str) for one in ids) else ()


def _details(entry: Json) -> dict[str, str]:
    found = mapping(mapping(entry.get("generation_config")).get("additional_details"))
    return {str(name): str(value) for name, value in found.items()}


def _asked_how(entry: Json) -> Json:
    """Of somebody else's result what parts columns: its shots, and the settings by which answers were generated."""
    config = mapping(entry.get("generation_config"))
    arguments = {
        str(name): value if isinstance(value, (str, int, float)) else f"#{short_hash(json.dumps(value))}"
        for name, value in mapping(config.get("generation_args")).items() if value is not None
    }  # fmt: skip
    shots = next((value for name, value in _details(entry).items() if _SHOTS.search(name)), None)
    return {**arguments, "shots": shots}


def _under(prefix: str, details: dict[str, str]) -> dict[str, str]:
    return {
        plain(name.removeprefix(prefix)): plain(value) for name, value in details.items() if name.startswith(prefix)
    }


def _float(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
