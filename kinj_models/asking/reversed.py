"""A model asked its questions in reversed order and other batches: what its answers move by is noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lm_eval.api.instance import Instance

from kinj_models.rag import RagLM
from kinj_models.response_cache import Answer

#: where lm-eval's models that compute here keep it
_BATCH_SIZE = "batch_size_per_gpu"


class ReversedQuestions(RagLM):
    """`kinj_rag` that sends the last question first, in batches twice as large; prompts and options stay."""

    def _answer(self, attr: str, requests: list[Instance]) -> list[Answer]:
        order = last_question_first(requests)
        with self._twice_the_batch():
            answers = super()._answer(attr, [requests[i] for i in order])
        placed = dict(zip(order, answers, strict=True))
        return [placed[i] for i in range(len(requests))]

    @contextmanager
    def _twice_the_batch(self) -> Iterator[None]:
        """The base belongs to other cells too: it has its own batch size back at the end."""
        size = getattr(self.base, _BATCH_SIZE, None)
        if not isinstance(size, int):
            yield
            return
        setattr(self.base, _BATCH_SIZE, 2 * size)
        try:
            yield
        finally:
            setattr(self.base, _BATCH_SIZE, size)


def last_question_first(requests: list[Instance]) -> list[int]:
    """The places of the requests, questions from the last to the first, the requests of each in their order."""
    questions: dict[tuple[str, int | None], list[int]] = {}
    for place, request in enumerate(requests):
        questions.setdefault((str(request.task_name), request.doc_id), []).append(place)
    return [place for places in reversed(questions.values()) for place in places]
