"""The leaderboard as numbers: rows x columns with intervals and ranks, means over tasks, and what was not taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinj.report.board.columns import ORDER, Column, make_columns, said
from kinj.report.board.ranks import (
    LARGEST_CLUSTER,
    Flags,
    Matrix,
    differing,
    differing_at_least,
    largest_share,
    mean_interval,
    paired_differences,
    question_count,
    rank_ranges,
    share_variance,
    unpaired_p,
)  # fmt: skip
from kinj.report.board.rows import Row, make_rows
from kinj.report.reading import Answers, GroupMean, Problem, Result, Run
from kinj.report.reading.runs import CONTRADICTED
from kinj.statistics import wilson_interval
from kinj.statistics.shares import Z_95

#: How an interval was made.
BY_QUESTION, AS_IF_INDEPENDENT, FROM_STDERR, NO_INTERVAL = "samples", "as if independent", "standard error", "none"


@dataclass(frozen=True, slots=True)
class Score:
    """One number of the board."""

    value: float
    #: questions; None where no file says
    n: int | None
    #: 95 %; None where nothing gives one
    interval: tuple[float, float] | None
    #: one of the kinds above
    interval_from: str
    #: best and worst rank that the differences leave, and how many were ranked; None: it takes no part
    rank: tuple[int, int, int] | None
    #: `samples`, `seal`, `unchecked` or `contradicted`
    checked: str
    #: (value - chance) / (1 - chance), below 0 where it is worse than guessing; None where chance is not known
    normalized: float | None = None
    #: what the samples give, where that is something else
    sampled: float | None = None


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A mean that files state over their tasks, as lm-eval defines it."""

    name: str
    metric: str
    #: numbers of the columns that it is over
    columns: tuple[int, ...]
    #: `questions` or `tasks`; empty: the tasks' scores do not give what is stated
    over: str
    #: in which its columns differ from others of their tasks
    apart: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """The group, and what its mean is over."""
        over = f"mean over {self.over}" if self.over else "as stated: its tasks do not give it"
        apart = "".join(f" · {said(name, value)}" for name, value in self.apart)
        return f"{self.name}{apart} ({len(self.columns)} tasks, {over})"


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its numbers."""

    row: Row
    #: by the column's number; a column without is a hole
    scores: Mapping[int, Score]
    groups: Mapping[GroupColumn, Score]
    #: over all tasks of the board; None where one is missing
    mean: Score | None
    #: over the tasks that all rows share; None where there are none
    shared_mean: Score | None


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard."""

    columns: tuple[Column, ...]
    groups: tuple[GroupColumn, ...]
    lines: tuple[Line, ...]
    #: numbers of the columns that the mean is over, and of those that all rows share
    in_mean: tuple[int, ...]
    shared: tuple[int, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def make_board(
    runs: Iterable[Run],
    problems: Iterable[Problem] = (),
    *,
    names: Mapping[Path, str] | None = None,
    tasks: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
) -> Board:
    """The board of these runs; arguments as `make_columns` takes them."""
    columns, entries, lacking = make_columns(runs, names=names, tasks=tasks, metrics=metrics)
    rows, claimed = make_rows(entries)
    scores: list[dict[int, Score]] = [{} for _ in rows]
    notes: list[str] = []
    for number, column in enumerate(columns):
        having = [i for i, row in enumerate(rows) if number in row.results]
        for i, score in zip(having, _column_scores([rows[i].results[number] for i in having], column), strict=True):
            scores[i][number] = score
        notes += _notes(column, number, [rows[i] for i in having])
    in_mean = tuple(number for number, column in enumerate(columns) if column.is_share)
    shared = tuple(number for number in in_mean if all(_counts(one.get(number)) for one in scores))
    means = _means(rows, scores, in_mean)
    shared_means = means if shared == in_mean else _means(rows, scores, shared)
    groups = [_groups(row, columns) for row in rows]
    lines = [
        Line(row, own, grouped, mean, shared_mean)
        for row, own, grouped, mean, shared_mean in zip(rows, scores, groups, means, shared_means, strict=True)
    ]
    lines.sort(key=_place)
    every_group = tuple(dict.fromkeys(group for line in lines for group in line.groups))
    return Board(
        tuple(columns), every_group, tuple(lines), in_mean, shared, (*problems, *lacking, *claimed), tuple(notes)
    )


def _place(line: Line) -> tuple[float, float, str]:
    """Rows with all tasks first, the best first; the others by what they share."""
    shared = line.shared_mean.value if line.shared_mean else 0.0
    return (-line.mean.value if line.mean else 1.0, -shared, line.row.label)


def _counts(score: Score | None) -> bool:
    return score is not None and score.checked != CONTRADICTED


def _column_scores(results: Sequence[Result], column: Column) -> list[Score]:
    scores = [_score(result, column) for result in results]
    ranked = [i for i, score in enumerate(scores) if _counts(score)]
    taking_part = [results[i] for i in ranked]
    ranges = _ranges([[one] for one in taking_part], (1.0,), column.higher_is_better, is_share=column.is_share)
    for i, (first, last) in zip(ranked, ranges, strict=True):
        scores[i] = replace(scores[i], rank=(first, last, len(ranked)))
    return scores


def _score(result: Result, column: Column) -> Score:
    interval, made_from = _interval(result, is_share=column.is_share)
    chance = result.chance if column.is_share and result.checked != CONTRADICTED else None
    normalized = (result.value - chance) / (1 - chance) if chance is not None and chance < 1 else None
    return Score(result.value, result.n, interval, made_from, None, result.checked, normalized, result.sampled)


def _interval(result: Result, *, is_share: bool) -> tuple[tuple[float, float] | None, str]:
    if is_share and result.answers is not None and result.checked != CONTRADICTED:
        return mean_interval([result.answers]), BY_QUESTION
    if is_share and result.n:
        return wilson_interval(result.value, result.n), AS_IF_INDEPENDENT
    if result.stderr is not None:
        half = Z_95 * result.stderr
        return (result.value - half, result.value + half), FROM_STDERR
    return None, NO_INTERVAL


def _ranges(
    rows: Sequence[Sequence[Result]], weights: Sequence[float], higher_is_better: bool, *, is_share: bool
) -> list[tuple[int, int]]:
    """The ranks that rows may have; each row with its result of each task."""
    if len(rows) < 2:
        return [(1, 1)] * len(rows)
    values = [sum(w * one.value for w, one in zip(weights, row, strict=True)) for row in rows]
    return rank_ranges(_differ(rows, weights, values, is_share=is_share), values, higher_is_better=higher_is_better)


def _differ(
    rows: Sequence[Sequence[Result]], weights: Sequence[float], values: Sequence[float], *, is_share: bool
) -> Flags:
    """Which rows differ: paired where both have samples, else by each one's own variance."""
    fewest = sum(map(_differing_at_least, zip(*rows, strict=True))) if is_share else math.inf
    p: Matrix = unpaired_p(values, [_variance(row, weights, is_share=is_share) for row in rows], fewest)
    answers = [_all_answers(row) for row in rows]
    paired = [i for i, one in enumerate(answers) if one is not None]
    if len(paired) > 1:
        differences = paired_differences([one for one in answers if one is not None], weights)
        p[np.ix_(paired, paired)] = differences.p
    return differing(p)


def _differing_at_least(of_task: Sequence[Result]) -> Matrix:
    counts = [question_count(one.value, one.n, one.stderr) for one in of_task]
    return differing_at_least([one.value for one in of_task], counts)


def _all_answers(row: Sequence[Result]) -> list[Answers] | None:
    found = [one.answers for one in row if one.answers is not None]
    return found if len(found) == len(row) else None


def _variance(row: Sequence[Result], weights: Sequence[float], *, is_share: bool) -> float | None:
    own = [
        share_variance(one.value, one.n, one.stderr) if is_share else (one.stderr**2 if one.stderr else None)
        for one in row
    ]
    known = [weight**2 * one for weight, one in zip(weights, own, strict=True) if one is not None]
    return sum(known) if len(known) == len(row) else None


def _means(rows: Sequence[Row], scores: Sequence[Mapping[int, Score]], columns: Sequence[int]) -> list[Score | None]:
    """Each row's mean over these columns, with its rank; None where one of them is missing or contradicted."""
    complete = [i for i, own in enumerate(scores) if columns and all(_counts(own.get(number)) for number in columns)]
    weights = [1 / len(columns)] * len(columns) if columns else []
    results = [[rows[i].results[number] for number in columns] for i in complete]
    ranges = _ranges(results, weights, True, is_share=True)
    means: list[Score | None] = [None] * len(rows)
    for i, own, (first, last) in zip(complete, results, ranges, strict=True):
        means[i] = replace(_mean(own, weights), rank=(first, last, len(complete)))
    return means


def _mean(results: Sequence[Result], weights: Sequence[float]) -> Score:
    value = sum(weight * one.value for weight, one in zip(weights, results, strict=True))
    counts = [one.n for one in results]
    n = sum(one for one in counts if one) if all(counts) else None
    answers, variance = _all_answers(results), _variance(results, weights, is_share=True)
    interval: tuple[float, float] | None = None
    made_from = NO_INTERVAL
    if answers is not None:
        interval, made_from = mean_interval(answers, weights), BY_QUESTION
    elif variance is not None:
        half = Z_95 * variance**0.5
        interval, made_from = (max(0.0, value - half), min(1.0, value + half)), AS_IF_INDEPENDENT
    chances = [one.chance for one in results if one.chance is not None and one.chance < 1]
    normalized = None
    if len(chances) == len(results):
        above = [(one.value - chance) / (1 - chance) for one, chance in zip(results, chances, strict=True)]
        normalized = sum(weight * one for weight, one in zip(weights, above, strict=True))
    return Score(value, n, interval, made_from, None, _weakest(results), normalized)


def _weakest(results: Sequence[Result]) -> str:
    levels = ("contradicted", "unchecked", "seal", "samples")
    return min((one.checked for one in results), key=levels.index)


def _groups(row: Row, columns: Sequence[Column]) -> dict[GroupColumn, Score]:
    """The means that a row's files state, where all tasks behind one are in the row's columns."""
    column_of = {id(result): number for number, result in row.results.items()}
    found: dict[GroupColumn, Score] = {}
    for run in row.runs:
        by_task = {(one.task, one.metric, one.filter): one for one in run.results}
        for group in run.groups:
            parts = [by_task[key] for task in group.tasks if (key := (task, group.metric, group.filter)) in by_task]
            if not parts or len(parts) < len(group.tasks) or any(id(part) not in column_of for part in parts):
                continue
            numbers = tuple(column_of[id(part)] for part in parts)
            common = set.intersection(*(set(columns[number].apart.items()) for number in numbers))
            apart = tuple((name, value) for name, value in columns[numbers[0]].apart.items() if (name, value) in common)
            found[GroupColumn(group.name, group.metric, numbers, group.over, apart)] = _group_score(group, parts)
    return found


def _group_score(group: GroupMean, parts: Sequence[Result]) -> Score:
    counts = [one.n or 0 for one in parts]
    if not group.over or not all(counts):
        return Score(group.value, None, None, NO_INTERVAL, None, "unchecked")
    total = sum(counts)
    weights = [n / total if group.over == "questions" else 1 / len(parts) for n in counts]
    return replace(_mean(parts, weights), value=group.value)


def _notes(column: Column, number: int, rows: Sequence[Row]) -> list[str]:
    """What a reader must know of a column beside its numbers."""
    results = [row.results[number] for row in rows]
    ids = {id(result) for result in results}
    runs = [run for row in rows for run in row.runs if any(id(result) in ids for result in run.results)]
    notes = []
    sizes = sorted({run.details.get("batch_size", "not said") for run in runs})
    if len(sizes) > 1:
        notes.append(f"{column.label}: asked in batches of {', '.join(sizes)}; that alone can move answers a little")
    if column.metric in ORDER and column.higher_is_better and not column.is_share:
        far = next(run.place for run in runs for one in run.results if id(one) in ids and not 0 <= one.value <= 1)
        notes.append(f"{column.label}: beyond 0 to 1 in {far}, so no share: as files say it, and in no mean")
    known = next((result.answers for result in results if result.answers is not None), None)
    share = largest_share(known) if known is not None else 0.0
    if known is not None and share > max(LARGEST_CLUSTER, 1 / len(known.keys)):
        notes.append(f"{column.label}: one chunk holds {share:.0%} of the questions; intervals are less sure there")
    return notes
