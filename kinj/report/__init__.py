"""lm-eval's results, read back as tables."""

from kinj.report.results import FoundCounts, Score, read_scores
from kinj.report.table import found_table, score_table

__all__ = ["FoundCounts", "Score", "found_table", "read_scores", "score_table"]
