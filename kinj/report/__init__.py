"""lm-eval's results, read back as tables."""

from kinj.report.arguments import full_arguments, short_arguments
from kinj.report.results import FoundCounts, Score, read_scores
from kinj.report.table import found_table, score_table

__all__ = ["FoundCounts", "Score", "found_table", "full_arguments", "read_scores", "score_table", "short_arguments"]
