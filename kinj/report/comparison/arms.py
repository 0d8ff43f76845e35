"""Cells put together to arms: a recipe's trainings side by side, and each reading arm with the K that dev chose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinj.records import Cell, Json
from kinj.report.comparison.answers import Array, Asked
from kinj.report.comparison.folder import Comparison, ReadCell
from kinj.report.verdict.contrasts import NONE, Arm
from kinj.statistics import clustered_interval

#: Roles of cells that contrasts are about.
JUDGED = ("main", "everything")


@dataclass(frozen=True, slots=True)
class ArmScores:
    """An arm's answers on one split, of all of its trainings."""

    arm: Arm
    split: str
    k: int | None
    role: str
    metric: str
    cells: tuple[ReadCell, ...]
    #: right or not, (questions of the task, trainings); NaN where a question was not asked
    right: Array
    #: probability of the right option, in the same shape
    probability: Array
    #: planned trainings that are missing
    missing_seeds: tuple[int, ...]
    #: trainings with the weights of one before, which count once
    copies: int
    #: each question's cluster
    clusters: npt.NDArray[np.int64]
    #: the questions, in order
    questions: Sequence[Asked]

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """Of the trainings, in the order of the columns."""
        return tuple(one.cell.seed for one in self.cells)

    @property
    def trained(self) -> bool:
        """Whether a training is in it."""
        return self.arm.injection != NONE

    @property
    def asked(self) -> npt.NDArray[np.bool_]:
        """Which questions all trainings answered."""
        there: npt.NDArray[np.bool_] = np.isfinite(self.right.sum(axis=1))
        return there

    @property
    def accuracy(self) -> float:
        """Over questions and trainings."""
        return float(self.right[self.asked].mean())

    def interval(self, mask: npt.NDArray[np.bool_] | None = None) -> tuple[float, float]:
        """95 %, of all questions or of some."""
        chosen = self.asked if mask is None else self.asked & mask
        if not chosen.any():
            return 0.0, 1.0
        return clustered_interval(self.right[chosen], relabelled(self.clusters[chosen]))


