"""The study's own numbers (study.yaml), to stand beside ours where a plan asks what it asked."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kinj.records import Json
from kinj.report.comparison import ArmScores
from kinj.report.verdict.contrasts import NONE
from kinj.settings_file import read_settings


@cache
def _study() -> Json:
    return read_settings(Path(__file__).with_name("study.yaml"))


def study_accuracy(scores: ArmScores, pretrained: str | None) -> float | None:
    """What the study found for this model, task, number of shots and arm, as a share of 1; None where it asked no such.

    An arm's injection is told by its trainings' own `arm`, so that a plan may call it as it likes.

    Args:
        scores: of the arm.
        pretrained: the model on the hub, as the plan names it.
    """
    study, cell = _study(), scores.cells[0].cell
    row = study["accuracies"].get(pretrained, {}).get(f"{cell.task} {cell.num_fewshot}")
    if row is None or scores.role != "main":
        return None
    arms = study["current_events_arms" if cell.task == "kinj_current_events" else "arms"]
    injected = NONE if scores.arm.injection == NONE else str(scores.cells[0].training.get("arm"))
    reads = scores.arm.reading != NONE
    name = ("RAG" if reads else "base") if injected == NONE else f"{injected} + RAG" if reads else injected
    return float(row[arms.index(name)]) if name in arms else None
