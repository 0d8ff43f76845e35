"""`kinj benchmark review` and `decide`: a person's look at each question, and what follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.options import Json
from kinj.errors import UserError

PAGE = "review.html"

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A benchmark folder.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help=f"Where the page goes; by default DIR/{PAGE}.")]
Decisions = Annotated[
    Path,
    typer.Argument(metavar="DECISIONS", help="The decisions.jsonl that the page saved.", show_default=False),
]


def review(folder: Folder, *, out: Out = None) -> None:
    """Write a page on which a person accepts, strikes or edits each question beside its chunk.

    One HTML file without any request to a network. It shows what DIR/review.jsonl lists, refused rows with their
    reasons; in a folder without that file, its questions. Decisions stay in the browser until the page saves them.

    Example: `kinj benchmark review my_benchmark`, open my_benchmark/review.html, then
    `kinj benchmark decide my_benchmark ~/Downloads/decisions.jsonl`
    """
    from kinj.benchmark.reviewing import read_items, review_page
    from kinj.jsonl import read_records
    from kinj.manifest import write_whole
    from kinj.records import Chunk

    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    items = read_items(folder)
    chunks = {chunk.id: chunk for chunk in read_records(folder / "chunks.jsonl", Chunk)}
    page = out or folder / PAGE
    write_whole(page, review_page(folder.resolve().name, items, chunks))
    refused = sum(item.state == "refused" for item in items)
    typer.echo(f"{page}: {len(items):,} to look at, {refused:,} of them refused by the checks")
    typer.echo(f"next: open it, save your decisions, then: kinj benchmark decide {folder} decisions.jsonl", err=True)


def decide(folder: Folder, decisions: Decisions, *, as_json: Json = False) -> None:
    """Apply the decisions of a review to the folder: accepted rows in, struck ones out, edited ones changed.

    Where a decision does not fit the folder, one line says so and nothing is changed. Applied twice, nothing more
    happens. The decisions are kept in DIR/decisions.jsonl, which `kinj write` holds to when it writes there again.

    Example: `kinj benchmark decide my_benchmark decisions.jsonl`
    """
    from kinj.benchmark import open_benchmark
    from kinj.benchmark.reviewing import (
        DECISIONS,
        REVIEW,
        apply_decisions,
        merge_decisions,
        read_decisions,
        read_items,
    )
    from kinj.benchmark.sealing import write_benchmark
    from kinj.manifest import NAME, read_manifest

    benchmark = open_benchmark(folder)
    items = read_items(folder)
    new = read_decisions(decisions)
    applied = apply_decisions(benchmark, items, new)
    earlier = read_decisions(folder / DECISIONS) if (folder / DECISIONS).is_file() else []
    beside = {REVIEW: applied.items, DECISIONS: merge_decisions(earlier, new)}
    manifest = {}
    if (folder / NAME).is_file():
        manifest = read_manifest(folder, "restore the file or delete it")
    manifest.setdefault("name", folder.resolve().name)
    counts = {name: getattr(applied, name) for name in ("added", "struck", "edited", "confirmed", "unchanged")}
    write_benchmark(applied.benchmark, folder, manifest, beside)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **counts, "questions": len(applied.benchmark.questions)}))
        return
    words = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    typer.echo(f"{folder}: {words}; {len(applied.benchmark.questions):,} questions now, manifest written")
