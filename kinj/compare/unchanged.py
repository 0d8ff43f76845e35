"""Cells in which nothing changed: what was injected, or read, moved no score of any option of any question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kinj.compare.folder import OutputFolder
from kinj.compare.plan import NONE
from kinj.manifest import write_whole
from kinj.records import Cell, Json

_CAUSES = {
    "injection": "the training moved nothing: a learning rate near 0, or an adapter that was not there",
    "reading": "no passage was sent: an empty index, a filter that lets nothing through, or passages cut away by the "
    "model's window",
}


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A cell whose every response equals that of the cell without what it adds."""

    cell: Cell
    same_as: str
    #: injection or reading: what was added in vain
    added: str

    @property
    def causes(self) -> str:
        """The likely ones."""
        return _CAUSES[self.added]


def find_unchanged(cells: list[Cell], out: OutputFolder) -> list[Unchanged]:
    """Those of the complete cells; also written to the folder's unchanged.json."""
    responses = {cell: str(out.read_cell(cell.id)["responses_sha256"]) for cell in cells}
    found = [
        Unchanged(cell, other.id, added)
        for cell in cells
        for added, other in _without(cell, responses)
        if responses[cell] == responses[other]
    ]
    values: list[Json] = [{"cell": one.cell.id, "same_as": one.same_as, "added": one.added} for one in found]
    write_whole(out.path / "unchanged.json", json.dumps(values, indent=1) + "\n")
    return found


def _without(cell: Cell, known: dict[Cell, str]) -> Iterator[tuple[str, Cell]]:
    """What a cell adds, and the cell without it, where that one is known."""
    others = {_place(other): other for other in known}
    if cell.injection != NONE:
        base = replace(cell, injection=NONE, seed=None)
        if (other := others.get(_place(base))) is not None:
            yield "injection", other
    if cell.reading != NONE and cell.role != "noise":
        closed = replace(cell, reading=NONE)
        if (other := others.get(_place(closed))) is not None:
            yield "reading", other


def _place(cell: Cell) -> tuple[object, ...]:
    return cell.model, cell.injection, cell.seed, cell.reading, cell.task, cell.split, cell.num_fewshot, cell.limit
