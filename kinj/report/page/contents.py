"""The tables of a report, out of what was found."""

from __future__ import annotations

import numpy as np

from kinj.report.comparison import ArmScores, Findings
from kinj.report.comparison.arms import JUDGED, of_role
from kinj.report.comparison.findings import ceiling_share
from kinj.report.page.tables import Column, Table, Value
from kinj.report.study import study_accuracy
from kinj.report.verdict.contrasts import Arm
from kinj.report.verdict.prospects import Prospect

#: Of which model and task a row is.
PLACE = (Column("model"), Column("task"))


def n_of(scores: ArmScores) -> str:
    """How many questions all trainings answered, of how many."""
    return f"{int(scores.asked.sum())} of {len(scores.asked)}"


def arm_id(scores: ArmScores) -> str:
    """Of its first cell, in links."""
    return f"cell-{scores.cells[0].name}"


def accuracy_table(found: Findings) -> Table:
    """Every judged arm, and the controls."""
    columns = (
        *PLACE, Column("split"), Column("arm"), Column("k", "count"), Column("trainings", "count"),
        Column("questions"), Column("clusters", "count"), Column("accuracy", "share"),
        Column("95 % interval", "interval"), Column("share of the gold ceiling", "share"),
        Column("probability of the right option", "share"), Column("the study's", "share"),
    )  # fmt: skip
    rows, links = [], []
    controls = [one for role in ("control", "withheld") for one in of_role(found.arms, role)]
    for one in (*found.judged_arms.values(), *controls):
        if not one.asked.any():
            continue
        share = ceiling_share(found, one.arm) if one.role in JUDGED and one.arm.side != "base" else None
        probability = one.probability[one.asked]
        mean = None if np.isnan(probability).any() else float(probability.mean())
        clusters = len(np.unique(one.clusters[one.asked]))
        name = one.arm.name if one.role in JUDGED else f"{one.arm.name} ({one.role})"
        trainings = len(one.cells) if one.trained else None
        rows.append(
            [one.arm.model, one.arm.task, one.split, name, one.k, trainings, n_of(one), clusters, one.accuracy,
             one.interval(), None if share is None else share[0], mean,
             study_accuracy(one, found.comparison.models.get(one.arm.model, {}).get("pretrained"))]
        )  # fmt: skip
        links.append(arm_id(one))
    note = (
        "In percent. Questions about one chunk are one cluster: they rise and fall together, and the interval counts "
        "that. Controls know the right answer: gold reads the source chunk, distractors never do. Withheld: in the "
        "model's own words, without options. The study's (Ovadia et al. 2023): its k is the best on the test questions."
    )
    return Table("accuracy", "Accuracy of each arm", note, columns, rows, links)


def contrast_table(found: Findings, prospects: dict[tuple[Arm, Arm], Prospect]) -> Table:
    """The family."""
    columns = (
        *PLACE, Column("contrast"), Column("arm"), Column("against"), Column("questions"), Column("verdict"),
        Column("difference", "difference"), Column("95 % interval", "differences"), Column("p, Holm", "p"),
        Column("these trainings' interval", "differences"), Column("trainings", "count"),
        Column("effective clusters", "count"), Column("would have shown", "share"),
        Column("with two more trainings", "share"), Column("with 4 x the questions", "share"),
        Column("tipping spread", "share"),
        Column("probability of the right option", "difference"), Column("its 95 % interval", "differences"),
    )  # fmt: skip
    rows, links = [], []
    for one in found.judged:
        contrast, difference = one.contrast, one.contrast.difference
        place: list[Value] = [
            contrast.arm.model,
            contrast.arm.task,
            contrast.declared,
            contrast.arm.name,
            contrast.other.name,
        ]
        word = one.word or f"no verdict: {contrast.withheld}"
        links.append(arm_id(found.judged_arms[contrast.arm]) if contrast.arm in found.judged_arms else "")
        if difference is None:
            rows.append([*place, "0", word, *[None] * 12])
            continue
        prospect = prospects.get((contrast.arm, contrast.other))
        moved = found.probability.get((contrast.arm, contrast.other))
        total = len(found.judged_arms[contrast.arm].asked)
        rows.append(
            [*place, f"{difference.questions} of {total}", word, difference.mean, difference.interval, one.adjusted_p,
             difference.interval_of_these if difference.trainings else None, difference.trainings or None,
             difference.effective_clusters,
             *([None] * 3 if prospect is None else
               [prospect.now, dict(prospect.trainings).get(2), prospect.questions]),
             difference.tipping_point,
             None if moved is None else moved.mean, None if moved is None else moved.interval]
        )  # fmt: skip
    prior = found.comparison.prior
    note = (
        f"Differences in points. One family of {len(found.judged)}: p is corrected by Holm for all of them, each "
        f"interval holds 95 % for itself. The same: within {100 * found.comparison.margin:g} points. Where a training "
        "is in it, interval and p are about this way of training: the spread between trainings is from a half-t of "
        f"{prior.degrees_of_freedom} degrees of freedom and scale {100 * prior.scale:g} points, and from the trainings."
    )
    return Table("contrasts", "What was compared, and how surely", note, columns, rows, links)


