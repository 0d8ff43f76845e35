"""Rules against saying the same twice, or saying what a source says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import Run, plain, runs
from kinj.records import Chunk, Paraphrase, Question

#: texts to vectors of length 1, one row a text
Embed = Callable[[Sequence[str]], NDArray[Any]]  # Any: whichever float type the model gives
#: questions that are compared with all others at a time
_BLOCK = 1000


def repeated_questions(questions: Iterable[Question]) -> Iterator[Fault]:
    """A question is asked twice, but for case and punctuation."""
    seen: dict[str, str] = {}
    for question in questions:
        first = seen.setdefault(plain(question.question), question.id)
        if first != question.id:
            yield Fault(question.id, f"asks the same as {first}")


def similar_questions(
    questions: Sequence[Question], embed: Embed, same_answer: float = 0.77, any_answer: float = 0.97
) -> Iterator[Fault]:
    """Two questions mean the same, by the cosine of their embeddings.

    One event's questions are alike by nature ("How many points did A score", "… did B score"); with one answer as well
    they are suspect sooner. The limits are for all-MiniLM-L6-v2, read off 1,350 questions written for current events:
    of those with one answer all nine pairs above 0.77 asked the same thing, of the others none did up to 0.96.
    """
    vectors = embed([question.question for question in questions])
    # Block by block: the cosines of 20,000 questions with each other are more than a gigabyte.
    for start in range(0, len(questions), _BLOCK):
        cosines = np.triu(vectors[start : start + _BLOCK] @ vectors.T, k=start + 1)
        for i, j in np.argwhere(cosines > min(same_answer, any_answer)):
            earlier, later = questions[start + i], questions[j]
            same = plain(earlier.right_answer) == plain(later.right_answer)
            if cosines[i, j] > (same_answer if same else any_answer):
                yield Fault(later.id, f"asks nearly the same as {earlier.id} (cosine {cosines[i, j]:.2f})")


def shared_runs(rows: Sequence[Chunk | Paraphrase], texts: Iterable[str], length: int = 9) -> Iterator[Fault]:
    """A run of `length` words stands in one of the source texts."""
    sources: set[Run] = set()
    for text in texts:
        sources |= runs(text, length)
    for row in rows:
        if shared := sorted(runs(row.text, length) & sources):
            yield Fault(row.id, f"{length} words in a row from a source: {' '.join(shared[0])!r}")
