"""Comparisons (docs/cells.md), or anybody's results, read into numbers: cells, arms, contrasts."""

from kinj.report.comparison.answers import Asked, CellAnswers, TaskQuestions
from kinj.report.comparison.arms import ArmScores, arms_of
from kinj.report.comparison.findings import Findings, find
from kinj.report.comparison.folder import Comparison, Missing
from kinj.report.comparison.opening import declares_margin, read_comparison

__all__ = [
    "ArmScores", "Asked", "CellAnswers", "Comparison", "Findings", "Missing", "TaskQuestions",
    "arms_of", "declares_margin", "find", "read_comparison",
]  # fmt: skip
