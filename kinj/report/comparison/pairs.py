"""What stands beside the family: noise, interaction, forgetting, recipes. Intervals, and no words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kinj.report.comparison.arms import ArmScores, of_role, relabelled
from kinj.report.comparison.differences import difference_of
from kinj.report.verdict.contrasts import NONE, Arm
from kinj.statistics import Difference, Prior, paired_difference

#: The metric of the tasks of abstention that is of their unanswerable half.
ABSTAINED = "abstained_unanswerable"


@dataclass(frozen=True, slots=True)
class Pair:
    """A difference outside the family: an interval, and no word."""

    arm: Arm
    other: Arm
    metric: str
    difference: Difference
    #: the same of the probability of the right option; None where options are not scored
    probability: Difference | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """(FT+RAG - RAG) - (FT - base): does a training add more, or less, where passages are read?"""

    both: Arm
    difference: Difference
    #: the same in logits of the four accuracies, and its 95 % interval over clusters by the jackknife
    logit: float
    logit_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Noise:
    """One cell asked twice, its questions in reversed order and in other batches."""

    model: str
    task: str
    flipped: int
    questions: int

    @property
    def share(self) -> float:
        """Of the answers."""
        return self.flipped / self.questions


def noise_of(arms: Sequence[ArmScores]) -> Iterator[Noise]:
    """Each cell that was asked twice."""
    for again in of_role(arms, "noise"):
        first = next(
            (one for one in of_role(arms, "main") if one.arm.reading == NONE and _place(one) == _place(again)), None
        )
        if first is None:
            continue
        both = first.asked & again.asked
        if not both.any():
            continue
        answers = [one.cells[0].answers.choices(len(both))[both] for one in (first, again)]
        flipped = answers[0] != answers[1]
        if (answers[0] < 0).all():  # generated: what counts is whether it was right
            flipped = first.right[both, 0] != again.right[both, 0]
        yield Noise(again.arm.model, again.arm.task, int(flipped.sum()), int(both.sum()))


def _place(one: ArmScores) -> tuple[object, ...]:
    return one.arm.model, one.arm.task, one.arm.injection, one.split, one.cells[0].cell.limit


def interactions_of(judged: Mapping[Arm, ArmScores], prior: Prior) -> Iterator[Interaction]:
    """Of every arm with both, where its parts and the base are there."""
    for arm, both in judged.items():
        if arm.side != "FT+RAG":
            continue
        names = [
            Arm(arm.model, arm.task, NONE, arm.reading),
            Arm(arm.model, arm.task, arm.injection, NONE),
            Arm(arm.model, arm.task, NONE, NONE),
        ]
        if not all(name in judged for name in names):
            continue
        rag, tuned, base = (judged[name] for name in names)
        if both.seeds != tuned.seeds:
            continue
        shared = both.asked & rag.asked & tuned.asked & base.asked
        labels = relabelled(both.clusters[shared])
        if not shared.any() or labels.max() < 1:
            continue
        four = [scores.right[shared] for scores in (both, rag, tuned, base)]
        difference = paired_difference(four[0] - four[1], four[2] - four[3], labels, prior=prior)
        yield Interaction(arm, difference, *_logit_interaction([one.mean(axis=1) for one in four], labels))


def _logit_interaction(
    four: Sequence[npt.NDArray[np.float64]], labels: npt.NDArray[np.int64]
) -> tuple[float, tuple[float, float]]:
    """In logits, with half an answer added on each side, and the delete-one-cluster jackknife's interval."""
    from scipy import special

    count = int(labels.max()) + 1
    sums = np.stack([np.bincount(labels, weights=one, minlength=count) for one in four])
    sizes = np.bincount(labels, minlength=count)
    signs = np.array([1, -1, -1, 1])

    def logit(right: npt.NDArray[np.float64], n: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        value: npt.NDArray[np.float64] = signs @ (np.log(right + 0.5) - np.log(n - right + 0.5))
        return value

    whole = float(logit(sums.sum(axis=1), np.full(4, sizes.sum())))
    left = logit(sums.sum(axis=1, keepdims=True) - sums, np.tile(sizes.sum() - sizes, (4, 1)))
    half = (
        float(special.stdtrit(count - 1, 0.975)) * float((count - 1) / count * ((left - left.mean()) ** 2).sum()) ** 0.5
    )
    return whole, (whole - half, whole + half)


def forgetting_of(arms: Sequence[ArmScores], prior: Prior) -> Iterator[Pair]:
    """Tasks on what was not trained: each injection arm against none; both halves of a task that has two."""
    members = list(of_role(arms, "forgetting"))
    for of_measure in (members, [half for one in members if (half := _unanswerable(one)) is not None]):
        yield from _pairs(of_measure, prior, lambda arm: arm.injection == NONE)


def _unanswerable(one: ArmScores) -> ArmScores | None:
    """The arm by how often it admits not to know what nothing says; None: it was asked no such questions."""
    if any(ABSTAINED not in cell.answers.values for cell in one.cells):
        return None
    count = len(one.questions)
    right = np.stack([cell.answers.column(ABSTAINED, count) for cell in one.cells], axis=1)
    return replace(one, metric=ABSTAINED, right=right)


def recipes_of(judged: Mapping[Arm, ArmScores], prior: Prior) -> Iterator[Pair]:
    """Injection arms against the first of them, each reading arm apart."""
    trained = [one for one in judged.values() if one.trained]
    first: dict[tuple[str, str, str], str] = {}
    for one in trained:
        first.setdefault((one.arm.model, one.arm.task, one.arm.reading), one.arm.injection)
    yield from _pairs(trained, prior, lambda arm: first[arm.model, arm.task, arm.reading] == arm.injection)


def _pairs(arms: Sequence[ArmScores], prior: Prior, is_reference: Callable[[Arm], bool]) -> Iterator[Pair]:
    references = {(one.arm.model, one.arm.task, one.arm.reading): one for one in arms if is_reference(one.arm)}
    for one in arms:
        other = references.get((one.arm.model, one.arm.task, one.arm.reading))
        if other is None or other is one:
            continue
        difference = difference_of(one, other, prior)
        if difference is not None:
            moved = difference_of(one, other, prior, values=lambda scores: scores.probability)
            yield Pair(one.arm, other.arm, one.metric, difference, moved)
