"""Which results are one model's: rows, named by what tells them apart, and cells that two files claim."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np

from kinj.report.reading import Problem, Result, Run
from kinj.report.reading.identity import HASHES
from kinj.report.reading.runs import SEALED

#: What tells results apart only where two would else be one cell, the most telling first.
_DETAILS = ("chat_template", "batch_size", "device", "task", "folder")
_COMMIT = "commit"


@dataclass(frozen=True, slots=True)
class Entry:
    """A result in its column, with the run that it is from."""

    run: Run
    result: Result
    #: the column's id
    column: int
    #: the task as the file calls it, where `--task` gave it another name
    renamed: str = ""

    def detail(self, name: str) -> str:
        """One of `_DETAILS`, or the commit; empty where the file does not say."""
        if name == "task":
            return self.renamed
        return str(PurePath(self.run.place).parent) if name == "folder" else self.run.details.get(name, "")


@dataclass(frozen=True, slots=True)
class Row:
    """One model as it was asked: its weights, adapter, retrieval and arguments."""

    label: str
    model: str
    #: all that was said of it, whether it tells rows apart or not
    settings: Mapping[str, str]
    marks: tuple[str, ...]
    #: files, as messages name them
    places: tuple[str, ...]
    #: its results by column
    results: Mapping[int, Result]
    runs: tuple[Run, ...]


def make_rows(entries: Iterable[Entry]) -> tuple[list[Row], list[Problem]]:
    """One row for each model and its settings; where two files would fill one cell, what else differs parts them.

    Where nothing does, neither file's number is taken, and a problem names both. Equal results count as one.
    """
    problems: list[Problem] = []
    found: list[tuple[str, dict[str, str], list[Entry]]] = []
    by_settings: dict[tuple[str, tuple[tuple[str, str], ...]], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_settings[entry.run.model, tuple(sorted(entry.run.settings.items()))].append(entry)
    for (model, settings), own in by_settings.items():
        for more, part in _parted(own):
            found.append((model, {**dict(settings), **more}, part))
    rows = [_row(model, settings, part, problems) for model, settings, part in found]
    return _labelled([row for row in rows if row.results]), problems


def _parted(entries: list[Entry]) -> list[tuple[dict[str, str], list[Entry]]]:
    """The entries apart by the fewest details that leave no cell twice; by all that differ where none suffice.

    Apart in any case where files name several commits of the hub, whose scores are no one model's.
    """
    if len({entry.detail(_COMMIT) for entry in entries} - {""}) > 1:
        return [({**({_COMMIT: commit} if commit else {}), **more}, part)
                for (commit,), own in _by(entries, (_COMMIT,)).items() for more, part in _parted(own)]  # fmt: skip
    if not _clashes(entries):
        return [({}, entries)]
    differing = [name for name in _DETAILS if len({entry.detail(name) for entry in entries}) > 1]
    choices = [names for size in (1, 2) for names in itertools.combinations(differing, size)] + [tuple(differing)]
    for names in choices:
        parts = _by(entries, names)
        if not any(_clashes(part) for part in parts.values()):
            break
    return [({name: value for name, value in zip(names, values, strict=True) if value}, part)
            for values, part in parts.items()]  # fmt: skip


def _by(entries: Iterable[Entry], names: tuple[str, ...]) -> dict[tuple[str, ...], list[Entry]]:
    parts: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        parts[tuple(entry.detail(name) for name in names)].append(entry)
    return parts


def _clashes(entries: Iterable[Entry]) -> dict[int, list[Entry]]:
    """Columns that several unequal entries would fill."""
    by_column: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_column[entry.column].append(entry)
    # All pairs: one without samples is the same as two that are not.
    return {
        column: own for column, own in by_column.items()
        if not all(_same(one, other) for one, other in itertools.combinations(own, 2))
    }  # fmt: skip


def _same(one: Entry, other: Entry) -> bool:
    """Whether two entries say the same; where both have samples, to the last question."""
    first, second = one.result, other.result
    if (first.value, first.n, first.stderr) != (second.value, second.n, second.stderr):
        return False
    if first.answers is None or second.answers is None:
        return True
    return np.array_equal(first.answers.keys, second.answers.keys) and np.array_equal(
        first.answers.values, second.answers.values
    )


def _row(model: str, settings: dict[str, str], entries: list[Entry], problems: list[Problem]) -> Row:
    results: dict[int, Result] = {}
    # Of equal ones the best checked stays.
    for entry in sorted(entries, key=lambda entry: (entry.result.answers is not None, entry.result.checked == SEALED)):
        results[entry.column] = entry.result
    for column, own in _clashes(entries).items():
        task, values = own[0].result.task, ", ".join(f"{one.result.value:.4f} in {one.run.place}" for one in own)
        why = f"several files of one cell, task {task!r} of {model!r}: {values}; none is taken: remove all but one"
        problems.append(Problem(own[0].run.place, f"{why}, or tell them apart by --name DIR=LABEL"))
        del results[column]
    runs = tuple({id(entry.run): entry.run for entry in entries}.values())
    marks = tuple(sorted({mark for run in runs for mark in run.marks}))
    return Row(model, model, settings, marks, tuple(run.place for run in runs), results, runs)


def _labelled(rows: Sequence[Row]) -> list[Row]:
    """The rows, those of one model named by the settings in which they differ."""
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_model[row.model].append(row)
    labels = {}
    for model, own in by_model.items():
        names = sorted({name for row in own for name in row.settings}, key=_order)
        telling = [name for name in names if len({row.settings.get(name, "") for row in own}) > 1]
        # Hashes are said only where nothing that a reader knows tells the rows apart.
        plain = [name for name in telling if name not in HASHES]
        if len({tuple(row.settings.get(name) for name in plain) for row in own}) == len(own):
            telling = plain
        for row in own:
            said = [_said(name, row.settings[name]) for name in telling if name in row.settings]
            labels[id(row)] = " · ".join([model, *said])
    return [replace(row, label=labels[id(row)]) for row in rows]


def _order(name: str) -> tuple[int, str]:
    first = ("injection", "reading", "retriever", "k", "peft", "seed")
    return (first.index(name) if name in first else len(first), name)


def _said(name: str, value: str) -> str:
    return value if name in ("injection", "reading") else f"{name}={value}"
