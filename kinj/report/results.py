"""Scores out of lm-eval's result files, with intervals from the samples beside them."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kinj.errors import UserError
from kinj.report.answers import Answer, Json, read_samples
from kinj.statistics import clustered_interval, clusters_of, wilson_interval

log = logging.getLogger(__name__)

#: Metrics of lm-eval and kinj that are a mean over questions of values from 0 to 1.
SHARES = ("acc", "acc_norm", "acc_bytes", "acc_calibrated", "exact_match", "token_f1")


@dataclass(frozen=True, slots=True)
class FoundCounts:
    """Questions by whether their source chunk was among the passages that were sent, and by the answer."""

    found_right: int
    found_wrong: int
    not_found_right: int
    not_found_wrong: int


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of one task in one run."""

    task: str
    metric: str
    #: between 0 and 1
    value: float
    #: number of questions
    n: int
    num_fewshot: int
    #: test or dev; empty where the task does not say
    split: str
    #: of kinj_rag: none, bm25, …; for another lm-eval model its name
    retriever: str
    k: int | None
    #: share of questions whose source chunk came first; None where no chunk is known
    recall_at_1: float | None
    #: share of questions whose source chunk was among the k
    recall_at_k: float | None
    #: the base model
    model: str
    #: 95 % interval of the value
    interval: tuple[float, float]
    #: how many clusters of questions about the same chunks the interval counts; None: it is as if all were independent
    clusters: int | None
    #: None where no samples were logged, nothing was retrieved, or the metric is not right or wrong
    found: FoundCounts | None


def read_scores(paths: Iterable[Path], metrics: tuple[str, ...] = ()) -> list[Score]:
    """The scores of result files, in the order given; folders are searched for `results*.json`.

    A file in a folder that is not lm-eval's is passed over with a warning; one that was named is refused.

    Args:
        paths: files that `lm_eval --output_path` wrote, or folders that hold them.
        metrics: which of `SHARES` to take; empty for all that a task reports.

    Raises:
        UserError: nothing there, a named file that is not lm-eval's, samples that do not belong to their results, or a
            metric that is no share.
    """
    scores = [score for path in paths for file, run in _runs(path) for score in _scores_of_file(file, run, metrics)]
    if not scores:
        raise UserError("no scores there: give files or folders that `lm_eval --output_path` wrote")
    return scores


def _runs(path: Path) -> Iterator[tuple[Path, Json]]:
    if not path.is_dir():
        if not path.is_file():
            raise UserError(f"{path}: no results of lm-eval there; make some by `lm_eval --output_path {path}`")
        yield path, _read(path)
        return
    files = sorted(path.rglob("results*.json"))
    if not files:
        raise UserError(f"{path}: no results of lm-eval there; make some by `lm_eval --output_path {path}`")
    for file in files:
        try:
            run = _read(file)
        except UserError as error:
            log.warning("passed over %s", error)
            continue
        yield file, run


def _read(file: Path) -> Json:
    try:
        run: Json = json.loads(file.read_text(encoding="utf-8"))
        for name in ("results", "n-samples", "config"):
            if not isinstance(run[name], dict):
                raise TypeError(f"{name!r} is {type(run[name]).__name__}")
    except (KeyError, TypeError, ValueError) as error:
        raise _not_lm_evals(file, error) from error
    return run


def _not_lm_evals(file: Path, error: Exception) -> UserError:
    return UserError(f"{file}: not a result file of lm-eval ({type(error).__name__}: {error})")


def _scores_of_file(file: Path, run: Json, metrics: tuple[str, ...]) -> list[Score]:
    try:
        return list(_scores(file, run, metrics))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_lm_evals(file, error) from error


def _scores(file: Path, run: Json, metrics: tuple[str, ...]) -> Iterator[Score]:
    for task, values in run["results"].items():
        if task not in run["n-samples"]:
            continue  # a group's own line, a mean over its tasks
        wanted = [name for name in values if "," in name and name.partition(",")[0] in (metrics or SHARES)]
        count = int(run["n-samples"][task]["effective"])
        if not count or not wanted:
            continue
        samples = read_samples(file, task)
        for name in wanted:
            metric, _, filter_name = name.partition(",")
            if metric not in SHARES:
                raise UserError(f"--metric {metric}: no share of right answers; there are {', '.join(SHARES)}")
            answers = samples.answers(metric, filter_name, count) if samples else None
            yield _score(run, task, metric, filter_name, answers)


def _score(run: Json, task: str, metric: str, filter_name: str, answers: list[Answer] | None) -> Score:
    config = run["config"]
    ours = config.get("kinj", {})
    retrieval = ours.get("tasks", {}).get(task, {})
    arguments = config.get("model_args")
    named = arguments.get("pretrained") if isinstance(arguments, dict) else None
    value, n = float(run["results"][task][f"{metric},{filter_name}"]), int(run["n-samples"][task]["effective"])
    interval, clusters = _interval(value, n, answers)
    return Score(
        task=task,
        metric=metric if filter_name == "none" else f"{metric} ({filter_name})",
        value=value,
        n=n,
        num_fewshot=int(run.get("n-shot", {}).get(task, 0)),
        split=str((run.get("configs", {}).get(task, {}).get("metadata") or {}).get("split", "")),
        retriever=ours.get("retriever", config["model"]),
        k=ours.get("k"),
        recall_at_1=retrieval.get("recall@1"),
        recall_at_k=retrieval.get(f"recall@{ours.get('k')}"),
        model=str(ours.get("base", {}).get("model") or named or config["model"]),
        interval=interval,
        clusters=clusters,
        found=_found_counts(retrieval, answers),
    )


def _interval(value: float, n: int, answers: list[Answer] | None) -> tuple[tuple[float, float], int | None]:
    if answers is None:
        return wilson_interval(value, n), None
    clusters = clusters_of([answer.chunk_ids for answer in answers])
    return clustered_interval([answer.value for answer in answers], clusters), int(clusters.max()) + 1


def _found_counts(retrieval: Json, answers: list[Answer] | None) -> FoundCounts | None:
    sent = retrieval.get("questions_with_gold_sent")
    if sent is None or answers is None or any(answer.value not in (0, 1) for answer in answers):
        return None
    found = set(sent)
    counts = Counter((answer.question_id in found, answer.value == 1) for answer in answers if answer.chunk_ids)
    return FoundCounts(counts[True, True], counts[True, False], counts[False, True], counts[False, False])
