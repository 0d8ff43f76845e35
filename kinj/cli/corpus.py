"""`kinj corpus`: anybody's documents into a collection folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.interruption import interruptible
from kinj.cli.options import ChunkTokens, Json, TokenizerName
from kinj.corpus.build import Built
from kinj.corpus.cutting import CHUNK_TOKENS

#: Files that could not be read, shown one by one.
_SHOWN = 20

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="IN...",
        help="Files and folders: .txt, .md, .html, .pdf, .docx, .rst, and rows in .jsonl, .csv, .tsv, .parquet.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The collection folder to write.", show_default=False)]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="What files are in that are not UTF-8: cp1252, latin-1, utf-16 …")
]
IdField = Annotated[
    str | None, typer.Option(metavar="KEY", help="Of rows: the key of the id. By default id, _id, docid.")
]
TextField = Annotated[
    str | None, typer.Option(metavar="KEY", help="Of rows: the key of the text. By default text, contents, content.")
]
TitleField = Annotated[str | None, typer.Option(metavar="KEY", help="Of rows: the key of the title.")]
NearDuplicates = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="Leave out a document that shares this much of its runs of five words with an earlier one; 1: only one of "
        "the same words.",
    ),
]
Questions = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PATH",
        help="Report which questions of this benchmark (a folder, a file of rows, or `current_events`) stand in the "
        "texts; may be given several times.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj corpus`."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Make a collection folder of documents: clean text, chunks, and what was left out.",
        rich_markup_mode="markdown",
    )
    group.command("files")(files)
    app.add_typer(group, name="corpus")


def files(
    inputs: Files,
    out: Out,
    *,
    encoding: Encoding = None,
    id_field: IdField = None,
    text_field: TextField = None,
    title_field: TitleField = None,
    chunk_tokens: ChunkTokens = CHUNK_TOKENS,
    tokenizer: TokenizerName = None,
    near_duplicates: NearDuplicates = 0.8,
    questions: Questions = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Read files and folders into a collection. Typed again later, it does only what changed.

    What cannot be read is listed at the end with its reason. Interrupted, the same command goes on where it stopped.

    Example: `kinj corpus files my_texts/ papers/*.pdf my_collection`

    Then: `kinj index build my_collection my_index`
    """
    from kinj.corpus import load_tokenizer
    from kinj.corpus.build import BuildSettings, build_corpus
    from kinj.corpus.sources import Fields, FileSource

    source = FileSource(tuple(inputs), encoding, Fields(id_field, text_field, title_field))
    source.refuse_inside(out)
    settings = BuildSettings(
        chunk_tokens=chunk_tokens,
        tokenizer_name=tokenizer or "",
        near=near_duplicates,
        questions=tuple(questions or ()),
        is_strict=strict,
    )
    with interruptible("type the same command to go on; what was read is kept"):
        built = build_corpus(source, out, load_tokenizer(tokenizer), settings)
    passed_over = source.passed_over()
    if passed_over and not as_json:
        listed = ", ".join(f"{count} {suffix}" for suffix, count in list(passed_over.items())[:8])
        typer.echo(f"passed over, since no reader is for them: {listed}", err=True)
    show(built, as_json=as_json)


def show(built: Built, *, as_json: bool) -> None:
    """Prints what a collection holds, what was left out, and what to type next."""
    manifest = built.manifest
    if as_json:
        values = {"folder": str(built.folder), "changes": built.changes, **manifest}
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    counts = manifest["counts"]
    rows = [
        ("since the last time", ", ".join(f"{number} {name}" for name, number in built.changes.items())),
        ("documents", f"{counts['documents']:,}, {counts['words']:,} words, {counts['tokens']:,} tokens"),
        ("chunks", f"{counts['chunks']:,} of at most {manifest['chunk_tokens']} tokens"),
        ("languages", _listed(manifest["languages"])),
        ("licences", _listed(manifest["licenses"])),
        ("duplicates left out", _listed(manifest["duplicates"], built.folder / "duplicates.jsonl")),
        ("not read", _listed({"": manifest["unread"]}, built.folder / "unread.jsonl")),
        ("to look at", _listed({"": manifest["doubtful"]}, built.folder / "doubtful.jsonl")),
        ("taken out of texts", _listed(manifest["removed"])),
        ("benchmark questions", _questions(manifest["questions"], built.folder)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name:<{width}}  {value}")
    for place, reason in _first_unread(built):
        typer.echo(f"not read: {place}: {reason}", err=True)
    if manifest["unread"] > _SHOWN:
        typer.echo(f"not read: {manifest['unread'] - _SHOWN:,} more, all in {built.folder / 'unread.jsonl'}", err=True)
    typer.echo(f"next: kinj index build {built.folder} my_index", err=True)


def _listed(counts: dict[str, int], file: Path | None = None) -> str:
    """The counts that are not 0, and the file that lists them."""
    words = ", ".join(f"{count:,} {name}".strip() for name, count in list(counts.items())[:12] if count)
    more = f" and {len(counts) - 12} more" if len(counts) > 12 else ""
    return f"{words}{more}{f': {file}' if file else ''}" if words else "none"


def _questions(counts: dict[str, int], folder: Path) -> str:
    if not counts["looked_for"]:
        return "not looked for: --questions PATH"
    listed = f": {folder / 'questions_found.jsonl'}" if counts["found"] else ""
    return f"{counts['found']:,} of {counts['looked_for']:,} stand in the texts{listed}"


def _first_unread(built: Built) -> list[tuple[str, str]]:
    """The first ones that could not be read."""
    from itertools import islice

    from kinj.jsonl import read_objects

    rows = islice(read_objects(built.folder / "unread.jsonl"), _SHOWN)
    return [(value["place"], value["reason"]) for _, value in rows]
