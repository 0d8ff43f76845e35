"""The leaderboard as Markdown, CSV and JSON, and the words that all forms share."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict

from kinj.records import Json
from kinj.report.board.board import AS_IF_INDEPENDENT, Board, Line, Score
from kinj.report.reading.runs import CONTRADICTED, UNCHECKED
from kinj.statistics import FEWEST_CLUSTERS, FEWEST_DIFFERING

HOLE = "-"
#: How each number is to be read; stands under every form of the table.
EXPLANATION = (
    "Score: share of right answers in %, or the metric as its name says; in brackets the 95 % interval, by clusters of "
    f"questions about one chunk; {AS_IF_INDEPENDENT}: no samples are there, so that questions count as independent.",
    "Rank: the best and the worst that the differences leave. Two rows are told apart where their paired difference on "
    "the same questions is significant at 5 % by Holm's correction over all pairs of the column; without samples by "
    f"each one's own interval, which sees less. Below {FEWEST_CLUSTERS} clusters, or "
    f"{FEWEST_DIFFERING} in which two rows differ, nothing is told apart. Ranks that are "
    "not told apart are shared. They are of these checkpoints as they stand, not of ways of training.",
    "Above chance: (score - chance) / (1 - chance); below 0 is worse than guessing.",
    "Mean over tasks: each column of a share counts alike, a task at two numbers of shots twice; only of "
    "rows that have all of them. A hole is a dash: it was not asked, or no file of it could be taken.",
    "unchecked: neither samples nor a seal of kinj compare lie beside the number. contradicted: the samples give "
    "another score; it takes no part in ranks and means.",
)


def explanation(board: Board) -> list[str]:
    """The lines under the table, with what is particular to this board."""
    tasks = ", ".join(board.columns[number].label for number in board.shared) or "none"
    return [*EXPLANATION, f"Tasks that all rows share: {tasks}.", *board.notes]


def shown(value: float, *, is_share: bool) -> str:
    """A share in percent with one decimal, another number with four digits."""
    return f"{100 * value:.1f}" if is_share else f"{value:.4g}"


def rank_text(score: Score) -> str:
    """`2-4 of 7`, or a dash."""
    if score.rank is None:
        return HOLE
    first, last, of = score.rank
    return f"{first}{f'-{last}' if last != first else ''} of {of}"


def said_of(score: Score, *, is_share: bool) -> list[str]:
    """What stands beside a number: its interval, n, rank and how far it was checked."""
    said = []
    if score.interval is not None:
        low, high = (shown(end, is_share=is_share) for end in score.interval)
        said.append(f"[{low}, {high}]{' as if independent' if score.interval_from == AS_IF_INDEPENDENT else ''}")
    said.append(f"n {score.n:,}" if score.n is not None else "n not said")
    if score.rank is not None:
        said.append(f"rank {rank_text(score)}")
    if score.checked == CONTRADICTED and score.sampled is not None:
        said.append(f"contradicted: samples give {shown(score.sampled, is_share=is_share)}")
    elif score.checked == UNCHECKED:
        said.append(UNCHECKED)
    return said


def as_markdown(board: Board) -> str:
    """The board as one table, with what was not taken below it."""
    heads = ["model", "rank", "mean over tasks", *([_shared_head(board)] if has_shared_mean(board) else [])]
    heads += [group.label for group in board.groups]
    for column in board.columns:
        heads += [f"{column.label} ({column.measure})", *(["above chance"] if column.is_share else [])]
    lines = ["# Leaderboard", "", _row(heads), _row(["---"] * len(heads), escape=False)]
    for line in board.lines:
        lines.append(_row([*_first_cells(line, board), *_task_cells(line, board)]))
    lines += ["", *(f"- {_escaped(one)}" for one in explanation(board))]
    if board.problems:
        lines += ["", "## Not taken", "", *(f"- {_escaped(str(problem))}" for problem in board.problems)]
    return "\n".join(lines) + "\n"


def has_shared_mean(board: Board) -> bool:
    """Whether a mean over the shared tasks says more than the one over all, and there are any."""
    return bool(board.shared) and board.shared != board.in_mean


def _shared_head(board: Board) -> str:
    return f"mean over the {len(board.shared)} shared tasks"


def _first_cells(line: Line, board: Board) -> Iterator[str]:
    yield " · ".join([line.row.label, *line.row.marks])
    yield rank_text(line.mean) if line.mean else HOLE
    yield _text(line.mean)
    if has_shared_mean(board):
        yield _text(line.shared_mean)


def _task_cells(line: Line, board: Board) -> Iterator[str]:
    for group in board.groups:
        yield _text(line.groups.get(group))
    for number, column in enumerate(board.columns):
        score = line.scores.get(number)
        yield _text(score, is_share=column.is_share)
        if column.is_share:
            yield HOLE if score is None or score.normalized is None else shown(score.normalized, is_share=True)


def _text(score: Score | None, *, is_share: bool = True) -> str:
    if score is None:
        return HOLE
    return f"{shown(score.value, is_share=is_share)} ({'; '.join(said_of(score, is_share=is_share))})"


def _row(cells: list[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(_escaped(cell) if escape else cell for cell in cells)} |"


def _escaped(text: str) -> str:
    """Shown as it is by a reader of Markdown: no markup, no HTML, no further column."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", text)


