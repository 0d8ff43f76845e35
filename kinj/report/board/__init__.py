"""A leaderboard over anybody's result files."""

from kinj.report.board.against import WORSE, Change, compare_runs
from kinj.report.board.board import Board, make_board
from kinj.report.board.page import as_html
from kinj.report.board.writing import as_csv, as_json, as_markdown

__all__ = ["WORSE", "Board", "Change", "as_csv", "as_html", "as_json", "as_markdown", "compare_runs", "make_board"]
