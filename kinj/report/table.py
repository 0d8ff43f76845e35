"""Scores as a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    "95 % interval": lambda s: "{:.0%} to {:.0%}".format(*s.interval),
    "recall@1": lambda s: _share(s.recall_at_1),
    "recall@k": lambda s: _share(s.recall_at_k),
}
#: What is the same for all scores is said once, above the table.
_SAID_ONCE = ("model", "task", "split", "shots", "metric", "questions")


def score_table(scores: Sequence[Score]) -> Table:
    """One line a score: what was read, how many answers were right, in which interval, and what retrieval found.

    recall@1 and recall@k are the shares of questions whose source chunk came first, and among the k.
    """
    same = [name for name in _SAID_ONCE if len({_COLUMNS[name](score) for score in scores}) == 1]
    title = " · ".join(f"{name} {_COLUMNS[name](scores[0])}" for name in same)
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold")
    shown = [name for name in _COLUMNS if name not in same]
    for name in shown:
        table.add_column(
            name, justify="right" if name in ("score", "95 % interval", "recall@1", "recall@k") else "left"
        )
    for score in scores:
        table.add_row(*(_COLUMNS[name](score) for name in shown))
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
