"""`kinj corpus mmlu_anatomy` and its like: collections that tasks search by their name, and fresh windows of events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.corpus import NearDuplicates, Questions, Strict
from kinj.cli.options import ChunkTokens, Json, TokenizerName
from kinj.cli.wiki import (
    Api,
    Categories,
    Contact,
    Lang,
    Last,
    Limit,
    api_address,
    build,
    categories_of_months,
    corpus_group,
    words_of,
)
from kinj.corpus.cutting import CHUNK_TOKENS
from kinj.corpus.ready_made import SUBJECTS, default_folder, use_collection
from kinj.corpus.wiki.listing import DAYS, EVENTS, LIMIT
from kinj.errors import UserError

#: All subjects at once.
ALL = "mmlu"
#: Months' categories of events hold them by place and kind, two levels down.
_EVENTS_DEPTH = 2

MaybeOut = Annotated[
    Path | None,
    typer.Argument(metavar="[OUT]", help="The collection folder to write; by default one in kinj's cache."),
]
Collection = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Take this collection, which is there already, and make none."),
]
LinkDepth = Annotated[int | None, typer.Option(metavar="N", help="Links to follow from its page; by default 2.")]
EventsDepth = Annotated[int, typer.Option(metavar="N", help="Levels of categories to look into.")]
First = Annotated[str, typer.Option("--from", metavar="MONTH", help="First month, 2026-08 say.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Adds the names to `kinj corpus`, which is there already."""
    group = corpus_group(app)
    for name in SUBJECTS:
        page = SUBJECTS[name].page
        group.command(name, help=_HELP.format(name=name, page=page), short_help=f"The collection of kinj_{name}.")(
            _command(name)
        )
    group.command(ALL, help=_HELP_ALL, short_help="The collections of all kinj_mmlu tasks.")(_command(*SUBJECTS))
    group.command("current_events")(current_events)


_HELP = """Make the collection that the task kinj_{name} searches: Wikipedia around “{page}”.

From then on `lm_eval --tasks kinj_{name} --model kinj_rag` retrieves from it. `--collection FOLDER` takes another one.

Example: `kinj corpus {name} --contact you@example.org`

Then: `lm_eval --tasks kinj_{name} --model kinj_rag`
"""
_HELP_ALL = """Make the collections of all kinj_mmlu tasks, one after the other: Wikipedia around each subject's page.

With OUT, each becomes a folder in it.

Example: `kinj corpus mmlu --contact you@example.org`

Then: `lm_eval --tasks kinj_mmlu --model kinj_rag`
"""


def _command(*names: str) -> Callable[..., None]:
    """The command that makes these collections."""

    def make(
        out: MaybeOut = None,
        *,
        collection: Collection = None,
        depth: LinkDepth = None,
        limit: Limit = LIMIT,
        api: Api = None,
        lang: Lang = "en",
        contact: Contact = "",
        chunk_tokens: ChunkTokens = CHUNK_TOKENS,
        tokenizer: TokenizerName = None,
        near_duplicates: NearDuplicates = 0.8,
        questions: Questions = None,
        strict: Strict = False,
        as_json: Json = False,
    ) -> None:
        if collection is not None:
            _take(names, collection, out)
            return
        for name in names:
            folder = default_folder(name) if out is None else out / name if len(names) > 1 else out
            _make(name, folder, depth, limit, api, lang, contact, chunk_tokens, tokenizer, near_duplicates, questions,
                  strict=strict, as_json=as_json)  # fmt: skip

    return make


def _take(names: tuple[str, ...], collection: Path, out: Path | None) -> None:
    if len(names) > 1:
        raise UserError(f"--collection {collection}: for one subject, as `kinj corpus {names[0]} --collection FOLDER`")
    if out is not None:
        raise UserError(f"--collection {collection} is taken where it is: leave {out} away")
    use_collection(names[0], collection)
    typer.echo(f"kinj_{names[0]} searches {collection}")
    typer.echo(f"next: lm_eval --tasks kinj_{names[0]} --model kinj_rag", err=True)


def _make(
    name: str,
    folder: Path,
    depth: int | None,
    limit: int,
    api: str | None,
    lang: str,
    contact: str,
    chunk_tokens: int,
    tokenizer: str | None,
    near_duplicates: float,
    questions: list[Path] | None,
    *,
    strict: bool,
    as_json: bool,
) -> None:
    from kinj.corpus.sources.wikipedia import WikipediaSource
    from kinj.corpus.wiki.api import Wiki
    from kinj.corpus.wiki.listing import Wanted

    subject = SUBJECTS[name]
    links = subject.depth if depth is None else depth
    asked = {"around": subject.page, "depth": links, "limit": limit, "api": api, "lang": None if api else lang}
    wanted = Wanted(around=(subject.page,), depth=links, limit=limit)
    source = WikipediaSource(Wiki(api_address(api, lang), contact), wanted, words_of(asked))
    build(source, folder, chunk_tokens, tokenizer, near_duplicates, questions, strict=strict, as_json=as_json)
    use_collection(name, folder)
    typer.echo(f"kinj_{name} searches it: lm_eval --tasks kinj_{name} --model kinj_rag", err=True)


def current_events(
    out: MaybeOut = None,
    *,
    first: First,
    last: Last = None,
    categories: Categories = None,
    depth: EventsDepth = _EVENTS_DEPTH,
    limit: Limit = LIMIT,
    api: Api = None,
    lang: Lang = "en",
    contact: Contact = "",
    chunk_tokens: ChunkTokens = CHUNK_TOKENS,
    tokenizer: TokenizerName = None,
    near_duplicates: NearDuplicates = 0.8,
    questions: Questions = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Make a collection of the events of some months: Wikipedia's categories of them, and its page of each day.

    A month that is not over is read again by the same command later.

    Example: `kinj corpus current_events --from 2026-08 --to 2026-11 --contact you@example.org`

    Then: `kinj index build FOLDER my_index`, with the folder that it names
    """
    from kinj.corpus.sources.wikipedia import WikipediaSource
    from kinj.corpus.wiki.api import Wiki
    from kinj.corpus.wiki.listing import Months, Wanted

    months = Months.parse(first, last)
    wanted = Wanted(
        pages=tuple(months.days(DAYS)),
        categories=categories_of_months(categories or (EVENTS,), first, last),
        depth=depth,
        limit=limit,
    )
    made_from = words_of({"from": first, "to": last, "category": categories, "depth": depth, "limit": limit, "api": api,
                          "lang": None if api else lang})  # fmt: skip
    folder = out or default_folder(f"current_events-{first}-{last or first}")
    source = WikipediaSource(Wiki(api_address(api, lang), contact), wanted, made_from)
    build(source, folder, chunk_tokens, tokenizer, near_duplicates, questions, strict=strict, as_json=as_json)
