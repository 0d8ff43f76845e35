"""What was written, kept or refused: rows of the review file, and what people decided about them."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kinj.benchmark.reviewing import DECISIONS, REVIEW, Decision, Item, read_decisions
from kinj.benchmark.reviewing.deciding import STRUCK, is_about
from kinj.benchmark.reviewing.items import KEPT, RECORDS, REFUSED
from kinj.errors import UserError
from kinj.jsonl import read_records, to_object, to_record
from kinj.records import Pair, Paraphrase, Question

log = logging.getLogger(__name__)

Row = Question | Paraphrase | Pair

#: The ids of rows that were written here; all others are somebody else's and stay.
_OWN_ID = re.compile(r"\.w\d+\.(?:\d+(?P<indirect>\.i\d*)?|(?P<two>two)|(?P<letter>[phafr])\d+)$")
#: The sort of a paraphrase that is never trained on.
HELD_OUT = "held-out"
_LETTERS = {"p": "paraphrases", "h": HELD_OUT, "a": "pairs", "f": "facts", "r": "relations"}
#: By which task a row of a sort was asked for (`kinj.writing.journal.Key`).
TASKS = {
    "direct": "questions",
    "indirect": "indirect",
    "two": "two",
    "paraphrases": "paraphrase",
    HELD_OUT: "paraphrase",
    "pairs": "pairs",
    "facts": "facts",
    "relations": "relation",
}


def sort_of(row_id: str) -> str:
    """Which form of questions or kind of texts a row written here is of, by its id; empty for somebody else's row."""
    match = _OWN_ID.search(row_id)
    if match is None:
        return ""
    if match["letter"]:
        return _LETTERS[match["letter"]]
    return "two" if match["two"] else "indirect" if match["indirect"] else "direct"


def what_of(row_id: str) -> str:
    """Whether a row written here is a question, paraphrase or pair, by its id; empty for somebody else's row."""
    sort = sort_of(row_id)
    return "pair" if sort == "pairs" else "paraphrase" if sort in _LETTERS.values() else "question" if sort else ""


def about(row_id: str) -> str:
    """The chunk that a row written here was asked about, as its id names it; of two, both with a plus between."""
    return _OWN_ID.sub("", row_id)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that was written, or a try that gave none."""

    id: str
    #: question, paraphrase or pair: the kind of its row
    what: str
    chunk_ids: tuple[str, ...]
    #: None where there is nothing that could stand in a file
    row: Row | None
    #: `rule: why`; empty where it is kept
    reasons: tuple[str, ...] = ()
    #: what was quoted, also where it stands in no chunk
    evidence: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons and self.row is not None

    @property
    def item(self) -> Item:
        """As the review file lists it."""
        return Item(
            id=self.id,
            what=self.what,
            chunk_ids=self.chunk_ids,
            row=to_object(self.row) if self.row else {},
            state=KEPT if self.is_kept else REFUSED,
            reasons=self.reasons,
            evidence=self.evidence,
        )

    def refused(self, *reasons: str) -> Candidate:
        """The same, refused for these reasons too."""
        return replace(self, reasons=(*self.reasons, *reasons))


def rules_of(candidates: Iterable[Candidate]) -> Counter[str]:
    """How many each rule refused; a row that several refused counts with its first."""
    return Counter(c.reasons[0].partition(":")[0] for c in candidates if c.reasons)


def review_items(folder: Path, candidates: Sequence[Candidate], is_ours: Callable[[str], bool]) -> list[Item]:
    """What the review file is to hold: the candidates, and what other commands have written.

    Args:
        folder: of the file as it was.
        candidates: all that one command has written.
        is_ours: of the sort of an older item's id: the command writes such rows, and the item goes.
    """
    path = folder / REVIEW
    items = [item for item in read_records(path, Item) if not is_ours(sort_of(item.id))] if path.is_file() else []
    items += [candidate.item for candidate in candidates]
    return sorted(items, key=lambda item: (item.what, item.id))


def kept_before(folder: Path) -> Counter[tuple[str, str]]:
    """How many rows of a sort the last runs kept about a chunk, or about two: both with a space between."""
    path = folder / REVIEW
    items = read_records(path, Item) if path.is_file() else ()
    return Counter((sort_of(item.id), " ".join(item.chunk_ids)) for item in items if item.state == KEPT)


def without_struck(folder: Path, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, refused where a person has struck them: others are to take their places.

    Raises:
        UserError: see `decided`.
    """
    is_struck = struck_in(folder)
    return [c.refused(STRUCK) if c.is_kept and is_struck(c) else c for c in candidates]