def as_csv(board: Board) -> str:
    """One line for each number: row, column, score and all that is known of it."""
    sink = io.StringIO()
    names = ("model", "marks", "column", "task", "metric", "score", "low", "high", "interval", "n", "chance-normalised",
             "rank first", "rank last", "ranked", "checked", "samples give")  # fmt: skip
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(names)
    for line in board.lines:
        for label, task, metric, score in _numbers(line, board):
            low, high = score.interval or ("", "")
            ranks = score.rank or ("", "", "")
            words = [_inert(word) for word in (line.row.label, " ".join(line.row.marks), label, task, metric)]
            values = [score.value, low, high, score.interval_from, score.n, score.normalized, *ranks, score.checked]
            writer.writerow([*words, *("" if value is None else value for value in [*values, score.sampled])])
    return sink.getvalue()


def _numbers(line: Line, board: Board) -> Iterator[tuple[str, str, str, Score]]:
    if line.mean is not None:
        yield "mean over tasks", "", "", line.mean
    if line.shared_mean is not None and has_shared_mean(board):
        yield _shared_head(board), "", "", line.shared_mean
    for group, score in line.groups.items():
        yield group.label, group.name, group.metric, score
    for number, score in line.scores.items():
        column = board.columns[number]
        yield column.label, column.task, column.measure, score


def _inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def as_json(board: Board) -> str:
    """All numbers and words of the board."""
    lines: list[Json] = []
    for line in board.lines:
        lines.append(
            {
                "model": line.row.label,
                "marks": list(line.row.marks),
                "settings": dict(line.row.settings),
                "files": list(line.row.places),
                "mean": line.mean and asdict(line.mean),
                "shared_mean": line.shared_mean and asdict(line.shared_mean),
                "groups": {group.label: asdict(score) for group, score in line.groups.items()},
                "scores": {board.columns[number].label: asdict(score) for number, score in line.scores.items()},
            }
        )
    columns = [
        {"label": one.label, "task": one.task, "metric": one.metric, "filter": one.filter, "is_share": one.is_share,
         "higher_is_better": one.higher_is_better, "comparison": dict(one.comparison)}
        for one in board.columns
    ]  # fmt: skip
    values = {
        "columns": columns,
        "mean_over": [board.columns[number].label for number in board.in_mean],
        "shared": [board.columns[number].label for number in board.shared],
        "rows": lines,
        "not_taken": [{"file": problem.place, "why": problem.why} for problem in board.problems],
        "notes": explanation(board),
    }
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
