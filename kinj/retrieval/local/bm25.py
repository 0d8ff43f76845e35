"""BM25 on disk through tantivy; the only module that imports it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tantivy

from kinj.errors import UserError
from kinj.records import Chunk
from kinj.retrieval.analysis import STOP_WORDS, Analysis, composed
from kinj.retrieval.filters import Filter, day_of, number_of
from kinj.retrieval.languages import Languages
from kinj.retrieval.local.ties import Hit, best_hits

_TEXT, _ROW, _DAY = "text", "row", "day"
#: The analysis of English alone, and tantivy's own of terms that are made already.
_ANALYSER, _TERMS = "kinj_english", "whitespace"
#: How long tantivy's thread may take for one look at an index, on a busy machine.
_SECONDS_TO_LOOK = 10.0
#: Kept as they are, for filters.
_WHOLE = ("subject", "source", "document_id", "title")


def build_bm25(folder: Path, chunks: Iterable[Chunk], languages: Languages) -> None:
    """Writes a tantivy index of the chunks to the existing, empty `folder`; a chunk's row is its place, from 0."""
    analysis = languages.analysis
    builder = tantivy.SchemaBuilder()
    tokenizer = _ANALYSER if analysis.is_plain else _TERMS
    builder.add_text_field(_TEXT, tokenizer_name=tokenizer, index_option="freq")
    builder.add_integer_field(_ROW, fast=True)
    builder.add_integer_field(_DAY, fast=True)
    for field in _WHOLE:
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    index = tantivy.Index(builder.build(), path=str(folder), reuse=False)
    index.register_tokenizer(_ANALYSER, _analyser())
    # One thread: rows then lie in one order whatever the machine, so the same chunks give the same files' content.
    writer = index.writer(heap_size=256_000_000, num_threads=1)
    for row, (chunk, language) in enumerate(zip(chunks, languages, strict=True)):
        values: dict[str, str | int] = {field: value for field in _WHOLE if (value := getattr(chunk, field))}
        if (day := day_of(chunk.date)) is not None:
            values[_DAY] = day
        text = chunk.searched_text
        text = text if analysis.is_plain else analysis.of_chunk(text, language)
        writer.add_document(tantivy.Document(text=text, row=row, **values))
    writer.commit()
    writer.wait_merging_threads()


class BM25:
    """Ranks the rows of a folder that `build_bm25` wrote."""

    def __init__(self, folder: Path, analysis: Analysis) -> None:
        with _lockable(folder) as place:
            index = tantivy.Index.open(str(place))
            # We look at the index as it is now; a reader that reloads would go on taking locks in the folder.
            index.config_reader("Manual")
            self._schema = index.schema
            self._searcher = index.searcher()
        english = _analyser()
        self._analyse = (lambda text: english.analyze(composed(text))) if analysis.is_plain else analysis.of_query
        self._allowed: list[tuple[tantivy.Occur, tantivy.Query]] = []

    def __len__(self) -> int:
        return self._searcher.num_docs

    def use_filter(self, wanted: Filter) -> list[int]:
        """The rows that the filter lets through, in their order; from now on only they are ranked.

        Scores stay what they are without it: it takes no part in them, nor in how rare a term is.
        """
        self._allowed = [(tantivy.Occur.Must, self._any(field, values)) for field, values in wanted.values]
        if wanted.days:
            ranges = [
                tantivy.Query.range_query(
                    self._schema, _DAY, tantivy.FieldType.Integer, number_of(days.first), number_of(days.last)
                )
                for days in wanted.days
            ]
            self._allowed.append((tantivy.Occur.Must, _without_score(ranges)))
        hits = self._searcher.search(tantivy.Query.boolean_query(self._allowed), len(self), count=False).hits
        return sorted(int(row or 0) for row in self._rows(hits))

    def _any(self, field: str, values: Sequence[str]) -> tantivy.Query:
        return _without_score([tantivy.Query.term_query(self._schema, field, value, "basic") for value in values])

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
        if self._allowed:
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), *self._allowed])
        return best_hits(lambda limit: self._hits(query, limit), depth, len(self))

    def _hits(self, query: tantivy.Query, limit: int) -> list[Hit]:
        hits = self._searcher.search(query, limit, count=False).hits
        return [Hit(int(row or 0), score) for (score, _), row in zip(hits, self._rows(hits), strict=True)]

    def _rows(self, hits: Sequence[tuple[float, tantivy.DocAddress]]) -> Sequence[float | None]:
        return self._searcher.fast_field_values(_ROW, [address for _, address in hits])


def _without_score(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    """Finds what any of the queries finds, and adds nothing to a score."""
    either = tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
    return tantivy.Query.const_score_query(either, 0.0)


@contextmanager
def _lockable(folder: Path) -> Iterator[Path]:
    """The folder, or links to its files where it must not be written: tantivy takes a lock file even to read.

    The links may go once the index is open, since its files are mapped by then.

    Raises:
        UserError: no folder can be written.
    """
    lock = folder / ".tantivy-meta.lock"
    if os.access(folder, os.W_OK) and (not lock.exists() or os.access(lock, os.W_OK)):
        yield folder
        return
    try:
        links = Path(tempfile.mkdtemp(prefix="kinj-"))
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written, nor is there a folder for temporary files ({error.strerror}), and reading it "
            "takes a lock file in one of them: set TMPDIR to a folder that can be written"
        ) from error
    try:
        for file in folder.iterdir():
            if file.suffix != ".lock":
                (links / file.name).symlink_to(file.resolve())
        yield links
    finally:
        _remove(links)


def _remove(folder: Path) -> None:
    """Removes a folder in which tantivy may be taking its lock at this moment.

    Opening an index starts a thread that looks at it for its first reader; a look begun before we replaced that reader
    may still be under way.
    """
    until = time.monotonic() + _SECONDS_TO_LOOK
    while True:
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _analyser() -> tantivy.TextAnalyzer:
    """The analysis of English alone, which `kinj.retrieval.analysis.ANALYSIS` describes."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    filters = [
        tantivy.Filter.lowercase(),
        tantivy.Filter.custom_stopword(list(STOP_WORDS)),
        tantivy.Filter.stemmer("english"),
    ]
    for token_filter in filters:
        builder = builder.filter(token_filter)
    return builder.build()
