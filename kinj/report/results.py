"""Scores out of lm-eval's result files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.statistics import wilson_interval

#: Metrics of lm-eval and kinj that are shares of questions answered right; others have no interval of a share.
SHARES = ("acc", "acc_norm", "acc_bytes", "acc_calibrated", "exact_match")


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

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson score interval of a share of n questions."""
        return wilson_interval(self.value, self.n)


def read_scores(paths: Iterable[Path], metrics: tuple[str, ...] = ()) -> list[Score]:
    """The scores of result files, in the order given; folders are searched for `results*.json`.

    Args:
        paths: files that `lm_eval --output_path` wrote, or folders that hold them.
        metrics: which of `SHARES` to take; empty for all that a task reports.

    Raises:
        UserError: nothing there, a file that is not lm-eval's, or a metric that is no share.
    """
    scores = [score for path in paths for file in _files(path) for score in _scores(file, metrics)]
    if not scores:
        raise UserError("no scores there: give files or folders that `lm_eval --output_path` wrote")
    return scores


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob("results*.json")) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise UserError(f"{path}: no results of lm-eval there; make some by `lm_eval --output_path {path}`")
    return found


def _scores(file: Path, metrics: tuple[str, ...]) -> Iterator[Score]:
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
        tasks, counts = run["results"], run["n-samples"]
        for task, values in tasks.items():
            if task not in counts:
                continue  # a group's own line, a mean over its tasks
            for name, value in values.items():
                metric, _, filtered = name.partition(",")
                if metric not in (metrics or SHARES) or not filtered or not counts[task]["effective"]:
                    continue
                if metric not in SHARES:
                    raise UserError(f"--metric {metric}: no share of right answers; there are {', '.join(SHARES)}")
                said = metric if filtered == "none" else f"{metric} ({filtered})"
                yield _score(run, task, said, float(value))
    except UserError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{file}: not a result file of lm-eval ({type(error).__name__}: {error})") from error


def _score(run: dict[str, Any], task: str, metric: str, value: float) -> Score:  # Any: JSON values
    config = run["config"]
    ours = config.get("kinj", {})
    found = ours.get("tasks", {}).get(task, {})
    k = ours.get("k")
    base = ours.get("base", {})
    arguments = config.get("model_args")
    named = arguments.get("pretrained") if isinstance(arguments, dict) else None
    return Score(
        task=task,
        metric=metric,
        value=value,
        n=int(run["n-samples"][task]["effective"]),
        num_fewshot=int(run["n-shot"].get(task, 0)),
        split=str((run.get("configs", {}).get(task, {}).get("metadata") or {}).get("split", "")),
        retriever=ours.get("retriever", config["model"]),
        k=k,
        recall_at_1=found.get("recall@1"),
        recall_at_k=found.get(f"recall@{k}"),
        model=str(base.get("model") or named or config["model"]),
    )
