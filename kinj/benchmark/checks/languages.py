"""Which language each row of a benchmark is in: rules that go by words know one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from kinj.benchmark.collection import Benchmark


def languages_of(benchmark: Benchmark, find: Callable[[str], str]) -> dict[str, str]:
    """The language of each question, paraphrase and pair by its id: its document's, else that of its own text.

    Args:
        benchmark: whole.
        find: gives the ISO 639-1 code of a text's language, or nothing where it is not clear; a row that says too
            little counts to the language of most.
    """
    said = {document.id: document.language or find(document.text) for document in benchmark.documents}
    of_chunk = {chunk.id: chunk.language or said[chunk.document_id] for chunk in benchmark.chunks}
    found = {
        question.id: of_chunk[question.chunk_ids[0]]
        if question.chunk_ids
        else find(" ".join((question.question, *question.choices)))
        for question in benchmark.questions
    }
    found |= {row.id: of_chunk[row.chunk_id] for row in benchmark.paraphrases}
    found |= {row.id: of_chunk[row.chunk_id] for row in benchmark.pairs}
    most = next((language for language, _ in Counter(filter(None, found.values())).most_common(1)), "en")
    return {row_id: language or most for row_id, language in found.items()}
