"""Which arm to take: the cheapest, unless one that costs more is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kinj.report.verdict.contrasts import Arm, Judged


def cheapest_first(costs: Mapping[Arm, float]) -> list[Arm]:
    """Arms by cost; of equal costs the one with fewer parts first."""
    return sorted(costs, key=lambda arm: (costs[arm], arm.side.count("+"), arm.side != "base"))


def recommend(costs: Mapping[Arm, float], judged: Sequence[Judged]) -> Arm | None:
    """The cheapest arm, replaced only by one that is better than it by the contrasts given; None where no cost is.

    An arm with both, a training and passages, has to be better than either alone: only then are both worth it.

    Args:
        costs: of one model's arms on one task, at a stated number of questions, in one unit.
        judged: contrasts; those of other arms are passed over.
    """
    better = {(one.contrast.arm, one.contrast.other) for one in judged if one.word == "better"}
    better |= {(one.contrast.other, one.contrast.arm) for one in judged if one.word == "worse"}
    order = cheapest_first(costs)
    chosen = order[0] if order else None
    for arm in order[1:]:
        beaten = [chosen]
        if arm.side == "FT+RAG":
            beaten += [other for other in order if _is_part(other, arm)]
        if all((arm, other) in better for other in beaten):
            chosen = arm
    return chosen


def _is_part(part: Arm, whole: Arm) -> bool:
    return (part.side == "RAG" and part.reading == whole.reading) or (
        part.side == "FT" and part.injection == whole.injection
    )
