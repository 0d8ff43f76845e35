"""Which arm to take: the cheapest, unless one that costs more is better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from kinj.report.verdict.contrasts import NONE, Arm, Judged


def cheapest_first(costs: Mapping[Arm, float]) -> list[Arm]:
    """Arms by cost; of equal costs the one with fewer parts first."""
    return sorted(costs, key=lambda arm: (costs[arm], arm.side.count("+"), arm.side != "base"))


def recommend(costs: Mapping[Arm, float], judged: Sequence[Judged]) -> Arm | None:
    """The cheapest arm, replaced only by one that is better than it by the contrasts given; None where no cost is.

    An arm with both, a training and passages, has to be better than either alone by the contrasts, whether or not
    their costs are known: only then are both worth it.

    Args:
        costs: of one model's arms on one task, at a stated number of questions, in one unit.
        judged: contrasts; those of other arms are passed over.
    """
    better = set(better_pairs(judged))
    order = cheapest_first(costs)
    chosen = order[0] if order else None
    for arm in order[1:]:
        if all((arm, other) in better for other in (chosen, *_parts(arm))):
            chosen = arm
    return chosen


def better_pairs(judged: Iterable[Judged]) -> Iterator[tuple[Arm, Arm]]:
    """(better, worse) of each contrast that has such a word."""
    for one in judged:
        if one.word == "better":
            yield one.contrast.arm, one.contrast.other
        elif one.word == "worse":
            yield one.contrast.other, one.contrast.arm


def _parts(arm: Arm) -> list[Arm]:
    """Of an arm with both: its reading alone, and its training alone."""
    if NONE in (arm.injection, arm.reading):
        return []
    return [replace(arm, injection=NONE), replace(arm, reading=NONE)]
