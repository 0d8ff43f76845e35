"""Columns: a task with its metric, apart where anything differs that makes scores incomparable."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kinj.errors import UserError, nearest
from kinj.report.board.rows import Entry
from kinj.report.reading import Problem, Result, Run

#: Metrics from 0 to 1 that are a mean over questions, in the order in which a column takes one.
ORDER = (
    "acc", "exact_match", "acc_norm", "acc_calibrated", "acc_bytes", "accuracy", "em", "quasi_exact_match", "token_f1",
    "f1", "mc1", "mc2", "pass@1", "pass_at_1", "prompt_level_strict_acc", "inst_level_strict_acc",
)  # fmt: skip
_NONE_IF_UNSAID = (
    "chat template", "multiturn", "system prompt", "gen_kwargs", "few-shot seed", "task arguments",
)  # fmt: skip
_FILTERS = ("none", "strict-match", "get-answer", "flexible-extract")


#: A run, its result of a task, and the task's name in the file where `--task` gave it another.
Member = tuple[Run, Result, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One task's scores that may be compared."""

    task: str
    metric: str
    filter: str
    #: the fields in which it differs from other columns of the task, with its values
    apart: Mapping[str, str]
    #: all that its results have in common
    comparison: Mapping[str, str]
    higher_is_better: bool
    #: whether it is a share of 1, and may stand in a mean over tasks
    is_share: bool

    @property
    def label(self) -> str:
        """Task, and what tells it from other columns of the task."""
        return " · ".join([self.task, *(said(name, value) for name, value in self.apart.items())])

    @property
    def measure(self) -> str:
        """The metric, with the filter where one was asked for."""
        return self.metric if self.filter == "none" else f"{self.metric} ({self.filter})"


def said(field: str, value: str) -> str:
    """A field that tells columns apart, with its value; nothing is `none` only where a file would have said it."""
    return f"{field} {value or ('none' if field in _NONE_IF_UNSAID else 'not said')}"


def make_columns(
    runs: Iterable[Run],
    *,
    names: Mapping[Path, str] | None = None,
    tasks: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
) -> tuple[list[Column], list[Entry], list[Problem]]:
    """The columns, each run's results in theirs, and the runs that lack the metric asked for of one of their tasks.

    Args:
        runs: as read.
        names: by folder, how its runs' model is to be called.
        tasks: by a task's name in files, how it is to be called.
        metrics: by task, or by "" for all tasks, the metric to take.

    Raises:
        UserError: a name, task or metric that meets no file.
    """
    runs = list(runs)
    _refuse_unmet(runs, names or {}, tasks or {}, metrics or {})
    found: dict[str, list[Member]] = defaultdict(list)
    problems: list[Problem] = []
    for run in runs:
        named = _named(run, names or {})
        for result in run.results:
            task = (tasks or {}).get(result.task, result.task)
            if not task:
                problems.append(Problem(run.place, "a task without a name"))
                continue
            found[task].append((named, result, result.task if task != result.task else ""))
    columns: list[Column] = []
    entries: list[Entry] = []
    for task in sorted(found):
        problems += _lacking(task, found[task], (metrics or {}).get(task))
        for column, members in _comparable(task, list(_of_one_metric(task, found[task], metrics or {}))):
            entries += [Entry(run, result, len(columns), renamed) for run, result, renamed in members]
            columns.append(column)
    return columns, entries, problems


def _lacking(task: str, members: list[Member], metric: str | None) -> list[Problem]:
    """The runs of a task that have not the metric asked for it, which leaves them out of its column."""
    runs = {id(run): run for run, _, _ in members}
    having = {id(run) for run, result, _ in members if result.metric == metric}
    return [
        Problem(run.place, f"task {task!r}: no {metric}, which --metric asks for; its other metrics are left out")
        for key, run in runs.items() if metric is not None and key not in having
    ]  # fmt: skip


def _refuse_unmet(
    runs: list[Run], names: Mapping[Path, str], tasks: Mapping[str, str], metrics: Mapping[str, str]
) -> None:
    there = {result.task for run in runs for result in run.results}
    for task in tasks:
        if task not in there:
            raise UserError(f"--task {task}={tasks[task]}: no file has the task {task}{_hint(task, there)}")
    called = {tasks.get(task, task) for task in there}
    for task in metrics:
        if task and task not in called:
            raise UserError(f"--metric {task}={metrics[task]}: no file has the task {task}{_hint(task, called)}")
    measured = {result.metric for run in runs for result in run.results}
    if "" in metrics and metrics[""] not in measured:
        listed = ", ".join(sorted(measured))
        raise UserError(f"--metric {metrics['']}: the files have {listed}{_hint(metrics[''], measured)}")
    for folder in names:
        if not any(_is_below(run.file.resolve(), folder.resolve()) for run in runs):
            raise UserError(f"--name {folder}={names[folder]}: no results were read there")


