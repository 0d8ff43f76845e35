"""What an embedder wants in front of queries and passages."""

from __future__ import annotations

import json
import re
from pathlib import Path

_BGE = "Represent this sentence for searching relevant passages: "

#: For models whose files do not say it: pattern of the name, what the card puts before a query, and before a passage.
#: Cards: BAAI/bge-large-en-v1.5 ("Using Sentence-Transformers"), intfloat/e5-large-v2 and multilingual-e5-large
#: ("Usage"; the `-instruct` ones want a task description of the user's, and are in `PROMPTED`).
PREFIXES: tuple[tuple[str, str, str], ...] = (
    (r"bge-(small|base|large)-en(-v1\.5)?", _BGE, ""),
    (r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", "query: ", "passage: "),
)

#: Names of models whose cards put a prompt before queries (some before passages too) that is not set here: a task
#: description of the user's, or a text that an index built without it must not suddenly lack. Most say it in their
#: files today; copies and older revisions do not.
PROMPTED = re.compile(
    r".*e5-.*instruct|nomic-embed-text-.*|gte-qwen.*instruct|qwen3-embedding-.*|instructor-.*|sfr-embedding-.*"
    r"|mxbai-embed-.*|snowflake-arctic-embed-.*|uae-large-.*|bge-(small|base|large)-zh(-v1\.5)?|embeddinggemma-.*"
)


def wants_prompt(name: str) -> bool:
    """Whether models of that name are known to want a prompt that `prefixes_of` gives only out of their files."""
    return PROMPTED.fullmatch(_last(name)) is not None


def prefixes_of(name: str, folder: Path) -> tuple[str, str]:
    """The prefixes of queries and of passages: from the model's own files, else from `PREFIXES` by name, else none."""
    path = folder / "config_sentence_transformers.json"
    prompts = json.loads(path.read_text(encoding="utf-8")).get("prompts") or {} if path.is_file() else {}
    query = prompts.get("query") or ""
    passage = next((prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)), "")
    if query or passage:
        return query, passage
    last = _last(name)
    for pattern, for_queries, for_passages in PREFIXES:
        if re.fullmatch(pattern, last):
            return for_queries, for_passages
    return "", ""


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].lower()
