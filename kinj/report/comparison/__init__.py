"""The folder of `kinj compare` (docs/cells.md), read into numbers: cells, arms, contrasts, costs."""

from kinj.report.comparison.answers import Asked, CellAnswers, TaskQuestions
from kinj.report.comparison.arms import ArmScores, arms_of
from kinj.report.comparison.findings import Findings, find
from kinj.report.comparison.folder import Comparison, Missing, read_comparison

__all__ = [
    "ArmScores", "Asked", "CellAnswers", "Comparison", "Findings", "Missing", "TaskQuestions",
    "arms_of", "find", "read_comparison",
]  # fmt: skip
