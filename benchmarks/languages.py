"""Do the two back ends find the same in other languages than English?

    export ELASTICSEARCH_URL=http://127.0.0.1:9200
    python benchmarks/languages.py

The texts are the translations of programs' messages that a Linux system has (`.mo` files in --catalogues), three to a
chunk; asked is the first half of every fiftieth message. Compared are the top k of BM25 by the embedded index and by
Elasticsearch: for each language alone, and for all in one index. Ends with an error where they overlap in fewer places
than --limit. What was made on the cluster is removed.
"""

from __future__ import annotations

import argparse
import gettext
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster import removed_after
from elastic_parity import found, overlap
from rich.console import Console
from rich.table import Table

from kinj.records import Chunk, Query
from kinj.retrieval import build_elastic_index, build_index
from kinj.retrieval.index import batches

NAME = "kinj-benchmark-languages"
LANGUAGES = [
    "ar",
    "da",
    "de",
    "el",
    "es",
    "fi",
    "fr",
    "hi",
    "hu",
    "it",
    "ja",
    "ko",
    "nl",
    "ro",
    "ru",
    "sv",
    "th",
    "tr",
    "zh_CN",
]
LEAST_LETTERS = 30


def messages(catalogues: Path, language: str) -> list[str]:
    """The distinct translations of at least `LEAST_LETTERS` characters, in the order of files."""
    texts: dict[str, None] = {}
    for file in sorted((catalogues / language / "LC_MESSAGES").glob("*.mo")):
        try:
            with file.open("rb") as source:
                catalogue = gettext.GNUTranslations(source)
        except (OSError, UnicodeDecodeError, ValueError):
            print(f"{file}: not read")
            continue
        values = catalogue._catalog.values()  # type: ignore[attr-defined]  # gettext offers no other way to all of them
        stripped = (text.strip() for text in values if isinstance(text, str))
        texts |= dict.fromkeys(text for text in stripped if len(text) >= LEAST_LETTERS)
    return list(texts)


def compare(texts: dict[str, list[str]], name: str, k: int, table: Table) -> float:
    """Adds a row; returns the share of places that are the same."""
    chunks = [
        Chunk(f"{language}{number:06d}", f"{language}{number:06d}", text, 0, len(text), language=language[:2])
        for language, of_language in texts.items()
        for number, text in enumerate("\n".join(three) for three in batches(of_language, 3))
    ]
    queries = [Query(text[: len(text) // 2]) for of_language in texts.values() for text in of_language[::50]]
    with removed_after(NAME), tempfile.TemporaryDirectory() as folder:
        build_index(chunks, Path(folder) / "index")
        build_elastic_index(chunks, NAME, overwrite=True)
        ours = found("bm25", Path(folder) / "index", queries, k)
        result = overlap(ours, found("bm25", f"elasticsearch:{NAME}", queries, k))
    table.add_row(name, str(len(chunks)), str(len(queries)), str(result), f"{result.same:.2%}")
    return result.places


def main(arguments: Sequence[str] | None = None) -> None:
    """Compares each language and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", type=int, default=5, help="passages of each query (5)")
    parser.add_argument("--limit", type=float, default=0.98, help="share of places that must be the same (0.98)")
    parser.add_argument("--catalogues", type=Path, default=Path("/usr/share/locale"))
    options = parser.parse_args(arguments)
    table = Table("language", "chunks", "queries", f"same of the top {options.k}", "same order too")
    texts = {language: messages(options.catalogues, language) for language in LANGUAGES}
    texts = {language: of_language for language, of_language in texts.items() if len(of_language) > 100}
    shares = {language: compare({language: texts[language]}, language, options.k, table) for language in texts}
    shares["all"] = compare(texts, "all", options.k, table)
    Console(width=100).print(table)
    if wrong := [language for language, share in shares.items() if share < options.limit]:
        sys.exit(f"below {options.limit:.0%}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
