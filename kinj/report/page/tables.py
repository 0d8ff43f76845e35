"""Tables of numbers, and how they are written: Markdown, CSV, LaTeX; the page writes its own from the same."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kinj.report.verdict.sentences import amount, points

Kind = Literal[
    "text", "count", "share", "difference", "interval", "differences", "p", "number", "amount", "seconds", "bytes"
]  # fmt: skip
#: Two numbers: of shares, of differences.
INTERVALS = ("interval", "differences")
Value = Any  # Any: what a column's kind says: text, number, pair of numbers, or None where there is nothing


@dataclass(frozen=True, slots=True)
class Column:
    """A column: a text, or a number in shares of 1, points, seconds, bytes."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers of one sort, one row each."""

    #: in file names and links
    id: str
    title: str
    #: what has to be known to read it
    note: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Value]]
    #: by row, the id of an element that it leads to; empty: none
    links: Sequence[str] = field(default_factory=tuple)


def shown(value: Value, kind: Kind) -> str:  # noqa: C901  # one line a kind
    """A value for people; empty where there is none."""
    if value is None:
        return ""
    if kind == "text":
        return str(value)
    if kind in INTERVALS:
        return " to ".join(points(end, sign=kind == "differences") for end in value)
    if isinstance(value, float) and not math.isfinite(value):
        return "any" if value > 0 else ""
    if kind == "count":
        return f"{round(value):,}"
    if kind == "share":
        return f"{100 * value:.1f}"
    if kind == "difference":
        return points(value)
    if kind == "p":
        return "< .0001" if value < 1e-4 else f"{value:.4f}".lstrip("0") if value < 1 else "1"
    if kind == "amount":
        return amount(value)
    if kind == "seconds":
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    if kind == "bytes":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:.4g}"


def to_markdown(table: Table) -> str:
    """The table with its title and note."""
    lines = [
        "| " + " | ".join(escaped(column.name) for column in table.columns) + " |",
        "| " + " | ".join("---" if column.kind == "text" else "---:" for column in table.columns) + " |",
    ]
    for row in table.rows:
        cells = (escaped(shown(value, column.kind)) for value, column in zip(row, table.columns, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    note = f"{escaped(table.note)}\n\n" if table.note else ""
    return f"### {escaped(table.title)}\n\n{note}" + "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A text on one line, every sign that Markdown or HTML reads spelt out."""
    for sign in "\\|<>`*_[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def to_csv(table: Table) -> str:
    """Raw values, shares of 1 as they are; an interval is two columns. A formula is quoted."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([name for column in table.columns for name in _names(column)])
    for row in table.rows:
        values: list[Value] = []
        for value, column in zip(row, table.columns, strict=True):
            if column.kind in INTERVALS:
                values += [None, None] if value is None else list(value)
            else:
                values.append(_harmless(value) if isinstance(value, str) else value)
        writer.writerow(["" if value is None else value for value in values])
    return sink.getvalue()


def _names(column: Column) -> list[str]:
    return [f"{column.name}, low", f"{column.name}, high"] if column.kind in INTERVALS else [column.name]


def _harmless(text: str) -> str:
    """With a quote before what spreadsheets take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def to_latex(table: Table) -> str:
    """A `tabular` with booktabs' rules, which a paper can input."""
    align = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    lines = [f"% {latex(table.title)}", rf"\begin{{tabular}}{{{align}}}", r"\toprule"]
    lines.append(" & ".join(latex(column.name) for column in table.columns) + r" \\")
    lines.append(r"\midrule")
    for row in table.rows:
        cells = (latex(shown(value, column.kind)) for value, column in zip(row, table.columns, strict=True))
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def latex(text: str) -> str:
    """The text with every sign that LaTeX reads spelt out, on one line."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


def to_json(table: Table) -> dict[str, Value]:
    """Title, note, columns with their kinds, and raw rows; null where a number is infinite or none."""
    columns = [{"name": column.name, "kind": column.kind} for column in table.columns]
    rows = [[_finite(value) for value in row] for row in table.rows]
    return {"title": table.title, "note": table.note, "columns": columns, "rows": rows}


def _finite(value: Value) -> Value:
    """The value; None for what JSON has no number for."""
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
