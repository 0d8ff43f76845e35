"""What is read out of anybody's result files: runs, and one result for each metric of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Answers:
    """One number for each question, by question: equal questions have equal keys in every file."""

    #: hashes of the question and its target, ascending, each once
    keys: npt.NDArray[np.uint64]
    #: of one metric, in the order of the keys
    values: npt.NDArray[np.float64]
    #: equal where two questions are about the same source chunk
    clusters: npt.NDArray[np.uint64]

    @property
    def questions(self) -> str:
        """Which questions these are, in 12 hex digits: equal where the sets are."""
        import hashlib

        return hashlib.sha256(self.keys.tobytes()).hexdigest()[:12]


#: What a row may be marked with. The last three are roles of a cell of `kinj compare` (docs/cells.md).
MARKS = ("fine-tuned", "retrieves", "control", "forgetting", "noise")
#: How far a result was checked. Where its samples are there and give another score, it is contradicted.
CHECKED, SEALED, UNCHECKED, CONTRADICTED = "samples", "seal", "unchecked", "contradicted"


@dataclass(frozen=True, slots=True)
class Result:
    """One metric of one task in one file."""

    task: str
    metric: str
    #: of lm-eval: how answers were taken out of responses; `none` where nothing was
    filter: str
    value: float
    #: questions; None where the file does not say
    n: int | None
    #: as the file says it
    stderr: float | None
    higher_is_better: bool = True
    #: what must be equal for two results to stand in one column, by field
    comparison: Mapping[str, str] = field(default_factory=dict)
    #: the score of guessing, 0 to 1; None where nothing says
    chance: float | None = None
    answers: Answers | None = None
    #: CHECKED, SEALED, UNCHECKED or CONTRADICTED
    checked: str = UNCHECKED
    #: what the samples give instead, where it is contradicted
    sampled: float | None = None


@dataclass(frozen=True, slots=True)
class GroupMean:
    """A mean over tasks that the file itself states."""

    name: str
    metric: str
    filter: str
    value: float
    tasks: tuple[str, ...]
    #: `questions`: each counts alike; `tasks`: each task does; empty: neither gives the value that is stated
    over: str


@dataclass(frozen=True, slots=True)
class Run:
    """One file of results."""

    file: Path
    #: the file as a message names it: below the folder that was given
    place: str
    #: who wrote it: lm_eval, lm_eval_old, lighteval, inspect, every_eval_ever, pack
    source: str
    model: str
    #: what tells runs of one model apart, by name
    settings: Mapping[str, str]
    #: what tells them apart only where two runs would else be one, by name: batch size, device, …
    details: Mapping[str, str]
    #: of `MARKS`
    marks: tuple[str, ...]
    results: tuple[Result, ...]
    groups: tuple[GroupMean, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or a part of one, that was not taken, and why."""

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"
