"""Differences of arms on the questions that both answered, and over some of the questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinj.report.comparison.answers import Asked
from kinj.report.comparison.arms import ArmScores, relabelled
from kinj.report.verdict.contrasts import NONE, Arm
from kinj.statistics import FEWEST_IN_A_GROUP, Difference, Prior, paired_difference

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Group:
    """A contrast over some of the questions."""

    contrast: str
    arm: Arm
    other: Arm
    #: what the questions have in common: `kind: who`, `passage found`
    group: str
    questions: int
    clusters: int
    #: right answers of each arm, over all trainings, as shares
    shares: tuple[float, float]
    #: None below 20 clusters
    difference: Difference | None


def difference_of(
    one: ArmScores,
    two: ArmScores,
    prior: Prior,
    mask: Mask | None = None,
    values: Callable[[ArmScores], npt.NDArray[np.float64]] = lambda scores: scores.right,
) -> Difference | None:
    """The paired difference on the questions that both answered; None where they are of one cluster, or none.

    Trainings of one injection arm are paired by seed; those of two arms are not the same, whatever their seeds.
    """
    left, right = values(one), values(two)
    shared = one.trained and two.trained and (one.arm.injection, one.arm.model) == (two.arm.injection, two.arm.model)
    if shared:
        seeds = [seed for seed in one.seeds if seed in two.seeds]
        left, right = (
            part[:, [scores.seeds.index(seed) for seed in seeds]] for part, scores in ((left, one), (right, two))
        )
    both: Mask = np.isfinite(left.sum(axis=1) + right.sum(axis=1))
    if mask is not None:
        both = both & mask
    labels = relabelled(one.clusters[both])
    if len(labels) == 0 or labels.max() < 1 or left.shape[1] == 0:
        return None
    trained = one.trained or two.trained
    own = one.trained and two.trained and not shared
    return paired_difference(left[both], right[both], labels, prior=prior if trained else None, own_trainings=own)


def groups_of(
    contrast: str, one: ArmScores, two: ArmScores, prior: Prior, orders: Sequence[ArmScores]
) -> Iterator[Group]:
    """A contrast by kind, form and knowledge of the questions, by whether the source chunk was sent, and was known.

    Args:
        contrast: as declared.
        one: an arm.
        two: the other.
        prior: of the spread between trainings.
        orders: what the untrained model answered with its options in other orders.
    """
    both = one.asked & two.asked
    for name, mask in (*_kinds(one.questions), *_found(one, two), *_known(one, orders)):
        inside = mask & both
        count = int(inside.sum())
        if not count or count == both.sum():
            continue
        clusters = len(np.unique(one.clusters[inside]))
        enough = clusters >= FEWEST_IN_A_GROUP
        shares = (float(one.right[inside].mean()), float(two.right[inside].mean()))
        difference = difference_of(one, two, prior, inside) if enough else None
        yield Group(contrast, one.arm, two.arm, name, count, clusters, shares, difference)


def _kinds(asked: Sequence[Asked]) -> Iterator[tuple[str, Mask]]:
    for name in ("kind", "form", "knowledge"):
        values = [getattr(one, name) for one in asked]
        for value in sorted({value for value in values if value}):
            yield f"{name}: {value}", np.array([one == value for one in values])


#: Right in so many other orders of the options: known. By answers that measure no gain, or what changes nothing would
#: seem to lose on what was known.
ORDERS = 4


def _known(one: ArmScores, orders: Sequence[ArmScores]) -> Iterator[tuple[str, Mask]]:
    if len(orders) < ORDERS:
        return
    asked_in: Counter[object] = Counter()
    right_in: Counter[object] = Counter()
    for order in orders:
        answers = list(zip(order.questions, order.right[:, 0], strict=True))
        asked_in.update({asked.identity for asked, right in answers if np.isfinite(right)})
        right_in.update({asked.identity for asked, right in answers if right == 1})
    everywhere = np.array([asked_in[asked.identity] == len(orders) for asked in one.questions])
    known = np.array([right_in[asked.identity] >= ORDERS for asked in one.questions])
    yield "known before", everywhere & known
    yield "not known before", everywhere & ~known


def found_mask(scores: ArmScores) -> Mask | None:
    """Questions whose source chunk was among the passages sent; None where that is not known."""
    sent = scores.cells[0].retrieval.get("questions_with_gold_sent")
    return None if sent is None else np.isin([one.id for one in scores.questions], sent)


def known_chunks(scores: ArmScores) -> Mask:
    """Questions whose source chunk is known."""
    return np.array([bool(one.chunk_ids) for one in scores.questions])


def _found(one: ArmScores, two: ArmScores) -> Iterator[tuple[str, Mask]]:
    reader = one if one.arm.reading != NONE else two
    mask = found_mask(reader)
    if mask is not None:
        yield "passage found", mask & known_chunks(reader)
        yield "passage not found", ~mask & known_chunks(reader)
