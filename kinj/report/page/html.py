"""The pages: one report, and as many pages of questions as their size asks for, each whole by itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kinj.records import Json
from kinj.report.comparison.arms import JUDGED
from kinj.report.page.questions import PATTERNS, QuestionGroup, arm_label, details
from kinj.report.page.tables import INTERVALS, Table, shown

_TEMPLATES = Path(__file__).with_name("templates")
#: Bytes of a page of questions, from which on the next one begins.
PAGE_BYTES = 2_400_000
#: In every page with texts, so that a training set that holds one can be found out.
CANARY = "kinj report canary 5f2b1d0c-8d0a-4e57-9c1e-6a6d4f7be2a9"
_WORDS = {"better": "better", "worse": "worse"}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    environment.globals |= {
        "script": script,
        # Of the element's very text: a script that somebody brings in has another sum, and does not run.
        "script_sha256": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": (_TEMPLATES / "style.css").read_text(encoding="utf-8"),
        "canary": CANARY,
        "patterns": PATTERNS,
    }
    return environment


def render(template: str, **values: Any) -> str:  # Any: whatever the template asks for
    """A page; every text in it is escaped."""
    return _environment().get_template(template).render(**values)


def table_view(table: Table, clean: Callable[[Any], Any]) -> Json:
    """A table as the templates take it: texts, sort keys, links, and bars in the rows for intervals."""
    ends = [
        [row[at] for row in table.rows if row[at] is not None]
        for at, column in enumerate(table.columns)
        if column.kind in INTERVALS
    ]
    spans = [(min((low for low, _ in one), default=0.0), max((high for _, high in one), default=1.0)) for one in ends]
    rows: list[Json] = []
    for number, row in enumerate(table.rows):
        bars = iter(spans)
        cells = []
        for at, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            cell: Json = {"text": clean(shown(value, column.kind)), "kind": column.kind, "sort": None}
            cell |= {"link": None, "bar": None, "word": _WORDS.get(value, "") if column.name == "verdict" else ""}
            if column.kind in INTERVALS:
                span = next(bars)
                if value is not None and at:
                    middle = row[at - 1] if table.columns[at - 1].kind in ("share", "difference") else None
                    cell["bar"] = _bar(value, middle, span, signed=column.kind == "differences")
                    cell["sort"] = value[0]
            elif column.kind != "text" and value is not None:
                cell["sort"] = value
            cells.append(cell)
        target = table.links[number] if number < len(table.links) else ""
        if target:
            first = next(at for at, column in enumerate(table.columns) if column.name in ("arm", "accuracy"))
            cells[first]["link"] = f"#{target}"
        anchor = f"cell-{row[0]}" if table.id == "cells" else None
        rows.append({"cells": cells, "anchor": anchor})
    columns = [{"name": clean(column.name), "kind": column.kind} for column in table.columns]
    once = _said_once(table)
    empty = [at for at in range(len(columns)) if all(row[at] is None for row in table.rows)]
    for one in rows:
        one["cells"] = [cell for at, cell in enumerate(one["cells"]) if at not in (*once, *empty)]
    note = " · ".join([*(f"{table.columns[at].name}: {table.rows[0][at]}" for at in once), *filter(None, [table.note])])
    columns = [column for at, column in enumerate(columns) if at not in (*once, *empty)]
    return {"id": table.id, "title": table.title, "note": clean(note), "columns": columns, "rows": rows}


def _said_once(table: Table) -> list[int]:
    """Columns that say where a number is from, and say the same in all rows."""
    return [
        at
        for at, column in enumerate(table.columns)
        if column.name in ("model", "task", "split") and len({row[at] for row in table.rows}) == 1
    ]


def _bar(
    value: tuple[float, float], middle: float | None, span: tuple[float, float], *, signed: bool
) -> tuple[float | None, ...]:
    """Where an interval lies between the column's ends; intervals of differences all show 0, those of shares 0 to 1."""
    low, high = span
    if not signed:
        low, high = 0.0, 1.0
    else:
        low, high = max(-1.0, min(low, -high)), min(1.0, max(high, -low))
    ends = [min(max(end, low), high) for end in value]
    inside = None if middle is None else min(max(middle, low), high)
    return ends[0], inside, ends[1], low, high


def question_pages(
    group: QuestionGroup, chunks: Mapping[str, Json], clean: Callable[[Any], Any]
) -> Iterator[tuple[str, str]]:
    """(file name, HTML) of a group: the list of its questions, and pages with all of each."""
    template = _environment().get_template("question.html.j2")
    pages: list[list[Markup]] = [[]]
    size, place, texts = 0, [], []
    for one in details(group, chunks, clean):
        numbers = " ".join(str(1 + PATTERNS.index(name)) for name in one["patterns"])
        html = template.render(**one, pattern_numbers=numbers)
        length = len(html.encode())
        if pages[-1] and size + length > PAGE_BYTES:
            pages.append([])
            size = 0
        size += length
        pages[-1].append(Markup(html))  # noqa: S704  # rendered above, escaped
        place.append(len(pages))
        texts.append((one["number"], one["question"] or one["id"], numbers))
    title = clean(f"{group.model}, {group.task}" + (f", {group.split}" if group.split else ""))
    names = [f"{group.id}-{number}.html" for number in range(1, len(pages) + 1)]
    marks = _marks(group)
    rows = [
        {"number": number, "text": text[:240], "patterns": patterns, "page": names[place[at] - 1], "marks": marks[at]}
        for at, (number, text, patterns) in enumerate(texts)
    ]
    yield f"{group.id}.html", render("questions.html.j2", title=f"Questions: {title}", rows=rows, counts=group.counts())
    for number, members in enumerate(pages):
        values = {
            "before": names[number - 1] if number else None,
            "after": names[number + 1] if number + 1 < len(names) else None,
            "list": f"{group.id}.html",
            "title": f"Questions {number + 1} of {len(pages)}: {title}",
        }
        yield names[number], render("details.html.j2", questions=members, **values)


def _marks(group: QuestionGroup) -> list[list[Json]]:
    """Of each question the judged arms, right or wrong, most of their trainings deciding."""
    main = [one for one in group.arms if one.role in JUDGED][:8]
    shares = [one.right.mean(axis=1) for one in main]
    return [
        [
            {"arm": arm_label(one), "right": bool(share[at] > 0.5), "text": "right" if share[at] > 0.5 else "wrong"}
            for one, share in zip(main, shares, strict=True)
            if share[at] == share[at]
        ]
        for at in range(len(group.questions))
    ]


def patterns_view(groups: Sequence[QuestionGroup]) -> list[Json]:
    """Counts of patterns, a row a group."""
    return [
        {"model": one.model, "task": one.task, "split": one.split, "count": len(one.questions), "counts": one.counts(),
         "page": f"{one.id}.html"}
        for one in groups
    ]  # fmt: skip