def relabelled(clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The same clusters numbered from 0 without gaps."""
    return np.unique(clusters, return_inverse=True)[1]


def reading_of(cell: Cell) -> str:
    """A cell's reading arm without its k."""
    return cell.reading if cell.k is None else cell.reading.removesuffix(f" k={cell.k}")


def task_label(cell: Cell, shots: set[int]) -> str:
    """The task, with its shots where the comparison asks several."""
    return cell.task if len(shots) < 2 else f"{cell.task}, {cell.num_fewshot} shots"


def arms_of(comparison: Comparison) -> list[ArmScores]:
    """Every arm with every k and split that has a complete cell, in the plan's order."""
    shots = _shots(comparison)
    groups: dict[tuple[object, ...], list[ReadCell]] = defaultdict(list)
    for one in comparison.cells:
        groups[_place(one.cell)].append(one)
    missing: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for gone in comparison.missing:
        if gone.cell.seed is not None:
            missing[_place(gone.cell)].append(gone.cell.seed)
    clusters = {id(questions): questions.clusters() for questions in comparison.questions.values() if questions.asked}
    found = []
    for place, cells in groups.items():
        first = cells[0].cell
        distinct = _distinct(cells)
        count = len(comparison.questions_of(first).asked)
        metric = distinct[0].answers.metric()
        right, probability = (
            np.stack([one.answers.column(name, count) for one in distinct], axis=1) for name in (metric, "probability")
        )
        found.append(
            ArmScores(
                arm=Arm(first.model, task_label(first, shots), first.injection, reading_of(first)),
                split=first.split,
                k=first.k,
                role=first.role,
                metric=metric,
                cells=tuple(distinct),
                right=right,
                probability=probability,
                missing_seeds=tuple(sorted(missing[place])),
                copies=len(cells) - len(distinct),
                clusters=clusters[id(comparison.questions_of(first))],
                questions=comparison.questions_of(first).asked,
            )
        )
    return found


def planned_arms(comparison: Comparison) -> list[Arm]:
    """The main arms that plans name, whatever is there of them."""
    shots = _shots(comparison)
    cells = [cell for cell in comparison.plan_cells if cell.role in JUDGED]
    return list(
        dict.fromkeys(Arm(cell.model, task_label(cell, shots), cell.injection, reading_of(cell)) for cell in cells)
    )


def _shots(comparison: Comparison) -> set[int]:
    cells = [*(one.cell for one in comparison.cells), *(one.cell for one in comparison.missing)]
    return {cell.num_fewshot for cell in cells}


def _place(cell: Cell) -> tuple[object, ...]:
    where = (cell.model, cell.injection, cell.reading, cell.task, cell.split, cell.num_fewshot, cell.limit)
    return (*where, cell.role)


def _distinct(cells: Sequence[ReadCell]) -> list[ReadCell]:
    """Those of different weights, by seed."""
    kept: dict[str, ReadCell] = {}
    for one in sorted(cells, key=lambda one: -1 if one.cell.seed is None else one.cell.seed):
        kept.setdefault(one.identity or one.cell.id, one)
    return list(kept.values())


@dataclass(frozen=True, slots=True)
class ChosenK:
    """Which k an arm reads, and by what."""

    arm: Arm
    k: int
    #: dev: the most often right there; plan: the first of the plan's, dev not being there; size: the smallest
    by: str
    #: the best on the judged split itself: its accuracy is too high by what choosing adds
    oracle_k: int


def judged_arms(arms: Sequence[ArmScores], planned: Sequence[Cell] = ()) -> tuple[list[ArmScores], list[ChosenK]]:
    """The main arms that contrasts are about, each with one k, on the test split where there is one.

    Of several k that is taken which is most often right on dev, a mean over the injection arms: all of them read as
    many passages, or a contrast of two would be one of their k too. Only a k counts that every training there has on
    dev. Of equal ones the smaller; where dev was not asked, the plan's first. An arm that lacks that k is not among
    them.

    Args:
        arms: of all roles.
        planned: the plan's cells, in order, complete or not.
    """
    main = [one for one in arms if one.role in JUDGED and one.asked.any()]
    groups: dict[tuple[str, str, str], list[ArmScores]] = defaultdict(list)
    for one in main:
        groups[one.arm.model, one.arm.task, one.arm.reading].append(one)
    chosen, ks = [], []
    for members in groups.values():
        split = judged_split(main, members[0].arm)
        there = [one for one in members if one.split == split]
        by_dev = _best_k([one for one in members if one.split == "dev" != split])
        k = _first_k(there, split, planned) if by_dev is None else by_dev
        for arm in dict.fromkeys(one.arm for one in there):
            of_arm = [one for one in there if one.arm == arm]
            chosen += [one for one in of_arm if one.k == k]
            if len({one.k for one in there}) > 1 and k in {one.k for one in of_arm}:
                oracle = max(of_arm, key=lambda one: (one.accuracy, -(one.k or 0)))
                ks.append(ChosenK(arm, k or 0, "plan" if by_dev is None else "dev", oracle.k or 0))
    order = {one.arm: at for at, one in reversed(list(enumerate(main)))}
    return sorted(chosen, key=lambda one: order[one.arm]), ks


def _best_k(dev: Sequence[ArmScores]) -> int | None:
    """By mean accuracy, of those that all trainings have; None where there is none."""
    by_k: dict[int, list[ArmScores]] = defaultdict(list)
    for one in dev:
        if one.k is not None:
            by_k[one.k].append(one)
    trainings = {k: {(one.arm, seed) for one in arms for seed in one.seeds} for k, arms in by_k.items()}
    every = set().union(*trainings.values())
    means = {k: sum(one.accuracy for one in by_k[k]) / len(by_k[k]) for k in by_k if trainings[k] == every}
    return min(means, key=lambda k: (-means[k], k)) if means else None


def _first_k(there: Sequence[ArmScores], split: str, planned: Sequence[Cell]) -> int | None:
    """The plan's."""
    if not there:
        return None
    first = there[0].cells[0].cell
    place = (first.model, first.task, first.num_fewshot, reading_of(first), first.role, split)
    return next(
        (
            cell.k
            for cell in planned
            if (cell.model, cell.task, cell.num_fewshot, reading_of(cell), cell.role, cell.split) == place
        ),
        there[0].k,
    )


def judged_split(main: Sequence[ArmScores], arm: Arm) -> str:
    """Test where the task was asked on it, else the one there is."""
    splits = {one.split for one in main if (one.arm.model, one.arm.task) == (arm.model, arm.task)}
    return "test" if "test" in splits else min(splits)


def of_role(arms: Sequence[ArmScores], role: str) -> Iterator[ArmScores]:
    """Those of one role."""
    return (one for one in arms if one.role == role)


def paraphrases_of(training: Json) -> int | None:
    """How many paraphrases of each chunk were trained on, 0: raw texts; of repeated texts how many they stand in for.

    None of other arms, and of what was not trained.
    """
    arm, settings = training.get("arm"), (training.get("settings") or {}).get("data") or {}
    count = {"raw": 0, "paraphrase": settings.get("paraphrases"), "repeat": settings.get("paraphrases")}.get(str(arm))
    return count if isinstance(count, int) else None
