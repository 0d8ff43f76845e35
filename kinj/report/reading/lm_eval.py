"""lm-eval's files of results, from 0.4.0 on, with the samples beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from kinj.records import Json
from kinj.report.reading.identity import comparison_of, marks_of, model_arguments, named_model, settings_of
from kinj.report.reading.plain import path_setting, plain, plain_settings
from kinj.report.reading.runs import Answers, GroupMean, Result, Run
from kinj.report.reading.samples import BadSamplesError, Samples, find_samples, read_samples
from kinj.report.reading.values import SAME, check, mapping, number

#: Called with what was not taken of a file, and why.
Say = Callable[[str], None]

_STAMP = re.compile(r"_(\d{4}-\d\d-\d\dT[\d.:-]+)$")
_NO_METRICS = {"alias", "name", "samples", "sample_len", "sample_count", " "}


def read_lm_eval(file: Path, place: str, value: Json, cell: Json | None, say: Say) -> Run:
    """The run of a parsed file.

    Args:
        file: where samples are looked for beside.
        place: what messages and the run call it.
        value: the file's content.
        cell: of the manifest that `kinj compare` wrote beside it; None without.
        say: called with each part that is not taken, and why.
    """
    config = mapping(value.get("config"))
    ours = mapping(config.get("kinj"))
    arguments = model_arguments(config.get("model_args"))
    # lm-eval's own `model_name` is two random words where no argument names the model.
    model = ours.get("model_name") or named_model(arguments) or config.get("model") or value.get("model_name")
    settings = settings_of(config, ours, arguments, cell)
    if cell is None and "weights" not in settings:
        settings |= path_setting(model)
    subtasks = mapping(value.get("group_subtasks"))  # in which versions up to 0.4.2 have tasks too, without any
    groups = set(mapping(value.get("groups"))) | {name for name, children in subtasks.items() if children}
    results: list[Result] = []
    for task, metrics in mapping(value["results"]).items():
        # A group's own line is a mean over its tasks, which lm-eval does not count as asked.
        if task in groups and task not in mapping(value.get("n-samples")):
            continue
        if not isinstance(metrics, Mapping):
            say(f"task {plain(task)!r}: its scores are no object")
            continue
        results += _results(file, value, task, metrics, stamp_of(file), say)
    return Run(
        file=file,
        place=place,
        source="lm_eval",
        model=plain(str(cell["model"]) if cell else model or "unnamed"),
        settings=settings,
        details=plain_settings(
            {
                "chat_template": value.get("chat_template_sha") and f"#{str(value['chat_template_sha'])[:8]}",
                "commit": str(config.get("model_sha") or "")[:8],
                "batch_size": config.get("batch_size"),
                "device": config.get("device"),
                "lm_eval": value.get("lm_eval_version"),
                "date": int(number(value.get("date")) or 0) or None,
            }
        ),
        marks=marks_of(arguments, ours, cell),
        results=tuple(results),
        groups=tuple(_groups(value, results, say)),
    )


def stamp_of(file: Path) -> str:
    """The date in the name of a file of results, which its samples carry too; empty where it has none."""
    match = _STAMP.search(file.stem)
    return match[1] if match else ""


def _results(
    file: Path, value: Json, task: str, metrics: Mapping[str, object], stamp: str, say: Say
) -> Iterator[Result]:
    names = [
        name for name, score in metrics.items()
        if "," in name and not _is_error(name.partition(",")[0]) and name.partition(",")[0] not in _NO_METRICS
        and score != "N/A" and not isinstance(score, Mapping)
    ]  # fmt: skip
    counted = number(mapping(mapping(value.get("n-samples")).get(task)).get("effective"))
    n = int(counted) if counted is not None and 0 < counted < 2**40 else None
    samples = _samples(file, task, stamp, {name.partition(",")[0] for name in names}, say)
    counts = [samples.count(name.partition(",")[2]) for name in names] if samples else []
    comparison = comparison_of(value, task, n if n is not None else max(counts, default=0) or None)
    short: set[str] = set()
    for name in names:
        metric, _, filter_name = name.partition(",")
        score = number(metrics[name])
        if score is None:
            say(f"task {plain(task)!r}, {plain(name)}: no finite number")
            continue
        rows = samples.count(filter_name) if samples else 0
        if samples and n is not None and rows != n:
            if filter_name not in short:
                say(
                    f"samples of task {plain(task)!r}: {rows} rows for filter {plain(filter_name)!r}, "
                    f"the results say {n} questions; they are not used"
                )
            short.add(filter_name)
        answers = samples.answers(metric, filter_name) if samples and filter_name not in short else None
        is_mean = _is_mean(value, task, metric)
        if not is_mean:
            answers = None  # they do not add up to the score
        checked, sampled = check(score, answers)
        if sampled is not None:
            say(f"task {plain(task)!r}, {plain(name)}: the results say {score:.6g}, the samples give {sampled:.6g}")
        yield Result(
            task=plain(task),
            metric=plain(metric),
            filter=plain(filter_name),
            value=score,
            n=n if n is not None else (rows or None),
            stderr=number(metrics.get(f"{metric}_stderr,{filter_name}")),
            higher_is_better=mapping(mapping(value.get("higher_is_better")).get(task)).get(metric) is not False,
            comparison=comparison,
            chance=_chance(value, task, samples, filter_name, answers) if is_mean else None,
            answers=answers,
            checked=checked,
            sampled=sampled,
        )


def _samples(file: Path, task: str, stamp: str, metrics: set[str], say: Say) -> Samples | None:
    found = find_samples(file, task, stamp)
    if found is None or not metrics:
        return None
    try:
        return read_samples(found, metrics)
    except (BadSamplesError, OSError) as error:
        say(f"samples {plain(found.name)}: {error}; they are not used")
        return None


def _is_error(metric: str) -> bool:
    return metric.endswith("_stderr")


def _is_mean(value: Json, task: str, metric: str) -> bool:
    """Whether a metric is the mean over questions, as far as the task's settings say; lm-eval's default is the mean."""
    listed = mapping(mapping(value.get("configs")).get(task)).get("metric_list")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and entry.get("metric") == metric:
            return (
                str(entry.get("aggregation", "mean")) in ("mean", "calibrated_accuracy") or metric == "acc_calibrated"
            )
    return True


def _chance(value: Json, task: str, samples: Samples | None, filter_name: str, answers: Answers | None) -> float | None:
    """Of a task of options 1 in so many; of one that generates 0; None where nothing says.

    Nor where answers are more than right or wrong: the share of probability on true options, say, has another chance.
    """
    settings = mapping(mapping(value.get("configs")).get(task))
    if settings.get("output_type") == "generate_until":
        return 0.0
    if settings.get("output_type") != "multiple_choice":
        return None
    if answers is not None and not np.isin(answers.values, (0, 1)).all():
        return None
    options = settings.get("doc_to_choice")
    if isinstance(options, list) and len(options) > 1:
        return 1 / len(options)
    return samples.chance(filter_name) if samples and answers is not None else None


def _groups(value: Json, results: Iterable[Result], say: Say) -> Iterator[GroupMean]:
    """The groups' own scores, each with the kind of mean that gives it, by which lm-eval defines it."""
    subtasks = mapping(value.get("group_subtasks"))
    leaves = {(one.task, one.metric, one.filter): one for one in results}
    for group in [name for name in subtasks if isinstance(subtasks[name], list) and subtasks[name]]:
        metrics = mapping(mapping(value.get("groups")).get(group) or mapping(value["results"]).get(group))
        tasks = tuple(plain(task) for task in sorted(_below(group, subtasks, frozenset())))
        for name, score in metrics.items():
            metric, comma, filter_name = (plain(part) for part in name.partition(","))
            stated = number(score)
            if not comma or _is_error(metric) or metric in _NO_METRICS or stated is None:
                continue
            parts = [leaves[key] for task in tasks if (key := (task, metric, filter_name)) in leaves]
            over = _kind_of_mean(stated, parts)
            if parts and not over:
                say(f"group {plain(group)!r}, {metric}: its tasks' scores do not give {stated:.4f}")
            yield GroupMean(plain(group), metric, filter_name, stated, tasks, over)


def _below(group: str, subtasks: Mapping[str, object], above: frozenset[str]) -> set[str]:
    """The tasks of a group, those of its groups included."""
    children = subtasks.get(group)
    if not isinstance(children, list) or not children or group in above or len(above) > 20:
        return {group} if above else set()
    return {task for child in children for task in _below(str(child), subtasks, above | {group})}


def _kind_of_mean(stated: float, parts: list[Result]) -> str:
    if not parts:
        return ""
    if all(part.n for part in parts):
        pooled = sum(part.value * (part.n or 0) for part in parts) / sum(part.n or 0 for part in parts)
        if abs(pooled - stated) <= SAME:
            return "questions"
    mean = sum(part.value for part in parts) / len(parts)
    return "tasks" if abs(mean - stated) <= SAME else ""
