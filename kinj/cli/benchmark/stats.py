"""`kinj benchmark stats`: what a benchmark folder holds, and what it can show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinj.cli.options import Benchmark, Json

if TYPE_CHECKING:
    from rich.table import Table

    from kinj.benchmark.checks.baselines import Baselines
    from kinj.records import Question
    from kinj.retrieval.recall import Recall

Embedder = Annotated[str | None, typer.Option("--embedder", help="Also dense retrieval, by this embedding model.")]
IndexPath = Annotated[
    Path | None, typer.Option("--index", help="Search this index, which holds the chunks among others.")
]


def stats(folder: Benchmark, *, embedder: Embedder = None, index: IndexPath = None, as_json: Json = False) -> None:
    """Print sizes, what readers that do not understand answer, and how well the source chunks are found.

    Example: `kinj benchmark stats current_events --embedder sentence-transformers/all-MiniLM-L6-v2`
    """
    sizes, parts = _measure(folder, embedder, index)
    if as_json:
        values = {"folder": folder, "sizes": asdict(sizes), "parts": [asdict(part) for part in parts]}
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    for name, count in asdict(sizes).items():
        typer.echo(f"{name:<16}{count:,}")
    if not parts:
        typer.echo("no question in test or dev: nothing to measure", err=True)
        return
    for table in (_counts_table(parts), _shares(parts), _found(parts)):
        if table is not None:
            Console().print(table)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many records the folder holds."""

    documents: int
    chunks: int
    #: of every split and form, those without an answer among them
    questions: int
    unanswerable: int
    fewshot: int
    paraphrases: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some questions of one split, and what was measured of them."""

    split: str
    #: the form, or form and kind
    name: str
    questions: int
    #: number of options -> questions; 0: asked openly alone
    options: dict[int, int]
    #: right options at each place, from the first
    places: list[int]
    #: characters on average, of right options and of wrong ones; None: no question has options
    right_length: float | None
    wrong_length: float | None
    #: asked openly too; marked as new knowledge; resting on one source
    open_questions: int
    new: int
    single_source: int
    #: None: no question has options
    baselines: Baselines | None
    #: by retriever; None: no question names its chunk
    recall: dict[str, Recall | None]


def _measure(name: str, embedder: str | None, index: Path | None) -> tuple[Sizes, list[Part]]:
    from kinj.benchmark import collection_folder, open_benchmark
    from kinj.benchmark.checks.baselines import Readers, parts_of
    from kinj.retrieval import collection_index, open_retriever
    from kinj.retrieval.recall import recall

    folder = collection_folder(name)
    benchmark = open_benchmark(folder)
    readers = Readers(benchmark)
    kinds = ("bm25", "dense", "hybrid") if embedder else ("bm25",)
    retrievers = {}
    if any(question.chunk_ids for question in benchmark.questions):  # else there is nothing to find
        where = index or collection_index(folder, embedder)
        retrievers = {kind: open_retriever(kind, index=where) for kind in kinds}
    sizes = Sizes(
        documents=len(benchmark.documents),
        chunks=len(benchmark.chunks),
        questions=len(benchmark.questions),
        unanswerable=sum(not question.answerable for question in benchmark.questions),
        fewshot=len(benchmark.part("fewshot").questions),
        paraphrases=len(benchmark.paraphrases),
        pairs=len(benchmark.pairs),
    )
    return sizes, [
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
    from kinj.benchmark.checks.balance import option_lengths

    options = Counter(len(question.choices) for question in questions)
    places = Counter(question.answer for question in questions)
    right, wrong = option_lengths(questions) or (None, None)
    return {
        "questions": len(questions),
        "options": dict(sorted(options.items())),
        "places": [places[place] for place in range(max(options))],
        "right_length": right,
        "wrong_length": wrong,
        "open_questions": sum(bool(q.accepted_answers) for q in questions),
        "new": sum(q.knowledge == "new" for q in questions),
        "single_source": sum(q.single_source for q in questions),
    }


def _counts_table(parts: Sequence[Part]) -> Table:
    last = chr(ord("A") + max(len(part.places) for part in parts) - 1) if any(part.places for part in parts) else "A"
    title = (
        f"questions: open, new knowledge, of one source; right options at A to {last}; characters of right and wrong"
    )
    table = _table(title, ["n", "open", "new", "one", "places", "right", "wrong"])
    for part in parts:
        table.add_row(
            part.split,
            part.name,
            *map(str, (part.questions, part.open_questions, part.new, part.single_source)),
            " ".join(map(str, part.places)) or "-",
            *("-" if length is None else f"{length:.0f}" for length in (part.right_length, part.wrong_length)),
        )
    return table


def _shares(parts: Sequence[Part]) -> Table | None:
    names = {
        "string_chunk": "string",
        "words_chunk": "words",
        "string_collection": "anywhere",
        "question_words": "question",
        "longest_option": "longest",
    }
    measured = [(part, part.baselines) for part in parts if part.baselines is not None]
    if not measured:
        return None
    chances = {f"{reached.chance:.0%}" for _, reached in measured}
    one_chance = f"chance {chances.pop().removesuffix('%')} %" if len(chances) == 1 else ""
    title = f"answered without understanding, {one_chance or 'beside chance'} (docs/format.md says how)"
    table = _table(title, ["n", *(() if one_chance else ("chance",)), *names.values()])
    for part, reached in measured:
        shares = [getattr(reached, name) for name in (*(() if one_chance else ("chance",)), *names)]
        table.add_row(part.split, part.name, str(reached.questions), *(f"{share:.1%}" for share in shares))
    return table


def _found(parts: Sequence[Part]) -> Table | None:
    kinds = list(parts[0].recall)
    if not kinds:
        return None
    table = _table("source chunks found: recall@1 and @5", ["n", *(f"{kind} @{k}" for kind in kinds for k in (1, 5))])
    for part in parts:
        found = [part.recall[kind] for kind in kinds]
        cells = [f"{value:.3f}" if one else "-" for one in found for value in ((one.at_1, one.at_5) if one else (0, 0))]
        table.add_row(part.split, part.name, str(found[0].questions if found[0] else 0), *cells)
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
