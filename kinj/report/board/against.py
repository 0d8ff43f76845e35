"""Two runs of one plan, an older and a newer, cell by cell: what became better, what worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kinj.errors import UserError
from kinj.report.board.columns import make_columns
from kinj.report.board.ranks import paired_differences, share_variance, unpaired_p
from kinj.report.board.rows import Row, make_rows
from kinj.report.reading import Problem, Result, Run
from kinj.report.reading.runs import CHECKED, CONTRADICTED, SEALED, UNCHECKED
from kinj.statistics import ALPHA, holm
from kinj.statistics.shares import Z_95

BETTER, WORSE, SAME, UNSURE = "better", "worse", "the same", "can't tell"


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
    #: better, worse, the same (within the margin) or can't tell
    word: str


def compare_runs(
    new: Sequence[Run], old: Sequence[Run], *, margin: float = 0.03
) -> tuple[list[Change], list[str], list[Problem]]:
    """Every cell that both have, and the cells that only one has, in words.

    Cells are paired by model, settings and column: the same task, shots, template and questions. One family of tests,
    Holm's correction at 5 %: better or worse. The same: the 95 % interval lies within +-margin. The words are about
    these checkpoints as they stand; where weights were trained anew, the spread between trainings is in the difference
    and not in its interval.

    Raises:
        UserError: no cell is in both.
    """
    columns, entries = make_columns([*new, *old])
    of_new = {id(result) for run in new for result in run.results}
    new_rows, problems = make_rows(entry for entry in entries if id(entry.result) in of_new)
    old_rows, more = make_rows(entry for entry in entries if id(entry.result) not in of_new)
    older = {_key(row): row for row in old_rows}
    pairs = [(row, older[_key(row)], number) for row in new_rows if _key(row) in older for number in row.results]
    both = [
        (row, columns[number], row.results[number], before.results[number])
        for row, before, number in pairs
        if number in before.results and columns[number].is_share
        and CONTRADICTED not in (row.results[number].checked, before.results[number].checked)
    ]  # fmt: skip
    if not both:
        raise UserError("--against: no cell is in both: the same model, settings, task, shots and questions are needed")
    numbers = [_difference(result, before) for _, _, result, before in both]
    called = holm([p for _, _, p in numbers]) <= ALPHA
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
            word=_word(difference, interval, bool(is_called), margin),
        )
        for (row, column, result, before), (difference, interval, p), is_called in zip(
            both, numbers, called, strict=True
        )
    ]
    return changes, [*_alone(new_rows, old_rows, "new"), *_alone(old_rows, new_rows, "old")], [*problems, *more]


def _key(row: Row) -> tuple[str, tuple[tuple[str, str], ...]]:
    return row.model, tuple(sorted(row.settings.items()))


def _alone(rows: Sequence[Row], others: Sequence[Row], which: str) -> list[str]:
    """Cells that only these rows have: a change cannot be seen there."""
    theirs = {_key(row): row for row in others}
    found = []
    for row in rows:
        other = theirs.get(_key(row))
        tasks = sorted(
            {row.results[number].task for number in row.results if other is None or number not in other.results}
        )
        if tasks:
            found.append(f"only in the {which} one: {row.label}: {', '.join(tasks)}")
    return found


def _difference(new: Result, old: Result) -> tuple[float, tuple[float, float], float]:
    """New minus old, its 95 % interval and p."""
    if new.answers is not None and old.answers is not None:
        found = paired_differences([[new.answers], [old.answers]])
        return float(found.estimate[0, 1]), found.interval(0, 1), float(found.p[0, 1])
    variances = [share_variance(one.value, one.n, one.stderr) for one in (new, old)]
    difference = new.value - old.value
    known = [one for one in variances if one is not None]
    half = Z_95 * sum(known) ** 0.5 if len(known) == 2 else 1.0
    p = float(unpaired_p([new.value, old.value], variances)[0, 1])
    return difference, (difference - half, difference + half), p


def _word(difference: float, interval: tuple[float, float], is_called: bool, margin: float) -> str:
    if is_called:
        return BETTER if difference > 0 else WORSE
    return SAME if -margin < interval[0] and interval[1] < margin else UNSURE
