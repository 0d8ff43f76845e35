"""`kinj corpus wikipedia` and `kinj corpus dump`: a wiki's pages into a collection folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kinj.cli.corpus import NearDuplicates, Out, Questions, Strict, show
from kinj.cli.interruption import interruptible
from kinj.cli.options import ChunkTokens, Json, TokenizerName
from kinj.corpus.cutting import CHUNK_TOKENS
from kinj.corpus.wiki.listing import EVENTS, LIMIT
from kinj.errors import UserError

Categories = Annotated[
    list[str] | None,
    typer.Option(
        "--category",
        metavar="NAME",
        help="Articles of this category; may be given several times. With --from, `{month}`, `{mm}` and `{year}` in it "
        "are filled in.",
    ),
]
Pages = Annotated[Path | None, typer.Option(metavar="FILE", help="These pages: a text file, one title a line.")]
Around = Annotated[
    list[str] | None,
    typer.Option(metavar="TITLE", help="This page and those that it links to; may be given several times."),
]
Depth = Annotated[
    int | None,
    typer.Option(metavar="N", help="Links to follow from --around (by default 1), levels below --category (0)."),
]
Limit = Annotated[int, typer.Option(metavar="N", help="At most so many pages, besides those of --pages.")]
First = Annotated[
    str | None,
    typer.Option("--from", metavar="MONTH", help=f"First month, 2026-08 say: of --category, else of `{EVENTS}`."),
]
Last = Annotated[str | None, typer.Option("--to", metavar="MONTH", help="Last month; by default the first.")]
Api = Annotated[str | None, typer.Option(metavar="URL", help="api.php of another MediaWiki than Wikipedia.")]
Lang = Annotated[str, typer.Option(metavar="CODE", help="Which Wikipedia: en, de, zh …")]
Contact = Annotated[
    str,
    typer.Option(
        envvar="KINJ_CONTACT",
        metavar="WHO",
        help="Your e-mail address, or a page about you: Wikipedia wants to know whom to write to.",
    ),
]
Dump = Annotated[Path, typer.Argument(metavar="FILE", help="An XML export: .xml or .xml.bz2.", show_default=False)]
NamespaceNumbers = Annotated[
    list[int] | None, typer.Option("--namespace", metavar="N", help="Pages of this namespace; 0, articles, by default.")
]
License = Annotated[
    str | None,
    typer.Option(
        "--license",
        metavar="NAME",
        help="Of the texts; a dump does not say it. By default CC BY-SA 4.0 for Wikimedia's wikis.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds `wikipedia` and `dump` to `kinj corpus`, which is there already."""
    group = corpus_group(app)
    group.command("wikipedia")(wikipedia)
    group.command("dump")(dump)


def corpus_group(app: typer.Typer) -> typer.Typer:
    """The commands of `kinj corpus`."""
    [group] = [one.typer_instance for one in app.registered_groups if one.name == "corpus"]
    if group is None:
        raise ValueError("`kinj corpus` is added first")
    return group


def wikipedia(
    out: Out,
    *,
    categories: Categories = None,
    pages: Pages = None,
    around: Around = None,
    depth: Depth = None,
    limit: Limit = LIMIT,
    first: First = None,
    last: Last = None,
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
    """Read pages of Wikipedia, or of any MediaWiki, into a collection. Typed again later, it reads only what changed.

    Redirects are followed; a page that lists pages of like names is left out. Interrupted, the same command goes on.

    Example: `kinj corpus wikipedia anatomy --around Anatomy --depth 2 --limit 4000 --contact you@example.org`

    Then: `kinj index build anatomy my_index`
    """
    from kinj.corpus.sources.wikipedia import WikipediaSource
    from kinj.corpus.wiki.api import Wiki
    from kinj.corpus.wiki.listing import Wanted, read_titles

    wanted = Wanted(
        pages=read_titles(pages) if pages else (),
        around=tuple(around or ()),
        categories=categories_of_months(categories or (), first, last),
        depth=depth,
        limit=limit,
    )
    made_from = words_of({"category": categories, "pages": pages, "around": around, "depth": depth, "limit": limit,
                          "from": first, "to": last, "api": api, "lang": None if api else lang})  # fmt: skip
    source = WikipediaSource(Wiki(api_address(api, lang), contact), wanted, made_from)
    build(source, out, chunk_tokens, tokenizer, near_duplicates, questions, strict=strict, as_json=as_json)


def dump(
    file: Dump,
    out: Out,
    *,
    namespaces: NamespaceNumbers = None,
    pages: Pages = None,
    license_name: License = None,
    chunk_tokens: ChunkTokens = CHUNK_TOKENS,
    tokenizer: TokenizerName = None,
    near_duplicates: NearDuplicates = 0.8,
    questions: Questions = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Read a MediaWiki's XML export into a collection, in the memory of one page.

    Redirects and pages that list pages of like names are left out. Interrupted, the same command goes on.

    Example: `kinj corpus dump simplewiki-latest-pages-articles.xml.bz2 simple`

    Then: `kinj index build simple my_index`
    """
    from kinj.corpus.sources.dump import DumpSource
    from kinj.corpus.wiki.listing import read_titles

    source = DumpSource(file, tuple(namespaces or (0,)), read_titles(pages) if pages else (), license_name)
    build(source, out, chunk_tokens, tokenizer, near_duplicates, questions, strict=strict, as_json=as_json)


def api_address(api: str | None, lang: str) -> str:
    """Of a wiki, else of Wikipedia in a language."""
    import re

    if api is not None:
        return api
    if not re.fullmatch(r"[a-z][a-z-]{1,20}", lang):
        raise UserError(f"--lang {lang}: the code of a Wikipedia: en, de, zh; another wiki's address goes to --api")
    return f"https://{lang}.wikipedia.org/w/api.php"


def categories_of_months(patterns: Sequence[str], first: str | None, last: str | None) -> tuple[str, ...]:
    """The categories, those with `{month}` in them once for each month."""
    from kinj.corpus.wiki.listing import Months

    if first is None:
        if last is not None:
            raise UserError(f"--to {last}: --from says where the months begin")
        return tuple(patterns)
    if patterns and not any("{month}" in one or "{mm}" in one for one in patterns):
        raise UserError(f"--from {first}: put {{month}} or {{mm}}, and {{year}}, into --category {patterns[0]!r}")
    months = Months.parse(first, last)
    return tuple(dict.fromkeys(name for pattern in patterns or (EVENTS,) for name in months.names(pattern)))


def words_of(options: Mapping[str, Any]) -> list[str]:  # Any: text, number, path, or a list of one of them
    """The options as they are typed."""
    words = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value] if value is not None else []:
            words += [f"--{name}", str(one)]
    return words


def build(
    source: Any,  # Any: a Source with `passed_over`
    out: Path,
    chunk_tokens: int,
    tokenizer: str | None,
    near_duplicates: float,
    questions: Sequence[Path] | None,
    *,
    strict: bool,
    as_json: bool,
) -> None:
    """Builds a collection of pages, and shows it with what was found and not read."""
    from kinj.corpus import load_tokenizer
    from kinj.corpus.build import BuildSettings, build_corpus

    settings = BuildSettings(
        chunk_tokens=chunk_tokens,
        tokenizer_name=tokenizer or "",
        near=near_duplicates,
        questions=tuple(questions or ()),
        is_strict=strict,
    )
    with interruptible("type the same command to go on; what was read is kept"):
        built = build_corpus(source, out, load_tokenizer(tokenizer), settings)
    for why, count in source.passed_over().items():
        typer.echo(f"passed over: {count:,}: {why}", err=True)
    show(built, as_json=as_json)
