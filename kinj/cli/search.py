"""`kinj search`: what an index gives for some words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from kinj.cli.options import IndexName, Json
from kinj.errors import UserError
from kinj.records import Passage

Words = Annotated[str, typer.Argument(metavar="WORDS", help="What to search for; quote it.", show_default=False)]
TopK = Annotated[int, typer.Option("-k", help="How many passages.")]
RetrieverName = Annotated[str, typer.Option(metavar="bm25|dense|hybrid", help="How to rank.")]
EmbedderName = Annotated[
    str | None, typer.Option(metavar="NAME", help="By default the one that the index was built with.")
]
Condition = Annotated[
    str | None,
    typer.Option(metavar="FILTER", help="Only chunks like this: date:2023-08-01..2023-11-30+subject:law"),
]
TextField = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Of an index on Elasticsearch that kinj did not build: where its texts are."),
]
VectorField = Annotated[str | None, typer.Option(metavar="FIELD", help="Where such an index keeps its vectors.")]
_RANKING = ("bm25", "dense", "hybrid")


def add_to(app: typer.Typer) -> None:
    """Adds `kinj search`."""
    app.command("search")(search)


def search(
    name: IndexName,
    words: Words,
    *,
    k: TopK = 5,
    retriever: RetrieverName = "bm25",
    embedder: EmbedderName = None,
    filter: Condition = None,  # the name of the setting
    text_field: TextField = None,
    vector_field: VectorField = None,
    as_json: Json = False,
) -> None:
    """Show the best passages of an index for some words, as an evaluation would get them.

    Example: `kinj search my_index "Who rejected the downgrade?" -k 3`
    """
    from kinj.records import Query
    from kinj.retrieval import open_retriever
    from kinj.retrieval.retriever import count_repeated

    if retriever not in _RANKING:
        raise UserError(
            f"--retriever {retriever}: here the choice is {', '.join(_RANKING)}; the control arms need questions"
        )
    opened = open_retriever(
        retriever, index=name, embedder=embedder, filter=filter, text_field=text_field, vector_field=vector_field
    )
    [passages] = opened.search([Query(words)], k)
    if as_json:
        typer.echo(json.dumps([asdict(passage) for passage in passages], indent=2, ensure_ascii=False))
    elif passages:
        _print_table(passages)
        if repeated := count_repeated(passages):
            typer.echo(f"{repeated} of these {len(passages)} passages repeat the text of a better one", err=True)
    else:
        typer.echo(f"nothing in {name} shares a word with {words!r} (stop words do not count)")


def _print_table(passages: Sequence[Passage]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_lines=True)
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("passage", overflow="fold")
    for passage in passages:
        page = passage.page and f"page {passage.page}"
        head = " · ".join(part for part in (passage.chunk_id, passage.title, passage.date, page) if part)
        text = "\n".join(filter(None, (passage.context, passage.text)))
        table.add_row(str(passage.rank), f"{passage.score:.4g}", Text(head, style="bold") + Text("\n" + text))
    Console().print(table)