def _hint(word: str, known: Iterable[str]) -> str:
    return f"; did you mean {near!r}?" if (near := nearest(word, known)) else ""


def _is_below(file: Path, folder: Path) -> bool:
    return file == folder or folder in file.parents


def _of_one_metric(task: str, results: list[Member], metrics: Mapping[str, str]) -> Iterator[list[Member]]:
    """The results of the task's metric; of runs that lack it again the metric that most of them have.

    Of a metric asked for this task alone: of runs that have it with another filter, that one.
    """
    left = results
    while left:
        chosen = _metric(task, [result for _, result, _ in left], metrics)
        own = [one for one in left if (one[1].metric, one[1].filter) == chosen]
        yield own
        having = {id(run) for run, _, _ in own}
        left = [
            one for one in left
            if id(one[0]) not in having and metrics.get(task, one[1].metric) == one[1].metric
        ]  # fmt: skip


def _named(run: Run, names: Mapping[Path, str]) -> Run:
    below = [folder for folder in names if _is_below(run.file.resolve(), folder.resolve())]
    return replace(run, model=names[max(below, key=lambda folder: len(folder.resolve().parts))]) if below else run


def _metric(task: str, results: list[Result], metrics: Mapping[str, str]) -> tuple[str, str]:
    """The metric of a column, by names alone, never by values.

    The one asked for; else the first in `ORDER` of those that most results of the task have, then by the alphabet.
    """
    counts = Counter((result.metric, result.filter) for result in results)
    wanted = metrics.get(task, metrics.get(""))
    if wanted is not None:
        own = [key for key in counts if key[0] == wanted]
        if not own and task in metrics:
            there = sorted({metric for metric, _ in counts})
            raise UserError(f"--metric {task}={wanted}: its files have {', '.join(there)}{_hint(wanted, there)}")
        counts = Counter({key: counts[key] for key in own}) if own else counts
    most = max(counts.values())
    return min((key for key in counts if counts[key] == most), key=_preference)


def _preference(key: tuple[str, str]) -> tuple[int, int, str, str]:
    metric, filter_name = key
    return (
        ORDER.index(metric) if metric in ORDER else len(ORDER),
        _FILTERS.index(filter_name) if filter_name in _FILTERS else len(_FILTERS),
        metric,
        filter_name,
    )


def _comparable(task: str, by_metric: list[list[Member]]) -> list[tuple[Column, list[Member]]]:
    """Results of one task in columns within which all that shapes questions and prompts is equal."""
    parts: list[list[Member]] = []
    for results in by_metric:
        by_fields: dict[tuple[bool, tuple[tuple[str, str], ...]], list[Member]] = defaultdict(list)
        for one in results:
            by_fields[one[1].higher_is_better, tuple(sorted(one[1].comparison.items()))].append(one)
        parts += [part for alike in by_fields.values() for part in _by_questions(alike)]
    fields = [_fields(part) for part in parts]
    telling = [
        name
        for name in sorted({name for one in fields for name in one})
        if len({one.get(name, "") for one in fields}) > 1
    ]
    columns = []
    for own, part in zip(fields, parts, strict=True):
        first = part[0][1]
        column = Column(
            task=task,
            metric=first.metric,
            filter=first.filter,
            apart={name: own.get(name, "") for name in telling},
            comparison=own,
            higher_is_better=first.higher_is_better,
            is_share=first.metric in ORDER and first.higher_is_better and all(0 <= r.value <= 1 for _, r, _ in part),
        )
        columns.append((column, part))
    return columns


def _fields(part: list[Member]) -> dict[str, str]:
    first = part[0][1]
    known = {result.answers.questions for _, result, _ in part if result.answers is not None}
    measured = {
        "metric": first.metric,
        "filter": first.filter,
        "better": "higher" if first.higher_is_better else "lower",
    }
    return {**measured, **first.comparison, **({"questions": f"#{min(known)}"} if known else {})}


def _by_questions(results: list[Member]) -> list[list[Member]]:
    """Apart by the set of questions that samples show; results without samples are taken to be of the only set."""
    by_set: dict[str, list[Member]] = defaultdict(list)
    for one in results:
        by_set[one[1].answers.questions if one[1].answers is not None else ""].append(one)
    if len(by_set.keys() - {""}) < 2:
        return [results]
    return list(by_set.values())
