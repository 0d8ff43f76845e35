"""What an embedder wants in front of queries and passages."""

from __future__ import annotations

import json
import re
from pathlib import Path

_BGE = "Represent this sentence for searching relevant passages: "

#: For models whose files do not say it: pattern of the name, what the card puts before a query, and before a passage.
#: Cards: BAAI/bge-large-en-v1.5 ("Using Sentence-Transformers"), intfloat/e5-large-v2 and multilingual-e5-large
#: ("Usage"; the `-instruct` ones want a task description of the user's, and are not in the table).
PREFIXES: tuple[tuple[str, str, str], ...] = (
    (r"bge-(small|base|large)-en(-v1\.5)?", _BGE, ""),
    (r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", "query: ", "passage: "),
)


def prefixes_of(name: str, folder: Path) -> tuple[str, str]:
    """The prefixes of queries and of passages: from the model's own files, else from `PREFIXES` by name, else none."""
    path = folder / "config_sentence_transformers.json"
    prompts = json.loads(path.read_text(encoding="utf-8")).get("prompts") or {} if path.is_file() else {}
    query = prompts.get("query") or ""
    passage = next((prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)), "")
    if query or passage:
        return query, passage
    last = name.rstrip("/").rpartition("/")[2].lower()
    for pattern, for_queries, for_passages in PREFIXES:
        if re.fullmatch(pattern, last):
            return for_queries, for_passages
    return "", ""
