"""The leaderboard as one HTML page that asks for nothing: what other people's files say is escaped in it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import jinja2

from kinj.report.board.board import Board, Score
from kinj.report.board.writing import HOLE, explanation, has_shared_mean, rank_text, said_of, shown

_NOTHING_ELSE = "base-uri 'none'; form-action 'none'"
_FOLDER = Path(__file__).parent


def as_html(board: Board) -> str:
    """The page. A policy in it allows its own script and style alone, by their hashes: no other script runs."""
    script, style = (_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"cell": _cell, "rank_text": rank_text, "shown": shown, "hole": HOLE}
    template = environment.from_string(_FOLDER.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        board=board,
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; {_NOTHING_ELSE}",
        script=script,
        style=style,
        explanation=explanation(board),
        has_shared=has_shared_mean(board),
    )


def _cell(score: Score | None, is_share: bool = True) -> dict[str, object]:
    """What a cell of the table shows: its number to sort by, its text, and what stands below it."""
    if score is None:
        return {"sort": "", "text": HOLE, "said": [], "checked": ""}
    said = said_of(score, is_share=is_share)
    return {"sort": score.value, "text": shown(score.value, is_share=is_share), "said": said, "checked": score.checked}


def _hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
