"""Arguments that several commands share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="IN...",
        help="Files and folders that `kinj corpus files` reads (.txt, .md, .html, .pdf, .docx, .rst; rows in .jsonl, "
        ".csv, .parquet), a collection that it wrote, or chunks that are cut already.",
        show_default=False,
    ),
]
IndexName = Annotated[
    str,
    typer.Argument(
        metavar="INDEX",
        help="The index: a folder, or `elasticsearch:NAME` on the cluster that ELASTICSEARCH_URL names.",
        show_default=False,
    ),
]
ChunkTokens = Annotated[int, typer.Option(min=1, help="Tokens that a chunk holds at most.")]
TokenizerName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Counts the tokens: a hub model, its folder or a tokenizer.json. By default the demo model's.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Benchmark = Annotated[
    str, typer.Argument(metavar="DIR", help="A benchmark folder, or a name that ships.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
