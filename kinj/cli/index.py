"""`kinj index build` and `kinj index info`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kinj.cli.chunk import read_and_cut
from kinj.cli.interruption import interruptible
from kinj.cli.options import ChunkTokens, IndexFolder, Inputs, Json, Overwrite, TokenizerName
from kinj.corpus.cutting import CHUNK_TOKENS

EmbedderName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Also index for dense and hybrid retrieval, by this sentence-transformers model (name or folder), for "
        "example sentence-transformers/all-MiniLM-L6-v2 or BAAI/bge-large-en-v1.5.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj index`."""
    group = typer.Typer(
        no_args_is_help=True, help="Build an index of your texts, or look at one.", rich_markup_mode="markdown"
    )
    group.command("build")(build)
    group.command("info")(info)
    app.add_typer(group, name="index")


def build(
    inputs: Inputs,
    folder: IndexFolder,
    *,
    embedder: EmbedderName = None,
    chunk_tokens: ChunkTokens = CHUNK_TOKENS,
    tokenizer: TokenizerName = None,
    overwrite: Overwrite = False,
) -> None:
    """Build an index of documents or chunks in DIR.

    Documents are cut first. Interrupted, the same command goes on where it stopped; once complete, it finds all there.

    Example: `kinj index build my_texts/ my_index --embedder sentence-transformers/all-MiniLM-L6-v2`

    Then: `lm_eval --model kinj_rag --model_args retriever=hybrid,index=my_index --tasks arc_easy`
    """
    from kinj.retrieval import build_index

    with interruptible("type the same command to go on; what was embedded is kept"):
        chunks = read_and_cut(inputs, chunk_tokens, tokenizer)
        made_from = _made_from(inputs, chunk_tokens, tokenizer)
        index = build_index(chunks, folder, embedder, overwrite=overwrite, made_from=made_from)
    typer.echo(f"{folder}: {len(index)} chunks, {_kinds(index.manifest)}")
    typer.echo(f'try it: kinj search {shlex.quote(str(folder))} "some words"', err=True)


def info(folder: IndexFolder, *, as_json: Json = False) -> None:
    """Say what an index holds, after checking that it is whole.

    Example: `kinj index info my_index`
    """
    from kinj.retrieval import open_index

    index = open_index(folder)
    if as_json:
        typer.echo(json.dumps({**index.manifest, "fingerprint": index.content}, indent=2, ensure_ascii=False))
        return
    manifest = index.manifest
    rows = [
        ("folder", str(folder)),
        ("holds", _kinds(manifest)),
        ("chunks", f"{manifest['chunks']['count']} of {manifest['chunks']['documents']} documents"),
        ("chunks' SHA-256", index.content),
        *_embedder_rows(manifest["embedder"]),
        ("made from", " ".join(manifest["made_from"]) or "not recorded"),
        ("format", str(manifest["format"])),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name:<{width}}  {value}")


def _made_from(inputs: Sequence[Path], chunk_tokens: int, tokenizer: str | None) -> list[str]:
    """The words of the command that make the same chunks again."""
    words = [str(path) for path in inputs]
    if chunk_tokens != CHUNK_TOKENS:
        words += ["--chunk-tokens", str(chunk_tokens)]
    if tokenizer is not None:
        words += ["--tokenizer", tokenizer]
    return words


def _kinds(manifest: dict[str, Any]) -> str:  # Any: JSON values
    embedder = manifest["embedder"]
    return "BM25" if embedder is None else f"BM25 and vectors of {embedder['name']}"


def _embedder_rows(embedder: dict[str, Any] | None) -> list[tuple[str, str]]:  # Any: JSON values
    if embedder is None:
        return []
    cut = (
        f"{embedder['passages_cut']} longer than its window of {embedder['window']} tokens: only their beginning counts"
    )
    return [
        ("embedder", f"{embedder['name']} ({embedder['source']}), {embedder['dimensions']} dimensions"),
        ("embedder's SHA-256", embedder["sha256"]),
        ("query prefix", repr(embedder["query_prefix"])),
        ("passage prefix", repr(embedder["passage_prefix"])),
        ("passages", cut),
    ]