def struck_in(folder: Path) -> Callable[[Candidate], bool]:
    """Says of a candidate whether a person has struck it.

    Raises:
        UserError: see `decided`.
    """
    struck = {name: one for name, one in _decisions(folder).items() if one.decision == "strike"}
    return lambda candidate: candidate.id in struck and is_about(candidate.item, struck[candidate.id])


def nobody_struck(_: Candidate) -> bool:
    """No candidate was struck."""
    return False


def _decisions(folder: Path) -> dict[str, Decision]:
    path = folder / DECISIONS
    return {decision.id: decision for decision in read_decisions(path)} if path.is_file() else {}


def decided(
    folder: Path, candidates: Sequence[Candidate], chunk_ids: Collection[str]
) -> tuple[list[Candidate], Counter[str]]:
    """The candidates as the folder's decisions leave them, and how many were accepted, struck and edited.

    What was decided about another row of that id, of a chunk as it was before, is left out and said.

    Args:
        folder: whose decisions are applied.
        candidates: all that one command has written.
        chunk_ids: that an edited row may be about.

    Raises:
        UserError: a decision is none of accept, strike and edit, or an edited row is no row, or about no such chunk.
    """
    path = folder / DECISIONS
    decisions = _decisions(folder)
    counts: Counter[str] = Counter()
    found: list[Candidate] = []
    others: list[str] = []
    for candidate in candidates:
        decision = decisions.get(candidate.id)
        if decision is not None and not is_about(candidate.item, decision):
            others.append(candidate.id)
        elif decision is not None:
            candidate = _after(path, decision, candidate)
            if decision.decision == "edit":
                _refuse_unknown_chunks(path, candidate, chunk_ids)
            counts[{"accept": "accepted", "strike": "struck", "edit": "edited"}[decision.decision]] += 1
        found.append(candidate)
    if others:
        log.warning(
            "%s: %d decisions are about other rows of those ids than were written now, and are left out: %s; decide "
            "on a page written anew (kinj benchmark review)",
            path,
            len(others),
            ", ".join(others),
        )
    return found, counts


def _refuse_unknown_chunks(path: Path, candidate: Candidate, chunk_ids: Collection[str]) -> None:
    row = candidate.row
    said = row.chunk_ids if isinstance(row, Question) else (row.chunk_id,) if row else ()
    if not said or not set(said) <= set(chunk_ids):
        named = ", ".join(sorted({*said} - {*chunk_ids})) or "none"
        raise UserError(
            f"{path}: {candidate.id}: an edited row is about chunks that questions are asked about, not {named}; it "
            f"was about {', '.join(candidate.chunk_ids)}"
        )


def _after(path: Path, decision: Decision, candidate: Candidate) -> Candidate:
    if decision.decision == "strike":
        return candidate if STRUCK in candidate.reasons else candidate.refused(STRUCK)
    if decision.decision == "accept":
        return replace(candidate, reasons=())
    if not decision.row:
        raise UserError(f"{path}: {candidate.id}: an edit needs the whole row, as `row`")
    place = f"{path}: {candidate.id}"
    row: Row = to_record(place, {**decision.row, "id": candidate.id}, RECORDS[candidate.what])
    return replace(candidate, row=row, reasons=())
