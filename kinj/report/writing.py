"""A whole report: read, found, said, and written as HTML, Markdown, JSON, CSV and LaTeX."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.manifest import write_whole
from kinj.progress import progress
from kinj.records import Json
from kinj.report.comparison import Comparison, Findings, find, read_comparison
from kinj.report.costs import Prices, cost_lines, cost_of
from kinj.report.page import beside, contents
from kinj.report.page.figures import Figure, figures
from kinj.report.page.html import patterns_view, question_pages, render, table_view
from kinj.report.page.questions import groups_of, passage_texts
from kinj.report.page.redact import redactor
from kinj.report.page.summary import Block, blocks, prospects_of
from kinj.report.page.tables import Table, escaped, to_csv, to_json, to_latex, to_markdown

#: Lists of a verdict in Markdown, and what stands above each.
_LISTS = {"verdicts": "", "warnings": "To be read with this in mind:", "changes": "Another answer would need:"}
_MADE = ("report.html", "report.md", "report.json")


@dataclass(frozen=True, slots=True)
class Report:
    """All that is written but for the questions' pages; every text is free of paths, keys and names."""

    title: str
    blocks: tuple[Block, ...]
    tables: tuple[Table, ...]
    more_tables: tuple[Table, ...]
    missing: Table | None
    missing_units: tuple[str, ...]
    planned: int
    figures: tuple[Figure, ...]
    not_measured: tuple[str, ...]
    notes: tuple[str, ...]
    #: of results without a plan
    assumed: tuple[str, ...]
    files: tuple[str, ...]
    #: that makes it again, folders by their own names
    command: str


def make_report(
    folders: Sequence[Path],
    prices: Prices | None,
    asked: int,
    said: Sequence[str] = (),
    margin: float | None = None,
) -> tuple[Report, Findings]:
    """What is to be said of comparisons' folders.

    Args:
        folders: of `kinj compare`, or of lm-eval's results.
        prices: of the user's file; None: costs are in tokens.
        asked: how many questions are asked, for what an arm costs.
        said: what whoever asks for the report wants to stand with each verdict.
        margin: within which two arms are the same, as a share of 1, where no plan says it; None: 3 points.

    Raises:
        UserError: no such folder, plans that contradict each other, nothing complete, or prices of a model that no
            plan names.
    """
    comparison = read_comparison(folders, margin)
    if not comparison.cells:
        raise UserError(
            f"{folders[0]}: none of the plan's {comparison.planned} cells is complete: run its `kinj compare` again"
        )
    if prices is not None:
        prices.refuse_unknown(set(comparison.plan_names.values()))
    found = find(comparison)
    prospects = prospects_of(found)
    costs = [cost_of(one) for one in found.judged_arms.values()]
    unit, lines = cost_lines(costs, prices, comparison.plan_names)
    tables = [
        contents.contrast_table(found, prospects), contents.accuracy_table(found), contents.k_table(found),
        contents.group_table(found), beside.retrieval_table(found), *beside.beside_tables(found),
        *beside.cost_tables(costs, unit, lines, asked),
    ]  # fmt: skip
    more = [beside.training_table(found), beside.search_table(found), contents.cell_table(found)]
    report = Report(
        title="Report: " + ", ".join(folder.resolve().name for folder in folders),
        blocks=tuple(
            replace(block, warnings=(*block.warnings, *said)) for block in blocks(found, prospects, unit, lines, asked)
        ),
        tables=tuple(one for one in tables if one is not None),
        more_tables=tuple(one for one in more if one is not None),
        missing=contents.missing_table(found),
        missing_units=tuple(_missing_units(comparison)),
        planned=comparison.planned,
        figures=tuple(figures(found, unit, lines, asked)),
        not_measured=tuple(_not_measured(found)),
        notes=tuple(comparison.notes),
        assumed=tuple(comparison.assumed),
        files=tuple(comparison.files),
        command=_command(folders, prices, asked, said, margin),
    )
    return report, found


