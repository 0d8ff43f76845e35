"""What a person decides on: questions, paraphrases and pairs that were kept or refused, each with its chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinj.benchmark.collection import open_benchmark
from kinj.errors import UserError
from kinj.jsonl import read_records, to_object, to_record
from kinj.records import Json, Pair, Paraphrase, Question

#: The file of a folder that lists what was written, refused rows too.
REVIEW = "review.jsonl"
#: The file of a folder that keeps what people decided: what writes into the folder later holds to it.
DECISIONS = "decisions.jsonl"
KEPT, REFUSED = "kept", "refused"
RECORDS: dict[str, type[Question] | type[Paraphrase] | type[Pair]] = {
    "question": Question,
    "paraphrase": Paraphrase,
    "pair": Pair,
}


@dataclass(frozen=True, slots=True)
class Item:
    """Something written about chunks, as it was kept or refused."""

    id: str
    #: question, paraphrase or pair
    what: str
    chunk_ids: tuple[str, ...]
    #: as it would stand in its file; empty where nothing was written that could
    row: Json
    #: kept or refused
    state: str = KEPT
    #: why it was refused
    reasons: tuple[str, ...] = ()
    #: exact slices of the chunks that answer it
    evidence: tuple[str, ...] = field(default=())

    @property
    def record(self) -> Question | Paraphrase | Pair:
        """The row as a record.

        Raises:
            UserError: the row is none; the message begins with the id.
        """
        if not self.row:
            raise UserError(f"{self.what} {self.id}: nothing was written that could be accepted or edited: strike it")
        return to_record(f"{self.what} {self.id}", self.row, RECORDS[self.what])


def read_items(folder: Path) -> list[Item]:
    """What `review.jsonl` lists, in its order; of a folder without one, its questions as kept.

    Raises:
        UserError: a faulty file, or an id that comes twice.
    """
    if not (folder / REVIEW).is_file():
        return [_of_question(question) for question in open_benchmark(folder).questions]
    items = list(read_records(folder / REVIEW, Item))
    _refuse_faulty(folder / REVIEW, items)
    return items


def _of_question(question: Question) -> Item:
    row = to_object(question)
    return Item(question.id, "question", question.chunk_ids, row, evidence=question.evidence)


def _refuse_faulty(path: Path, items: Sequence[Item]) -> None:
    seen: set[tuple[str, str]] = set()
    for item in items:
        at = f"{path}: {item.id}"
        if item.what not in RECORDS:
            raise UserError(f"{at}: what {item.what!r}, expected {', '.join(RECORDS)}")
        if item.state not in (KEPT, REFUSED):
            raise UserError(f"{at}: state {item.state!r}, expected {KEPT} or {REFUSED}")
        if (item.what, item.id) in seen:
            raise UserError(f"{at}: the id comes twice")
        seen.add((item.what, item.id))
