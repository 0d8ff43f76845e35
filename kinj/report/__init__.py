"""lm-eval's results, read back as tables."""

from kinj.report.results import Score, read_scores
from kinj.report.table import score_table

__all__ = ["Score", "read_scores", "score_table"]