def _command(
    folders: Sequence[Path], prices: Prices | None, asked: int, said: Sequence[str], margin: float | None
) -> str:
    words = ["kinj report", *(shlex.quote(folder.resolve().name) for folder in folders), "--output_dir report"]
    words.append(f"--questions-asked {asked}")
    words += ["--prices FILE"] if prices is not None else []
    words += [f"--margin {margin * 100:g}"] if margin is not None else []
    return " ".join([*words, *(f"--note {shlex.quote(note)}" for note in said)])


def _missing_units(comparison: Comparison) -> Iterator[str]:
    """Each unit that lacks cells, by its parts."""
    gone = Counter((one.cell.model, one.cell.injection, one.cell.seed) for one in comparison.missing)
    there = Counter((one.cell.model, one.cell.injection, one.cell.seed) for one in comparison.cells)
    for unit, count in gone.items():
        model, injection, seed = unit
        named = f"{model}, {injection}" + ("" if seed is None else f", seed {seed}")
        yield f"{named}: {count} of {count + there[unit]} cells" + (", the whole unit" if not there[unit] else "")


def _not_measured(found: Findings) -> Iterator[str]:
    yield from found.comparison.not_measured
    roles = {one.role for one in found.arms}
    if not found.noise:
        why = (
            "the cell that was asked twice has no question of the first time"
            if "noise" in roles
            else ("no cell was asked twice (the plan's control `reversed`)")
        )
        yield f"The noise floor: {why}."
    if "control" not in roles:
        yield "Ceiling and floor of retrieval: neither gold passages nor distractors were asked."
    if "forgetting" not in roles:
        yield "What trainings lost on what they were not trained on: the plan names no `forgetting` tasks."
    if not any(one.by == "dev" for one in found.ks):
        yield "The best number of passages: no k was chosen on dev."
    if "orders" not in roles:
        yield "Gains on known and unknown questions: they need an independent asking with other option orders."
    yield "Memory of a GPU, the cost of building an index, of writing questions and paraphrases, of failed tries."
    if any(one.arm.model not in found.comparison.writers for one in found.judged_arms.values()):
        yield (
            "Whether the model that is tested wrote the questions or the training texts: the benchmark that was asked, "
            "or the collection that was trained on, whose manifest says it, is not here any more."
        )