def k_table(found: Findings) -> Table | None:
    """Accuracy at each k, and which was chosen."""
    columns = (
        *PLACE, Column("arm"), Column("split"), Column("k", "count"), Column("questions"), Column("accuracy", "share"),
        Column("95 % interval", "interval"), Column("is"),
    )  # fmt: skip
    rows = []
    for chosen in found.ks:
        judged = found.judged_arms[chosen.arm]
        for one in (one for one in found.arms if one.arm == chosen.arm and one.role == "main" and one.asked.any()):
            marks = [f"chosen by {chosen.by}"] if one.k == chosen.k and one.split == judged.split else []
            marks += (
                ["oracle: best on these very questions"]
                if one.split == judged.split and one.k == chosen.oracle_k
                else []
            )
            place = [one.arm.model, one.arm.task, one.arm.name, one.split, one.k]
            rows.append([*place, n_of(one), one.accuracy, one.interval(), ", ".join(marks)])
    note = (
        "The k that is judged is chosen on dev, one for all injection arms. The best k on the judged questions "
        "themselves (oracle) is too high by what choosing adds: 2.5 points at 67 clusters and six values, 1.0 at 392, "
        "where no k is truly better."
    )
    return Table("k", "Number of passages", note, columns, rows) if rows else None


def group_table(found: Findings) -> Table | None:
    """Contrasts over some of the questions."""
    columns = (
        *PLACE, Column("arm"), Column("against"), Column("questions that are"), Column("questions", "count"),
        Column("clusters", "count"), Column("arm right", "share"), Column("other right", "share"),
        Column("difference", "difference"), Column("95 % interval", "differences"),
    )  # fmt: skip
    rows = [
        [one.arm.model, one.arm.task, one.arm.name, one.other.name, one.group, one.questions, one.clusters, *one.shares,
         None if one.difference is None else one.difference.mean,
         None if one.difference is None else one.difference.interval]
        for one in found.groups
    ]  # fmt: skip
    note = "Intervals and no verdicts: groups were not declared. Below 20 clusters in a group only the shares are told."
    return Table("groups", "Groups of questions", note, columns, rows) if rows else None


def cell_table(found: Findings) -> Table:
    """Every complete cell, with the command that gives it."""
    columns = (
        Column("cell"), *PLACE, Column("split"), Column("injection"), Column("reading"), Column("seed", "count"),
        Column("role"), Column("questions", "count"), Column("accuracy", "share"), Column("seconds", "seconds"),
        Column("command"),
    )  # fmt: skip
    rows = []
    for one in found.comparison.cells:
        cell, values = one.cell, np.array(one.answers.values[one.answers.metric()])
        rows.append(
            [one.name, cell.model, cell.task, cell.split, cell.injection, cell.reading, cell.seed, cell.role,
             int((~np.isnan(values)).sum()), float(np.nanmean(values)), one.manifest.get("seconds"),
             one.manifest.get("command")]
        )  # fmt: skip
    return Table("cells", "Cells", "The command gives the same answers again.", columns, rows)


def missing_table(found: Findings) -> Table | None:
    """What the plan names and the folder has not."""
    columns = (
        Column("cell"), *PLACE, Column("split"), Column("injection"), Column("reading"), Column("seed", "count"),
        Column("why"),
    )  # fmt: skip
    rows = [
        [one.cell.id, one.cell.model, one.cell.task, one.cell.split, one.cell.injection, one.cell.reading,
         one.cell.seed, one.why]
        for one in found.comparison.missing
    ]  # fmt: skip
    return Table("missing", "What is missing", "", columns, rows) if rows else None
