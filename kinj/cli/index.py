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
from kinj.cli.options import ChunkTokens, IndexName, Inputs, Json, Overwrite, TokenizerName
from kinj.corpus.cutting import CHUNK_TOKENS
from kinj.errors import UserError

EmbedderName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Also index for dense and hybrid retrieval, by this sentence-transformers model (name or folder), for "
        "example sentence-transformers/all-MiniLM-L6-v2 or BAAI/bge-large-en-v1.5.",
    ),
]
QueryPrefix = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What the embedder reads before each query, an instruction say; by default what the model's own files or "
        "its card give. It is kept with the index and used in each search.",
    ),
]
PassagePrefix = Annotated[str | None, typer.Option(metavar="TEXT", help="The same before each passage.")]
Language = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="The language of the texts, two letters (ISO 639-1): how words are stemmed, and which are stop words. By "
        "default each document's own, by its field `language` or else by its text.",
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Make these texts of the index that is there, with the embedder and the language that it was built with; "
        "what is embedded already is kept.",
    ),
]
VectorType = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE",
        help="On Elasticsearch: how vectors are kept: `flat` (every one compared, exact), or a graph, `hnsw`, "
        "`int8_hnsw`, `int4_hnsw`, `bbq_hnsw` (of 64 dimensions or more). By default flat up to 50,000 chunks, "
        "bbq_hnsw for more.",
    ),
]
M = Annotated[int | None, typer.Option("--m", help="Neighbours of a vector in the graph.")]
EfConstruction = Annotated[int | None, typer.Option(help="Neighbours looked at when a vector is put into the graph.")]
NumCandidates = Annotated[int | None, typer.Option(help="Neighbours that a search looks at in the graph.")]
Shards = Annotated[
    int | None,
    typer.Option(help="On Elasticsearch: parts that the index is spread over; 1 by default. Scores stay the same."),
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
    name: IndexName,
    *,
    embedder: EmbedderName = None,
    query_prefix: QueryPrefix = None,
    passage_prefix: PassagePrefix = None,
    chunk_tokens: ChunkTokens = CHUNK_TOKENS,
    tokenizer: TokenizerName = None,
    language: Language = None,
    overwrite: Overwrite = False,
    update: Update = False,
    vectors: VectorType = None,
    m: M = None,
    ef_construction: EfConstruction = None,
    num_candidates: NumCandidates = None,
    shards: Shards = None,
) -> None:
    """Build an index of documents or chunks in a folder, or on Elasticsearch.

    Documents are cut first. Interrupted, the same command goes on where it stopped; once complete, it finds all there.
    Texts that were added, changed or taken away later come into the index with `--update`: only they are embedded.
    On Elasticsearch the name begins to serve, or changes over from an older index, only when all is there and counted.

    Example: `kinj index build my_texts/ my_index --embedder sentence-transformers/all-MiniLM-L6-v2`, or with
    `elasticsearch:my_index` in place of the folder

    Then: `lm_eval --model kinj_rag --model_args retriever=hybrid,index=my_index --tasks arc_easy`
    """
    from kinj.retrieval import Index, build_elastic_index, build_index
    from kinj.retrieval.elastic.access import PREFIX

    options = {
        "vectors": vectors,
        "m": m,
        "ef_construction": ef_construction,
        "num_candidates": num_candidates,
        "shards": shards,
    }
    given = _given(options)
    common = _given({"query_prefix": query_prefix, "passage_prefix": passage_prefix, "language": language})
    if given and not name.startswith(PREFIX):
        raise UserError(f"{_words_of(given)[0]}: only for an index on Elasticsearch, {PREFIX}NAME")
    if update and overwrite:
        raise UserError("--update and --overwrite: set one of them; the first keeps what is embedded already")
    with interruptible("type the same command to go on; what was embedded is kept"):
        chunks = read_and_cut(inputs, chunk_tokens, tokenizer)
        made_from = _made_from(inputs, chunk_tokens, tokenizer) + _words_of(common)
        index: Index
        if name.startswith(PREFIX):
            made_from += _words_of(given)
            index = build_elastic_index(
                chunks, name, embedder, made_from=made_from, overwrite=overwrite, update=update, **common, **given
            )
        else:
            index = build_index(
                chunks, Path(name), embedder, made_from=made_from, overwrite=overwrite, update=update, **common
            )
    typer.echo(f"{name}: {len(index)} chunks, {_kinds(index.manifest)}")
    if index.manifest["chunks"].get("repeated"):
        typer.echo(f"{_repeated(index.manifest)}: equal passages can fill a question's k", err=True)
    typer.echo(f'try it: kinj search {shlex.quote(name)} "some words"', err=True)


def info(name: IndexName, *, as_json: Json = False) -> None:
    """Say what an index holds, after checking that it is whole.

    Example: `kinj index info my_index`
    """
    from kinj.retrieval import open_index

    index = open_index(name)
    if as_json:
        typer.echo(json.dumps({**index.manifest, "fingerprint": index.content}, indent=2, ensure_ascii=False))
        return
    manifest = index.manifest
    rows = [
        ("index", name),
        *_cluster_rows(index.describe().get("back_end")),
        ("holds", _kinds(manifest)),
        ("chunks", f"{manifest['chunks']['count']} of {manifest['chunks']['documents']} documents"),
        *([("equal texts", _repeated(manifest))] if manifest["chunks"].get("repeated") else []),
        *_language_rows(manifest.get("analysis", {})),
        ("chunks' SHA-256", index.content),
        *_embedder_rows(manifest["embedder"]),
        *_vector_rows(manifest.get("vectors")),
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


def _given(options: dict[str, Any]) -> dict[str, Any]:  # Any: text or number
    return {option: value for option, value in options.items() if value is not None}


def _words_of(options: dict[str, Any]) -> list[str]:  # Any: text or number
    """The options as they are typed."""
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def _cluster_rows(back_end: dict[str, Any] | None) -> list[tuple[str, str]]:  # Any: JSON values
    if back_end is None:
        return []
    return [("on the cluster", f"{back_end['index']}, UUID {back_end['uuid']}")]


def _language_rows(analysis: dict[str, Any]) -> list[tuple[str, str]]:  # Any: JSON values
    counts = analysis.get("languages")
    return [("language", ", ".join(f"{code} {count}" for code, count in counts.items()) if counts else "en")]


def _vector_rows(vectors: dict[str, Any] | None) -> list[tuple[str, str]]:  # Any: JSON values
    if vectors is None:
        return []
    return [("vectors kept as", ", ".join(f"{name} {value}" for name, value in vectors.items()))]


def _kinds(manifest: dict[str, Any]) -> str:  # Any: JSON values
    embedder = manifest["embedder"]
    return "BM25" if embedder is None else f"BM25 and vectors of {embedder['name']}"


def _repeated(manifest: dict[str, Any]) -> str:  # Any: JSON values
    return f"{manifest['chunks']['repeated']} of {manifest['chunks']['count']} chunks repeat the text of another"


def _embedder_rows(embedder: dict[str, Any] | None) -> list[tuple[str, str]]:  # Any: JSON values
    if embedder is None:
        return []
    window = embedder["window"]
    too_long = f"{embedder['passages_cut']} longer than its window of {window} tokens: only their beginning counts"
    return [
        ("embedder", f"{embedder['name']} ({embedder['source']}), {embedder['dimensions']} dimensions"),
        ("embedder's SHA-256", embedder["sha256"]),
        ("query prefix", repr(embedder["query_prefix"])),
        ("passage prefix", repr(embedder["passage_prefix"])),
        ("passages", too_long if window is not None else "read whole: it has no window"),
    ]