def write_report(
    report: Report, found: Findings, folders: Sequence[Path], out: Path, *, with_texts: bool
) -> list[Path]:
    """Writes all files; what an earlier report left is removed. Gives their paths.

    Raises:
        UserError: the folder holds something else.
    """
    can_show = with_texts and found.comparison.has_texts
    chunks = passage_texts(folders) if can_show else {}
    clean = redactor()
    groups = groups_of(found)
    page = _page(report, patterns_view(groups), clean, with_texts=can_show)
    files = {"report.html": page, "report.md": _markdown(clean(_plain(report)), report, clean)}
    files["report.json"] = json.dumps(clean(_plain(report)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for table in (*report.tables, *report.more_tables, *([report.missing] if report.missing else [])):
        cleaned = _clean_table(table, clean)
        files[f"tables/{table.id}.csv"], files[f"tables/{table.id}.tex"] = to_csv(cleaned), to_latex(cleaned)
    _make_room(out)  # not before: what cannot be written takes no earlier report away
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_whole(out / name, text)
    written = [out / name for name in files]
    if can_show:
        with progress("writing pages of questions", len(groups)) as advance:
            for group in groups:
                for name, text in question_pages(group, chunks, clean):
                    write_whole(out / name, text)
                    written.append(out / name)
                advance(1)
    return written


def _make_room(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / "report.json").is_file():
        raise UserError(f"--output_dir {out}: is not empty and holds no report: choose another folder")
    for old in [*(out / name for name in _MADE), *out.glob("questions-*.html")]:
        old.unlink(missing_ok=True)
    if (out / "tables").is_dir():
        shutil.rmtree(out / "tables")


def without_commands(report: Report) -> Report:
    """Commands of cells may name files of a machine: a report that is shown around goes without, and says so."""
    tables = []
    for table in report.more_tables:
        at = [n for n, column in enumerate(table.columns) if column.name != "command"]
        rows = [[row[n] for n in at] for row in table.rows]
        tables.append(Table(table.id, table.title, "", tuple(table.columns[n] for n in at), rows, table.links))
    return replace(report, more_tables=tuple(tables), command=f"{report.command} --without-texts")


def _clean_table(table: Table, clean: Any) -> Table:  # Any: of redactor
    rows = [[clean(value) if isinstance(value, str) else value for value in row] for row in table.rows]
    return Table(table.id, table.title, clean(table.note), table.columns, rows, table.links)


def _plain(report: Report) -> Json:
    """The report as JSON values: what `--json` prints."""
    return {
        "title": report.title,
        "missing": None if report.missing is None else to_json(report.missing),
        "missing_units": list(report.missing_units),
        "planned_cells": report.planned,
        "verdicts": [asdict(block) for block in report.blocks],
        "tables": {table.id: to_json(table) for table in (*report.tables, *report.more_tables)},
        "not_measured": list(report.not_measured),
        "notes": list(report.notes),
        "assumed": list(report.assumed),
        "files": list(report.files),
        "made_by": f"kinj {version('kinj')}",
        "command": report.command,
    }


def report_json(report: Report) -> str:
    """What `--json` prints."""
    return json.dumps(redactor()(_plain(report)), indent=1, ensure_ascii=False, allow_nan=False)


def _page(report: Report, groups: list[Json], clean: Any, *, with_texts: bool) -> str:  # Any: of redactor
    missing = None
    if report.missing is not None:
        units = clean(list(report.missing_units))
        missing = {"count": len(report.missing.rows), "units": units, "table": table_view(report.missing, clean)}
    intro = (
        "Which injection arm under which reading arm is better, by how much, how surely and at what cost. Differences "
        "are paired by question; questions about one chunk count as one cluster."
    )
    return render(
        "report.html.j2",
        title=clean(report.title),
        intro=intro,
        missing=missing,
        planned=report.planned,
        blocks=clean([asdict(block) for block in report.blocks]),
        tables=[table_view(table, clean) for table in report.tables],
        more_tables=[table_view(table, clean) for table in report.more_tables],
        figures=clean([asdict(one) for one in report.figures]),
        groups=clean(groups),
        with_texts=with_texts,
        not_measured=clean(list(report.not_measured)),
        notes=clean(list(report.notes)),
        assumed=clean(list(report.assumed)),
        files=clean(list(report.files)),
        made_by=f"kinj {version('kinj')}",
        command=clean(report.command),
    )


def _markdown(plain: Json, report: Report, clean: Any) -> str:  # Any: of redactor
    def items(lines: Sequence[str]) -> list[str]:
        return [*(f"- {escaped(line)}" for line in lines), ""]

    parts = [f"# {escaped(plain['title'])}\n"]
    if report.missing is not None:
        parts.append(f"**{len(report.missing.rows)} of {report.planned} planned cells are missing:**\n")
        parts += items(plain["missing_units"])
    if plain["assumed"]:
        parts += ["## What was assumed\n", *items(plain["assumed"])]
    parts.append("## Verdict\n")
    for block in plain["verdicts"]:
        first, *rest = block["recommendation"]
        parts.append(f"### {escaped(block['model'])}, {escaped(block['task'])}\n")
        parts.append(f"**{escaped(first)}** {escaped(' '.join(rest))}\n")
        for name, head in _LISTS.items():
            if block[name]:
                parts += [f"{head}\n"] * bool(head) + items(block[name])
    parts.append("## Numbers\n")
    parts += [to_markdown(_clean_table(table, clean)) for table in (*report.tables, *report.more_tables)]
    parts.append("## What was not measured\n")
    parts += items([*plain["not_measured"], *plain["notes"]])
    if plain["files"]:
        parts += ["## Which file is which arm\n", *items(plain["files"])]
    parts.append(f"Made by {plain['made_by']}: `{plain['command']}`\n")
    return "\n".join(parts)
