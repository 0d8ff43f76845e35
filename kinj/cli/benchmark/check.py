"""`kinj benchmark check`: every fault of a benchmark folder."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kinj.cli.options import Benchmark, Json
from kinj.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kinj.benchmark.checks import Checked
    from kinj.benchmark.checks.repeats import Embed
    from kinj.records import Json as JsonObject

#: texts that are embedded at a time
_EMBEDDED = 256

Embedder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Also compare by meaning, by this embedding model; the limits are read off "
        "sentence-transformers/all-MiniLM-L6-v2.",
    ),
]


def check(folder: Benchmark, *, embedder: Embedder = None, as_json: Json = False) -> None:
    """Run every check on a benchmark folder; each fault with its row. Exit code 1 where there is a fault.

    Rules about the shipped collection's own make-up (questions per chunk, kinds, …) are no faults of your folder: they
    run on `current_events` alone. What ran, over which languages, is said first.

    Example: `kinj benchmark check my_benchmark --embedder sentence-transformers/all-MiniLM-L6-v2`
    """
    from kinj.benchmark import collection_folder, open_benchmark, shipped_collections
    from kinj.benchmark.checks import check_benchmark, languages_of
    from kinj.corpus.language import find_language

    place = collection_folder(folder)
    try:
        opened = open_benchmark(place)
    except UserError as error:
        _end_unopened(place, str(error), as_json=as_json)
    languages = languages_of(opened, find_language)
    is_shipped = place.resolve() in {path.resolve() for path in shipped_collections().values()}
    embed = _embed(embedder) if embedder is not None else None
    checked = check_benchmark(opened, languages, is_shipped=is_shipped, embed=embed)
    asked = Counter(languages[question.id] for question in opened.questions)
    if as_json:
        typer.echo(json.dumps(_values(place, asked, checked), indent=2, ensure_ascii=False))
    else:
        _show(place, asked, checked)
    raise typer.Exit(1 if checked.count else 0)


def _embed(name: str) -> Embed:
    import numpy as np

    from kinj.progress import progress
    from kinj.retrieval import find_embedder

    embedder = find_embedder(name)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = []
        with progress("embedding", len(texts)) as advance:
            for start in range(0, len(texts), _EMBEDDED):
                vectors.append(embedder.embed_passages(texts[start : start + _EMBEDDED]))
                advance(len(vectors[-1]))
        return np.concatenate(vectors)

    return embed


def _end_unopened(place: Path, why: str, *, as_json: bool) -> NoReturn:
    """A folder that does not open has one fault, the first: the others are not looked for."""
    if as_json:
        faults = [{"rule": "opening", "row": "", "why": why}]
        typer.echo(json.dumps({"folder": str(place), "ran": ["opening"], "skipped": [], "faults": faults}, indent=2))
    else:
        typer.echo(f"opening: {why}")
        typer.echo("1 fault; nothing else was checked, since the folder does not open: mend it first", err=True)
    raise typer.Exit(1)


def _values(place: Path, asked: Mapping[str, int], checked: Checked) -> JsonObject:
    return {
        "folder": str(place),
        "languages": dict(asked),
        "ran": [{"rule": rule.name, "refuses": rule.refuses, "faults": len(f)} for rule, f in checked.faults.items()],
        "skipped": [{"rule": one.rule.name, "why": one.why} for one in checked.skipped],
        "faults": [
            {"rule": rule.name, "row": fault.row, "why": fault.why}
            for rule, faults in checked.faults.items()
            for fault in faults
        ],
    }


def _show(place: Path, asked: Mapping[str, int], checked: Checked) -> None:
    listed = ", ".join(f"{count:,} in {language}" for language, count in asked.items()) or "none"
    typer.echo(f"{place}: questions {listed}", err=True)
    typer.echo(f"rules that ran ({len(checked.faults)}): {', '.join(r.name for r in checked.faults)}", err=True)
    reasons: dict[str, list[str]] = {}
    for one in checked.skipped:
        reasons.setdefault(one.why, []).append(one.rule.name)
    for why, names in reasons.items():
        typer.echo(f"not run ({why}): {', '.join(names)}", err=True)
    for rule, faults in checked.faults.items():
        for fault in faults:
            typer.echo(f"{rule.name}: {fault}")
    counts = ", ".join(f"{rule.name} {len(faults)}" for rule, faults in checked.faults.items() if faults)
    number = f"{checked.count:,} fault{'' if checked.count == 1 else 's'}"
    typer.echo(f"{number}: {counts}" if counts else "no fault", err=True)
