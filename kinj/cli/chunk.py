"""`kinj chunk`: documents into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinj.cli.interruption import interruptible
from kinj.cli.options import ChunkTokens, Inputs, Overwrite, TokenizerName
from kinj.corpus.cutting import CHUNK_TOKENS
from kinj.errors import UserError
from kinj.manifest import replacing
from kinj.records import Chunk, Document

if TYPE_CHECKING:
    from kinj.corpus import Cutter, InputFiles

Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="The file of chunks to write, JSON lines.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj chunk`."""
    app.command("chunk")(chunk)


def chunk(
    inputs: Inputs,
    out: Out,
    *,
    chunk_tokens: ChunkTokens = CHUNK_TOKENS,
    tokenizer: TokenizerName = None,
    overwrite: Overwrite = False,
) -> None:
    """Cut documents into chunks: exact slices of at most so many tokens, ending at sentences where that fits.

    Markdown is cut by its structure: before headings, between the rows of tables.

    Training and the index read the same file, so both see the same cuts.

    Example: `kinj chunk my_texts/ chunks.jsonl --chunk-tokens 200`
    """
    from kinj.jsonl import write_records

    if out.exists() and not overwrite:
        raise UserError(f"{out} exists: add --overwrite, or choose another file")
    with interruptible("nothing was written"):
        chunks = read_and_cut(inputs, chunk_tokens, tokenizer)
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as part:
            count = write_records(part, chunks)
    typer.echo(f"wrote {out}: {_count(count, 'chunk')}")


def read_and_cut(inputs: Sequence[Path], tokens: int, tokenizer: str | None) -> Iterator[Chunk]:
    """Yields the chunks of the inputs, documents cut; says what each input is and, at the end, what was cut."""
    from kinj.corpus import Cutter, load_tokenizer, open_inputs

    opened = open_inputs(inputs)
    for path, kind in opened.kinds:
        typer.echo(f"{path}: {kind}", err=True)
    if not opened.has_documents:
        return opened.chunks()
    return _cut(opened, Cutter(tokens, load_tokenizer(tokenizer)), tokens)


def _cut(inputs: InputFiles, cutter: Cutter, tokens: int) -> Iterator[Chunk]:
    documents = cuts = 0

    def cut(document: Document) -> list[Chunk]:
        nonlocal documents, cuts
        made = cutter.cut(document)
        documents, cuts = documents + 1, cuts + len(made)
        return made

    yield from inputs.all_chunks(cut)
    made = f"{_count(documents, 'document')} into {_count(cuts, 'chunk')}"
    typer.echo(f"cut {made} of at most {tokens} tokens", err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
