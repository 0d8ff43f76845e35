"""Two runs of one plan, an older and a newer, cell by cell: what became better, what worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kinj.errors import UserError
from kinj.report.board.columns import Column, make_columns
from kinj.report.board.ranks import (
    differing_at_least,
    paired_differences,
    question_count,
    share_variance,
    unpaired_p,
)  # fmt: skip
from kinj.report.board.rows import Row, make_rows
from kinj.report.reading import Problem, Result, Run
from kinj.report.reading.identity import RETRIEVAL, TRAINING
from kinj.report.reading.runs import CHECKED, CONTRADICTED, SEALED, UNCHECKED
from kinj.statistics import ALPHA, FEWEST_CLUSTERS, Word, holm
from kinj.statistics.shares import Z_95

WORSE: Word = "worse"


@dataclass(frozen=True, slots=True)
class Change:
    """One cell, newer minus older, as shares of 1."""

    model: str
    task: str
    metric: str
    old: float
    new: float
    #: new - old, with its 95 % interval
    difference: float
    interval: tuple[float, float]
    #: of this cell alone
    p: float
    #: questions that both answered; None: without samples, and unpaired
    paired: int | None
    #: of the two numbers the less checked one's: `samples`, `seal` or `unchecked`
    checked: str
    word: Word


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Cells of a row in which no change can be seen."""

    model: str
    tasks: tuple[str, ...]
    why: str
    #: whether the older one has a number there, and the newer none that counts
    is_lost: bool

    def __str__(self) -> str:
        return f"{self.why}: {self.model}: {', '.join(self.tasks)}"


def compare_runs(
    new: Sequence[Run],
    old: Sequence[Run],
    *,
    margin: float = 0.03,
    names: Mapping[Path, str] | None = None,
    tasks: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
) -> tuple[list[Change], list[Unpaired], list[Problem]]:
    """Every cell that both have, the cells that cannot be compared, and what was not taken; options of `make_columns`.

    Cells are paired by model, settings and column: the same task, shots, template and questions; arms of a plan by
    their names, whether they were trained anew or retrieve in another way. One family of tests, Holm's correction at
    5 %: better or worse. The same: the 95 % interval lies within +-margin. Below `FEWEST_CLUSTERS` effective clusters,
    or questions without samples, there are too few to tell. Of the other floor of kinj.statistics,
    clusters that differ, better and worse alone are held: two runs of equal answers are the same. The words are about
    these checkpoints as they stand; where weights were trained anew, the spread between trainings is in the difference
    and not in its interval.

    Raises:
        UserError: no cell is in both, nor was one left out.
    """
    new, old = [_as_named(run) for run in new], [_as_named(run) for run in old]
    columns, entries, problems = make_columns([*new, *old], names=names, tasks=tasks, metrics=metrics)
    of_new = {id(result) for run in new for result in run.results}
    new_rows, claimed = make_rows(entry for entry in entries if id(entry.result) in of_new)
    old_rows, more = make_rows(entry for entry in entries if id(entry.result) not in of_new)
    older = {_key(row): row for row in old_rows}
    pairs = [(row, older[_key(row)], number) for row in new_rows if _key(row) in older for number in row.results]
    both = [
        (row, columns[number], row.results[number], before.results[number])
        for row, before, number in pairs
        if number in before.results and columns[number].is_share
        and CONTRADICTED not in (row.results[number].checked, before.results[number].checked)
    ]  # fmt: skip
    left_out = _left_out(pairs, columns)
    if not (both or left_out or claimed or more):
        raise UserError("--against: no cell is in both: the same model, settings, task, shots and questions are needed")
    numbers = [_difference(result, before) for _, _, result, before in both]
    called = holm([p for _, _, p, _ in numbers]) <= ALPHA
    changes = [
        Change(
            model=row.label,
            task=column.label,
            metric=column.measure,
            old=before.value,
            new=result.value,
            difference=difference,
            interval=interval,
            p=p,
            paired=len(result.answers.keys) if result.answers is not None and before.answers is not None else None,
            checked=max(result.checked, before.checked, key=(CHECKED, SEALED, UNCHECKED).index),
            word=_word(difference, interval, bool(is_called), margin, clusters),
        )
        for (row, column, result, before), (difference, interval, p, clusters), is_called in zip(
            both, numbers, called, strict=True
        )
    ]
    alone = [*_alone(new_rows, old_rows, "new"), *_alone(old_rows, new_rows, "old")]
    return changes, [*alone, *left_out], [*problems, *claimed, *more]


def _as_named(run: Run) -> Run:
    return replace(run, settings={name: one for name, one in run.settings.items() if name not in (TRAINING, RETRIEVAL)})


def _key(row: Row) -> tuple[str, tuple[tuple[str, str], ...]]:
    return row.model, tuple(sorted(row.settings.items()))


def _alone(rows: Sequence[Row], others: Sequence[Row], which: str) -> list[Unpaired]:
    """Cells that only these rows have: a change cannot be seen there."""
    theirs = {_key(row): row for row in others}
    found = []
    for row in rows:
        other = theirs.get(_key(row))
        tasks = sorted(
            {row.results[number].task for number in row.results if other is None or number not in other.results}
        )
        if tasks:
            found.append(Unpaired(row.label, tuple(tasks), f"only in the {which} one", is_lost=which == "old"))
    return found


def _left_out(pairs: Sequence[tuple[Row, Row, int]], columns: Sequence[Column]) -> list[Unpaired]:
    """Cells that both have and that are not compared."""
    found = []
    for row, before, number in pairs:
        if number not in before.results:
            continue
        column, newer, older = columns[number], row.results[number].checked, before.results[number].checked
        if CONTRADICTED in (newer, older):
            which = "new" if newer == CONTRADICTED else "old"
            why = f"not compared, contradicted by its samples in the {which} one"
            found.append(Unpaired(row.label, (column.label,), why, is_lost=newer == CONTRADICTED))
        elif not column.is_share:
            why = f"not compared, {column.measure} is no share of 1"
            found.append(Unpaired(row.label, (column.label,), why, is_lost=False))
    return found


def _difference(new: Result, old: Result) -> tuple[float, tuple[float, float], float, float | None]:
    """New minus old, its 95 % interval, p, and effective clusters; without samples questions, None where not said."""
    if new.answers is not None and old.answers is not None:
        found = paired_differences([[new.answers], [old.answers]])
        return float(found.estimate[0, 1]), found.interval(0, 1), float(found.p[0, 1]), found.effective_clusters
    variances = [share_variance(one.value, one.n, one.stderr) for one in (new, old)]
    difference = new.value - old.value
    known = [one for one in variances if one is not None]
    half = Z_95 * sum(known) ** 0.5 if len(known) == 2 else 1.0
    counts = [question_count(one.value, one.n, one.stderr) for one in (new, old)]
    shares = [new.value, old.value]
    p = float(unpaired_p(shares, variances, differing_at_least(shares, counts))[0, 1])
    fewest = min((one for one in counts if one is not None), default=None)
    return difference, (difference - half, difference + half), p, fewest


def _word(
    difference: float, interval: tuple[float, float], is_called: bool, margin: float, clusters: float | None
) -> Word:
    if clusters is not None and clusters < FEWEST_CLUSTERS:
        return "too few to tell"
    if is_called:
        return "better" if difference > 0 else WORSE
    return "the same" if -margin < interval[0] and interval[1] < margin else "can't tell"
