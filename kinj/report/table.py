"""Scores as a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple

from rich import box
from rich.table import Table

from kinj.report.results import Score

_COLUMNS: dict[str, Callable[[Score], str]] = {
    "model": lambda s: s.model,
    "task": lambda s: s.task,
    "shots": lambda s: str(s.num_fewshot),
    "split": lambda s: s.split,
    "metric": lambda s: s.metric,
    "questions": lambda s: str(s.n),
    "retriever": lambda s: s.retriever,
    "k": lambda s: "-" if s.k is None else str(s.k),
    "score": lambda s: f"{s.value:.1%}",
    "95 % interval": lambda s: _interval(s),
    "clusters": lambda s: "-" if s.clusters is None else str(s.clusters),
    "recall@1": lambda s: _share(s.recall_at_1),
    "recall@k": lambda s: _share(s.recall_at_k),
}
#: Behind an interval that takes every question for independent, because no samples were logged.
AS_IF_INDEPENDENT = " *"
#: What is the same for all scores is said once, above the table.
_SAID_ONCE = ("model", "task", "split", "shots", "metric", "questions", "clusters")

#: Left out where no score has one.
_WHERE_KNOWN = ("k", "recall@1", "recall@k")


def score_table(scores: Sequence[Score]) -> Table:
    """One line a score: what was read, how many answers were right, in which interval, and what retrieval found.

    `clusters` is what the interval counts: questions about one chunk are not independent, others are. recall@1 and
    recall@k are the shares of questions whose source chunk came first, and among the k.
    """
    same = [name for name in _SAID_ONCE if len({_COLUMNS[name](score) for score in scores}) == 1]
    title = " · ".join(f"{name} {_COLUMNS[name](scores[0])}" for name in same)
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold")
    empty = [name for name in _WHERE_KNOWN if all(_COLUMNS[name](score) == "-" for score in scores)]
    shown = [name for name in _COLUMNS if name not in (*same, *empty)]
    for name in shown:
        table.add_column(
            name, justify="right" if name in ("score", "95 % interval", "recall@1", "recall@k") else "left"
        )
    for score in scores:
        table.add_row(*(_COLUMNS[name](score) for name in shown))
    if any(score.clusters is None for score in scores):
        table.caption = f"{AS_IF_INDEPENDENT.strip()} as if questions were independent: add --log_samples"
        table.caption_justify = "left"
    return table


def found_table(scores: Sequence[Score]) -> Table | None:
    """Right and wrong answers where the source chunk was sent and where it was not; None where no score knows."""
    known = [score for score in scores if score.found is not None]
    if not known:
        return None
    title = "answers, by whether the source chunk was sent"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    names = [name for name in (*_SAID_ONCE, "retriever", "k") if len({_COLUMNS[name](score) for score in known}) > 1]
    for name in names or ["retriever"]:
        table.add_column(name)
    for name in ("sent: right", "wrong", "not sent: right", "wrong"):
        table.add_column(name, justify="right")
    for score in known:
        counts = map(str, astuple(score.found)) if score.found else ()
        table.add_row(*(_COLUMNS[name](score) for name in names or ["retriever"]), *counts)
    return table


def _interval(score: Score) -> str:
    low, high = score.interval
    return f"{low:.0%} to {high:.0%}{AS_IF_INDEPENDENT if score.clusters is None else ''}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
