"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule in one row."""

    #: id of the row; of the split where the rule is about a whole split
    row: str
    why: str

    def __str__(self) -> str:
        return f"{self.row}: {self.why}"
