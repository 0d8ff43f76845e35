"""All that a report says in numbers: contrasts and their words, noise, interaction, groups of questions, forgetting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from kinj.report.comparison.arms import (
    JUDGED,
    ArmScores,
    ChosenK,
    arms_of,
    judged_arms,
    of_role,
    planned_arms,
    relabelled,
)
from kinj.report.comparison.differences import Group, difference_of, groups_of
from kinj.report.comparison.folder import Comparison
from kinj.report.comparison.pairs import (
    Interaction,
    Noise,
    Pair,
    forgetting_of,
    interactions_of,
    noise_of,
    recipes_of,
)
from kinj.report.verdict.contrasts import NONE, Arm, Contrast, Judged, contrasts_of, judge
from kinj.statistics import Difference, clustered_interval


@dataclass(slots=True)
class Findings:
    """What a report shows."""

    comparison: Comparison
    arms: list[ArmScores] = field(default_factory=list)
    judged_arms: dict[Arm, ArmScores] = field(default_factory=dict)
    ks: list[ChosenK] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    #: of the judged contrasts, by (arm, other)
    probability: dict[tuple[Arm, Arm], Difference] = field(default_factory=dict)
    interactions: list[Interaction] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    forgetting: list[Pair] = field(default_factory=list)
    recipes: list[Pair] = field(default_factory=list)
    noise: list[Noise] = field(default_factory=list)


def find(comparison: Comparison) -> Findings:
    """All numbers of a comparison's report."""
    found = Findings(comparison, arms_of(comparison))
    chosen, found.ks = judged_arms(found.arms, comparison.plan_cells)
    if comparison.assumed:
        found.ks = [replace(one, by="size, as the smallest" if one.by == "plan" else one.by) for one in found.ks]
    found.judged_arms = {one.arm: one for one in chosen}
    found.noise = list(noise_of(found.arms))
    planned = list(dict.fromkeys([*found.judged_arms, *planned_arms(comparison)]))
    contrasts = [_contrast(found, *pair) for pair in contrasts_of(planned, comparison.contrasts)]
    found.judged = judge(contrasts, comparison.margin, {(one.model, one.task): one.share for one in found.noise})
    for one in contrasts:
        arm, other = found.judged_arms.get(one.arm), found.judged_arms.get(one.other)
        if arm is None or other is None or one.difference is None:
            continue
        moved = difference_of(arm, other, comparison.prior, values=lambda scores: scores.probability)
        if moved is not None:
            found.probability[one.arm, one.other] = moved
        found.groups += groups_of(one.declared, arm, other, comparison.prior, _orders(found, arm))
    found.interactions = list(interactions_of(found.judged_arms, comparison.prior))
    found.forgetting = list(forgetting_of(found.arms, comparison.prior))
    found.recipes = list(recipes_of(found.judged_arms, comparison.prior))
    return found


def _orders(found: Findings, arm: ArmScores) -> list[ArmScores]:
    """The untrained model's answers with options in other orders, to the questions of an arm."""
    place = (arm.arm.model, arm.arm.task, arm.split)
    return [one for one in of_role(found.arms, "orders") if (one.arm.model, one.arm.task, one.split) == place]


def _contrast(found: Findings, declared: str, arm: Arm, other: Arm) -> Contrast:
    one, two = found.judged_arms.get(arm), found.judged_arms.get(other)
    if one is None or two is None:
        return Contrast(declared, arm, other, None, _why_absent(found, arm if one is None else other))
    difference = difference_of(one, two, found.comparison.prior)
    return Contrast(declared, arm, other, difference, _why_withheld(one, two, difference))


def _why_absent(found: Findings, arm: Arm) -> str:
    there = [one for one in found.arms if one.arm == arm and one.role in JUDGED]
    if not there:
        return f"no answers of {arm.name} are there"
    if not any(one.asked.any() for one in there):
        return f"the trainings of {arm.name} share no question that is answered by {there[0].metric}"
    return f"no answers of {arm.name} are there with the k and on the split that are judged"


def _why_withheld(one: ArmScores, two: ArmScores, difference: Difference | None) -> str:
    for scores in (one, two):
        if scores.missing_seeds:
            seeds = ", ".join(map(str, scores.missing_seeds))
            return f"{scores.arm.name} misses the planned seed {seeds}: a plan without it is another plan"
    if one.metric != two.metric:
        return f"{one.arm.name} has {one.metric}, {two.arm.name} has {two.metric}"
    if not np.array_equal(one.asked, two.asked):
        return f"the arms answered different questions: {one.asked.sum()} and {two.asked.sum()}"
    if difference is None:
        return "all questions share one cluster"
    return ""


def ceiling_share(found: Findings, arm: Arm) -> tuple[float, float] | None:
    """The share of the way from the base to the gold ceiling that an arm has gone, and the ceiling; None without one.

    Where the ceiling is no higher than the base there is no way.
    """
    gold = next(
        (
            one
            for one in of_role(found.arms, "control")
            if one.cells[0].cell.retriever == "gold"
            and (one.arm.model, one.arm.task) == (arm.model, arm.task)
            and one.split == found.judged_arms[arm].split
        ),
        None,
    )
    base = found.judged_arms.get(Arm(arm.model, arm.task, NONE, NONE))
    if gold is None or base is None or gold.accuracy <= base.accuracy:
        return None
    return (found.judged_arms[arm].accuracy - base.accuracy) / (gold.accuracy - base.accuracy), gold.accuracy


def further_metrics(found: Findings) -> Iterator[tuple[ArmScores, str, float, tuple[float, float], int]]:
    """Metrics that no verdict rests on: arm, metric, mean, 95 % interval, questions."""
    for scores in found.judged_arms.values():
        count = len(scores.right)
        for name in scores.cells[0].answers.values:
            if name == scores.metric:
                continue
            columns = np.stack([one.answers.column(name, count) for one in scores.cells], axis=1)
            there = ~np.isnan(columns).any(axis=1)
            if there.any() and columns[there].min() >= 0 and columns[there].max() <= 1:
                interval = clustered_interval(columns[there], relabelled(scores.clusters[there]))
                yield scores, name, float(columns[there].mean()), interval, int(there.sum())
