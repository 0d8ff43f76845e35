"""`kinj chunk`: documents into chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.interruption import interruptible
from kinj.cli.options import ChunkTokens, Inputs, Overwrite, TokenizerName
from kinj.corpus.cutting import CHUNK_TOKENS
from kinj.errors import UserError
from kinj.records import Chunk

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

    Training and the index read the same file, so both see the same cuts.

    Example: `kinj chunk my_texts/ chunks.jsonl --chunk-tokens 200`
    """
    from kinj.jsonl import write_records

    if out.exists() and not overwrite:
        raise UserError(f"{out} exists: add --overwrite, or choose another file")
    with interruptible("nothing was written"):
        chunks = read_and_cut(inputs, chunk_tokens, tokenizer)
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(out.name + ".part")
        try:
            write_records(part, chunks)
            part.rename(out)
        finally:
            part.unlink(missing_ok=True)
    typer.echo(f"wrote {out}: {_count(len(chunks), 'chunk')}")


def read_and_cut(inputs: Sequence[Path], tokens: int, tokenizer: str | None) -> list[Chunk]:
    """The chunks of the inputs, documents cut; says what each input was taken for."""
    from kinj.corpus import Cutter, load_tokenizer, read_collection

    collection = read_collection(inputs)
    for path, kind in collection.kinds:
        typer.echo(f"{path}: {kind}", err=True)
    chunks = list(collection.chunks)
    if collection.documents:
        cutter = Cutter(tokens, load_tokenizer(tokenizer))
        cuts = [chunk for document in collection.documents for chunk in cutter.cut(document)]
        made = f"{_count(len(collection.documents), 'document')} into {_count(len(cuts), 'chunk')}"
        typer.echo(f"cut {made} of at most {tokens} tokens", err=True)
        chunks += cuts
    twice = [chunk_id for chunk_id, times in Counter(chunk.id for chunk in chunks).items() if times > 1]
    if twice:
        raise UserError(f"the chunk id {twice[0]!r} comes from two of the inputs")
    return chunks


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
