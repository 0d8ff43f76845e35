"""Anybody's result files, as data that nothing is executed of and nothing is taken on trust."""

from kinj.report.reading.folders import read_runs
from kinj.report.reading.runs import Answers, GroupMean, Problem, Result, Run

__all__ = ["Answers", "GroupMean", "Problem", "Result", "Run", "read_runs"]
