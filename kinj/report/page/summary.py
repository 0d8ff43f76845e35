"""The verdict in words, a block a model and task: what to do, how surely, at what price, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kinj.report.comparison import ArmScores, Findings
from kinj.report.comparison.differences import known_chunks
from kinj.report.comparison.writers import writer_warnings
from kinj.report.costs import Line, break_evens
from kinj.report.verdict import recommend
from kinj.report.verdict.contrasts import Arm, Judged
from kinj.report.verdict.prospects import Prospect, prospect_of
from kinj.report.verdict.sentences import interval, points, recommendation_sentences, verdict_sentence
from kinj.statistics import FEWEST_CLUSTERS, FEWEST_DIFFERING

#: Below these a report says that there are few.
FEW_CLUSTERS, FEW_DOCUMENTS = 100, 50


@dataclass(frozen=True, slots=True)
class Block:
    """What is said of one model on one task."""

    model: str
    task: str
    recommendation: tuple[str, ...]
    verdicts: tuple[str, ...]
    warnings: tuple[str, ...]
    #: what would have to change for another answer
    changes: tuple[str, ...]


def prospects_of(found: Findings) -> dict[tuple[Arm, Arm], Prospect]:
    """Of every contrast about which nothing could be told."""
    family, prior = len(found.judged), found.comparison.prior
    return {
        (one.contrast.arm, one.contrast.other): prospect_of(one.contrast.difference, family, prior)
        for one in found.judged
        if one.word == "can't tell" and one.contrast.difference is not None
    }


def blocks(
    found: Findings, prospects: Mapping[tuple[Arm, Arm], Prospect], unit: str, lines: Mapping[Arm, Line], asked: int
) -> Iterator[Block]:
    """One a model and task, in order."""
    ks = {arm: scores.k for arm, scores in found.judged_arms.items()}
    places = dict.fromkeys((one.contrast.arm.model, one.contrast.arm.task) for one in found.judged)
    places |= dict.fromkeys((arm.model, arm.task) for arm in found.judged_arms)
    for model, task in places:
        judged = [one for one in found.judged if (one.contrast.arm.model, one.contrast.arm.task) == (model, task)]
        costs = {arm: line.at(asked) for arm, line in lines.items() if (arm.model, arm.task) == (model, task)}
        chosen = recommend(costs, judged)
        advice = () if chosen is None else recommendation_sentences(chosen, costs, unit, asked, judged, ks)
        here = [one for one in found.judged_arms.values() if (one.arm.model, one.arm.task) == (model, task)]
        margin = found.comparison.margin
        ordered = sorted(judged, key=lambda one: chosen not in (one.contrast.arm, one.contrast.other))
        sentences = [
            verdict_sentence(one, margin, prospects.get((one.contrast.arm, one.contrast.other))) for one in ordered
        ]
        yield Block(
            model=model,
            task=task,
            recommendation=tuple(advice) or ("No recommendation: what the arms cost is not known.",),
            verdicts=tuple(sentences),
            warnings=(*_unpriced(here, lines), *_warnings(here, judged), *_writers(found, model, here)),
            changes=(
                *_changes((model, task), chosen, judged, prospects, lines, unit, asked),
                *_unjudged(found, judged),
            ),
        )


def _unpriced(here: Sequence[ArmScores], lines: Mapping[Arm, Line]) -> Iterator[str]:
    names = [one.arm.name for one in here if one.arm not in lines]
    if names:
        yield f"The cost of {', '.join(names)} is not known: the recommendation goes without."


def _warnings(here: Sequence[ArmScores], judged: Sequence[Judged]) -> Iterator[str]:
    """What makes the numbers weaker than they look."""
    trained = [one for one in here if one.trained]
    for injection in dict.fromkeys(one.arm.injection for one in trained):
        yield from _of_training(injection, [one for one in trained if one.arm.injection == injection], judged)
    differences = [one.contrast.difference for one in judged if one.contrast.difference is not None]
    if differences:
        fewest = min(one.effective_clusters for one in differences)
        if fewest < FEW_CLUSTERS:
            yield f"Few clusters: the questions count as {fewest:.0f}, however many they are."
        largest = max(one.largest for one in differences)
        if largest > 0.1:
            yield (
                f"One cluster holds {100 * largest:.0f} % of the questions: intervals are the jackknife's, and still "
                "too narrow where two such clusters are there."
            )
    for one in here[:1]:
        without, count = int((one.asked & ~known_chunks(one)).sum()), int(one.asked.sum())
        if without:
            yield f"{without} of {count} questions name no source chunk: each counts as a cluster of its own."
    if here and here[0].split == "dev":
        yield "Asked on dev, on which settings are chosen: nothing here is a result on test."


def _writers(found: Findings, model: str, here: Sequence[ArmScores]) -> Iterator[str]:
    comparison = found.comparison
    if model in comparison.writers:
        names = [comparison.plan_names.get(model), comparison.models.get(model, {}).get("pretrained")]
        trained = [one.cells[0].training for one in here if one.trained]
        yield from writer_warnings(comparison.writers[model], names, trained)


def _of_training(injection: str, arms: Sequence[ArmScores], judged: Sequence[Judged]) -> Iterator[str]:
    cells = arms[0].cells
    if len(cells) == 1:
        its = ""
        for one in (one.contrast for one in judged if one.contrast.arm.injection == injection):
            if one.difference is not None:
                these = interval(one.difference.interval_of_these)
                its = f" (of this very training, {one.arm.name} against {one.other.name}: {these})"
                break
        yield f"One training of {injection}: what is said of this way of training rests on the stated prior{its}."
    if arms[0].copies:
        yield f"{arms[0].copies} trainings of {injection} have the weights of another and count as one with it."
    training = cells[0].training
    documents = (training.get("data") or {}).get("documents")
    if isinstance(documents, int) and documents < FEW_DOCUMENTS:
        yield f"{injection} was trained on {documents} documents: few."
    if training.get("arm") == "raw":
        yield f"{injection} trains on the raw texts alone, a weak recipe: known to lose against paraphrases of them."
    if any(one.about_trained is False for one in cells):
        yield f"The questions are not about the texts that {injection} was trained on."


def _unjudged(found: Findings, judged: Sequence[Judged]) -> Iterator[str]:
    if any(one.word is None for one in judged):
        way = "the plan is complete: type its command again"
        if found.comparison.assumed:
            way = "both arms have answered the same questions: ask what is missing by `lm_eval --log_samples`"
        yield f"Contrasts without a verdict get one when {way}."


def _changes(
    place: tuple[str, str],
    chosen: Arm | None,
    judged: Sequence[Judged],
    prospects: Mapping[tuple[Arm, Arm], Prospect],
    lines: Mapping[Arm, Line],
    unit: str,
    asked: int,
) -> Iterator[str]:
    few = [one.contrast.difference for one in judged if one.word == "too few to tell" and one.contrast.difference]
    if few:
        yield (
            f"A word on {len(few)} of {len(judged)} contrasts: at least {FEWEST_CLUSTERS} effective clusters of "
            f"questions (there are {min(one.effective_clusters for one in few):.0f}), and {FEWEST_DIFFERING} in which "
            "the arms differ."
        )
    for one in judged:
        prospect = prospects.get((one.contrast.arm, one.contrast.other))
        if prospect is None or chosen not in (one.contrast.arm, one.contrast.other):
            continue
        pair = f"{one.contrast.arm.name} against {one.contrast.other.name}"
        ways = [
            f"{count} more training{'s' * (count > 1)}: {points(size, sign=False)}"
            for count, size in prospect.trainings
        ]
        ways.append(f"four times the questions: {points(prospect.questions, sign=False)}")
        yield f"{pair}: a difference of {points(prospect.now, sign=False)} points would have shown; {'; '.join(ways)}."
    for crossing in break_evens(lines):
        if (crossing.later.model, crossing.later.task) == place:
            side = "more" if asked < crossing.questions else "fewer"
            yield (
                f"{crossing.later.name} costs less than {crossing.earlier.name} in {unit} from "
                f"{math.ceil(crossing.questions):,} questions on: {side} questions asked would turn which is cheaper."
            )
