"""`kinj benchmark`: what a benchmark folder holds, and what it can show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinj.cli.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from kinj.benchmark.checks.baselines import Baselines
    from kinj.records import Question
    from kinj.retrieval.recall import Recall

Folder = Annotated[
    str, typer.Argument(metavar="DIR", help="A benchmark folder, or a name that ships.", show_default=False)
]
Embedder = Annotated[str | None, typer.Option("--embedder", help="Also dense retrieval, by this embedding model.")]
IndexPath = Annotated[
    Path | None, typer.Option("--index", help="Search this index, which holds the chunks among others.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the group `kinj benchmark`."""
    group = typer.Typer(no_args_is_help=True, help="Look at a benchmark folder (docs/format.md).")
    group.command("stats")(stats)
    app.add_typer(group, name="benchmark")


def stats(folder: Folder, *, embedder: Embedder = None, index: IndexPath = None, as_json: Json = False) -> None:
    """Print sizes, what readers that do not understand answer, and how well the source chunks are found.

    Example: `kinj benchmark stats current_events --embedder sentence-transformers/all-MiniLM-L6-v2`
    """
    parts = _measure(folder, embedder, index)
    if as_json:
        typer.echo(json.dumps([asdict(part) for part in parts], indent=2))
        return
    from rich.console import Console

    for table in (_sizes(parts), _shares(parts), _found(parts)):
        Console().print(table)


@dataclass(frozen=True, slots=True)
class Part:
    """Some questions of one split, and what was measured of them."""

    split: str
    #: the form, or form and kind
    name: str
    questions: int
    #: right options at each place, from the first
    places: list[int]
    #: characters on average, of right options and of wrong ones
    right_length: float
    wrong_length: float
    #: asked openly too; marked as new knowledge; resting on one source
    open_questions: int
    new: int
    single_source: int
    baselines: Baselines
    #: by retriever
    recall: dict[str, Recall | None]


def _measure(name: str, embedder: str | None, index: Path | None) -> list[Part]:
    from kinj.benchmark import collection_folder, open_benchmark
    from kinj.benchmark.checks.baselines import Readers, parts_of
    from kinj.retrieval import collection_index, open_retriever
    from kinj.retrieval.recall import recall

    folder = collection_folder(name)
    benchmark = open_benchmark(folder)
    readers = Readers(benchmark)
    where = index or collection_index(folder, embedder)
    kinds = ("bm25", "dense", "hybrid") if embedder else ("bm25",)
    retrievers = {kind: open_retriever(kind, index=where) for kind in kinds}
    return [
        Part(
            split=split,
            name=part,
            **_counts(questions),
            baselines=readers.over(questions),
            recall={kind: recall(retriever, questions) for kind, retriever in retrievers.items()},
        )
        for split in ("test", "dev")
        for part, questions in parts_of(benchmark.part(split)).items()
    ]


def _counts(questions: Sequence[Question]) -> dict[str, Any]:  # Any: a part's own fields
    places = Counter(question.answer for question in questions)
    right = [len(q.choices[q.answer]) for q in questions]
    wrong = [len(choice) for q in questions for place, choice in enumerate(q.choices) if place != q.answer]
    return {
        "questions": len(questions),
        "places": [places[place] for place in range(4)],
        "right_length": sum(right) / len(right),
        "wrong_length": sum(wrong) / len(wrong),
        "open_questions": sum(bool(q.accepted_answers) for q in questions),
        "new": sum(q.knowledge == "new" for q in questions),
        "single_source": sum(q.single_source for q in questions),
    }


def _sizes(parts: Sequence[Part]) -> Table:
    title = "questions: open, new knowledge, of one source; right options at A to D; characters of right and wrong"
    table = _table(title, ["n", "open", "new", "one", "places", "right", "wrong"])
    for part in parts:
        table.add_row(
            part.split,
            part.name,
            *map(str, (part.questions, part.open_questions, part.new, part.single_source)),
            " ".join(map(str, part.places)),
            f"{part.right_length:.0f}",
            f"{part.wrong_length:.0f}",
        )
    return table


def _shares(parts: Sequence[Part]) -> Table:
    names = {
        "string_chunk": "string",
        "words_chunk": "words",
        "string_collection": "anywhere",
        "question_words": "question",
        "longest_option": "longest",
    }
    title = "answered without understanding, chance 25 % (docs/format.md says how)"
    table = _table(title, ["n", *names.values()])
    for part in parts:
        shares = (f"{getattr(part.baselines, name):.1%}" for name in names)
        table.add_row(part.split, part.name, str(part.questions), *shares)
    return table


def _found(parts: Sequence[Part]) -> Table:
    kinds = list(parts[0].recall) if parts else []
    table = _table("source chunks found: recall@1 and @5", ["n", *(f"{kind} @{k}" for kind in kinds for k in (1, 5))])
    for part in parts:
        found = [part.recall[kind] for kind in kinds]
        cells = [f"{value:.3f}" for one in found if one for value in (one.at_1, one.at_5)]
        table.add_row(part.split, part.name, str(part.questions), *cells)
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    # As narrow as it can be: 80 columns hold every number.
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", collapse_padding=True, pad_edge=False)
    for name in ("split", "form, kind"):
        table.add_column(name, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table
