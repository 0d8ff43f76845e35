"""A person's decisions, applied to the records of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from kinj.benchmark.collection import Benchmark
from kinj.benchmark.reviewing.items import KEPT, RECORDS, REFUSED, Item
from kinj.errors import UserError, nearest
from kinj.jsonl import read_records, to_object, to_record
from kinj.manifest import sha256_json
from kinj.records import Json, Pair, Paraphrase, Question

WAYS = ("accept", "strike", "edit")
#: the reason that a struck row has from then on
STRUCK = "struck by a person"
Row = TypeVar("Row", Question, Paraphrase, Pair)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one row."""

    id: str
    #: accept, strike or edit
    decision: str
    #: as it is to stand; empty: as it was
    row: Json | None = None
    #: question, paraphrase or pair; empty: whichever has the id
    what: str = ""
    #: SHA-256 (`kinj.manifest.sha256_json`) of the row that was decided on; empty: not known
    was: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """A benchmark after the decisions."""

    benchmark: Benchmark
    #: the items as they are now
    items: tuple[Item, ...]
    #: rows of the benchmark: taken in, taken out, in other words; and those that stay as they were by decision
    added: int
    struck: int
    edited: int
    confirmed: int
    #: struck before, or refused and struck: nothing changed
    unchanged: int


def read_decisions(path: Path) -> list[Decision]:
    """The decisions of a file; of several about one row the last counts.

    Raises:
        UserError: a faulty line, or an unknown decision.
    """
    last: dict[tuple[str, str], Decision] = {}
    for decision in read_records(path, Decision):
        if decision.decision not in WAYS:
            hint = nearest(decision.decision, WAYS)
            meant = f" (do you mean {hint}?)" if hint else ""
            expected = ", ".join(WAYS)
            raise UserError(f"{path}: {decision.id}: decision {decision.decision!r}, expected {expected}{meant}")
        last[decision.what, decision.id] = decision
    return list(last.values())


def merge_decisions(earlier: Sequence[Decision], new: Sequence[Decision]) -> list[Decision]:
    """All decisions, the new ones in place of earlier ones about the same row.

    Whoever accepts a row that was edited before accepts it as it was edited. What is decided about an edited row keeps
    the `was` of the edit: it is still about the row that was written.
    """
    merged = {(decision.what, decision.id): decision for decision in earlier}
    for decision in new:
        kinds = ("", decision.what) if decision.what else ("", *RECORDS)
        what = next((kind for kind in kinds if (kind, decision.id) in merged), decision.what)
        before = merged.get((what, decision.id))
        if before is not None and before.row is not None and decision.was in ("", _edited_sha(before, decision)):
            if decision.decision == "accept":
                decision = replace(before, decision="edit")
            else:  # whoever strikes an edited row may accept it again, as it was edited
                decision = replace(decision, was=before.was, row=decision.row or before.row)
        merged[what, decision.id] = decision
    return list(merged.values())


def _edited_sha(edit: Decision, later: Decision) -> str:
    """SHA-256 of the row as the edit left it in the folder."""
    row, what = {**(edit.row or {}), "id": edit.id}, edit.what or later.what
    return sha256_json(to_object(to_record(f"{what} {edit.id}", row, RECORDS[what])) if what in RECORDS else row)


def apply_decisions(benchmark: Benchmark, items: Sequence[Item], decisions: Sequence[Decision]) -> Applied:
    """The benchmark with accepted rows in it, struck ones out and edited ones in their new words.

    Args:
        benchmark: as it is.
        items: what the decisions are about; kept ones stand in the benchmark.
        decisions: one a row at most.

    Raises:
        UserError: a decision about no item or about another row of that id, or a row that is none; the message names
            it. Nothing is applied then.
    """
    by_id = {(item.what, item.id): item for item in items}
    now = dict(by_id)
    rows: dict[str, dict[str, Question | Paraphrase | Pair]] = {
        "question": {row.id: row for row in benchmark.questions},
        "paraphrase": {row.id: row for row in benchmark.paraphrases},
        "pair": {row.id: row for row in benchmark.pairs},
    }
    counts = dict.fromkeys(("added", "struck", "edited", "confirmed", "unchanged"), 0)
    for decision in decisions:
        item = _item_of(decision, by_id)
        _refuse_stale(item, decision)
        standing = rows[item.what]
        decided = _decided(item, decision)
        before = standing.get(item.id)
        if decided is None:
            standing.pop(item.id, None)
            counts["struck" if before is not None else "unchanged"] += 1
            now[item.what, item.id] = replace(item, state=REFUSED, reasons=_with_struck(item))
            continue
        standing[item.id] = decided
        counts["added" if before is None else "confirmed" if before == decided else "edited"] += 1
        row = to_object(decided)
        now[item.what, item.id] = replace(item, row=row, state=KEPT, reasons=())
    changed = replace(
        benchmark,
        questions=_of_kind(rows["question"].values(), Question),
        paraphrases=_of_kind(rows["paraphrase"].values(), Paraphrase),
        pairs=_of_kind(rows["pair"].values(), Pair),
    )
    return Applied(changed, tuple(now.values()), **counts)


def _item_of(decision: Decision, items: dict[tuple[str, str], Item]) -> Item:
    if decision.what and decision.what not in RECORDS:
        raise UserError(f"decision about {decision.id}: what {decision.what!r}, expected {', '.join(RECORDS)}")
    kinds = [decision.what] if decision.what else list(RECORDS)
    found = [items[kind, decision.id] for kind in kinds if (kind, decision.id) in items]
    if len(found) != 1:
        why = "several rows have that id: say which by 'what'" if found else "no such row under review in this folder"
        raise UserError(f"decision about {decision.id}: {why}")
    return found[0]


def _refuse_stale(item: Item, decision: Decision) -> None:
    if not is_about(item, decision):
        raise UserError(
            f"decision about {item.id}: it is about another {item.what} of that id than this folder has now: decide on "
            "a page written anew (kinj benchmark review)"
        )


def is_about(item: Item, decision: Decision) -> bool:
    """Whether the decision is about this row, not another one of that id, as far as it says about which.

    Raises:
        UserError: the decision has a row that is none.
    """
    if not decision.was and (decision.row is None or decision.decision == "edit"):
        return True
    if decision.was == sha256_json(item.row):
        return True
    return decision.row is not None and _is_row_of(item, decision.row)  # of an edit: it was applied before


def _is_row_of(item: Item, row: Json) -> bool:
    if not row or not item.row or row == item.row:
        return row == item.row
    return replace(item, row=row).record == item.record


def _decided(item: Item, decision: Decision) -> Question | Paraphrase | Pair | None:
    """The record as it is to stand; None where it is struck."""
    if decision.decision == "strike":
        return None
    edited = decision.row if decision.decision == "edit" and decision.row is not None else item.row
    record = replace(item, row=edited).record
    if record.id != item.id:
        raise UserError(f"decision about {item.id}: its row has another id, {record.id!r}")
    return record


def _with_struck(item: Item) -> tuple[str, ...]:
    return item.reasons if STRUCK in item.reasons else (*item.reasons, STRUCK)


def _of_kind(rows: Iterable[Question | Paraphrase | Pair], kind: type[Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if isinstance(row, kind))
