"""BM25 on disk through tantivy; the only module that imports it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import tantivy

from kinj.retrieval.analysis import STOP_WORDS
from kinj.retrieval.ties import Hit, best_hits

_TEXT, _ROW, _ANALYSER = "text", "row", "kinj_english"


def build_bm25(folder: Path, texts: Iterable[str]) -> None:
    """Writes a tantivy index of `texts` to the existing, empty `folder`; a text's row is its place, from 0."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(_TEXT, tokenizer_name=_ANALYSER, index_option="freq")
    builder.add_integer_field(_ROW, fast=True)
    index = tantivy.Index(builder.build(), path=str(folder), reuse=False)
    index.register_tokenizer(_ANALYSER, _analyser())
    # One thread: rows then lie in one order whatever the machine, so the same chunks give the same files' content.
    writer = index.writer(heap_size=256_000_000, num_threads=1)
    for row, text in enumerate(texts):
        writer.add_document(tantivy.Document(text=text, row=row))
    writer.commit()
    writer.wait_merging_threads()


class BM25:
    """Ranks the rows of a folder that `build_bm25` wrote."""

    def __init__(self, folder: Path) -> None:
        with _lockable(folder) as place:
            index = tantivy.Index.open(str(place))
            self._schema = index.schema
            self._searcher = index.searcher()
        self._analyse = _analyser().analyze

    def __len__(self) -> int:
        return self._searcher.num_docs

    def rank(self, text: str, depth: int) -> list[Hit]:
        """The `depth` best rows, best first, ties by row; fewer where fewer hold any of the query's terms.

        The text is analysed, never parsed: `AND`, quotes and colons in a question are text. A query of stop words alone
        has no term and finds nothing.
        """
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, _TEXT, term, "freq"))
            for term in self._analyse(text)
        ]
        if not terms:
            return []
        query = tantivy.Query.boolean_query(terms)
        return best_hits(lambda limit: self._hits(query, limit), depth, len(self))

    def _hits(self, query: tantivy.Query, limit: int) -> list[Hit]:
        found = self._searcher.search(query, limit, count=False).hits
        rows = self._searcher.fast_field_values(_ROW, [address for _, address in found])
        return [Hit(int(row or 0), score) for (score, _), row in zip(found, rows, strict=True)]


@contextmanager
def _lockable(folder: Path) -> Iterator[Path]:
    """The folder, or links to its files where it must not be written: tantivy takes a lock file even to read.

    The links may go once the index is open, since its files are mapped by then.
    """
    lock = folder / ".tantivy-meta.lock"
    if os.access(folder, os.W_OK) and (not lock.exists() or os.access(lock, os.W_OK)):
        yield folder
        return
    with TemporaryDirectory(prefix="kinj-") as links:
        for file in folder.iterdir():
            if file.suffix != ".lock":
                (Path(links) / file.name).symlink_to(file.resolve())
        yield Path(links)


def _analyser() -> tantivy.TextAnalyzer:
    """The analysis that `kinj.retrieval.analysis.ANALYSIS` describes."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    filters = [
        tantivy.Filter.lowercase(),
        tantivy.Filter.custom_stopword(list(STOP_WORDS)),
        tantivy.Filter.stemmer("english"),
    ]
    for one in filters:
        builder = builder.filter(one)
    return builder.build()
