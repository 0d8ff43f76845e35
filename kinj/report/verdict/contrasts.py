"""Contrasts of arms: which a report declares, and what each is judged to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kinj.records import SIDES
from kinj.statistics import Difference, Word, holm, word_for

NONE = "none"
#: The reading arm that puts the whole collection into every prompt.
EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Arm:
    """An injection arm under a reading arm, on one task with one model."""

    model: str
    #: with its shots and limit where there are any
    task: str
    injection: str
    #: without its k
    reading: str

    @property
    def side(self) -> str:
        """What a contrast calls it: base, RAG, FT, FT+RAG or everything."""
        if (self.injection, self.reading) == (NONE, EVERYTHING):
            return EVERYTHING
        return SIDES[2 * (self.injection != NONE) + (self.reading != NONE)]

    @property
    def name(self) -> str:
        """For people: `raw + bm25`, `bm25`, `raw`, or `base`."""
        return " + ".join(part for part in (self.injection, self.reading) if part != NONE) or "base"


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two arms on the same questions, and how they differ."""

    #: as the plan declares it: `FT+RAG - RAG`
    declared: str
    arm: Arm
    other: Arm
    #: None where nothing can be computed
    difference: Difference | None
    #: why no word may be said of it; empty: one may
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A contrast, and its word."""

    contrast: Contrast
    #: None where it is withheld
    word: Word | None
    #: p as corrected for the whole family; None where there is no difference
    adjusted_p: float | None
    #: how many contrasts the family holds
    family: int


def contrasts_of(arms: Sequence[Arm], declared: Sequence[str]) -> Iterator[tuple[str, Arm, Arm]]:
    """Every pair of arms that a declared contrast is about, in order: those of the same model and task.

    The injection arm of both sides is the same where both have one, and so is the reading arm.
    """
    for name in declared:
        left, _, right = name.partition(" - ")
        for arm in (one for one in arms if one.side == left):
            for other in (one for one in arms if one.side == right):
                if (arm.model, arm.task) == (other.model, other.task) and _shares_what_both_have(arm, other):
                    yield name, arm, other


def _shares_what_both_have(arm: Arm, other: Arm) -> bool:
    if EVERYTHING in (arm.side, other.side):
        return True
    injected = NONE in (arm.injection, other.injection) or arm.injection == other.injection
    return injected and (NONE in (arm.reading, other.reading) or arm.reading == other.reading)


def judge(contrasts: Iterable[Contrast], margin: float, noise: dict[tuple[str, str], float]) -> list[Judged]:
    """Each contrast's word, all contrasts being one family under Holm's correction.

    A contrast whose word is withheld counts in the family all the same: it was declared.

    Args:
        contrasts: of all models and tasks of a report.
        margin: within which two arms are the same, as a share of 1.
        noise: by (model, task): the share of answers that flip where nothing changed; another model's or task's is
            taken where a pair has none itself, the largest of them.
    """
    family = list(contrasts)
    # What has no p counts as one that shows nothing, which leaves the others' correction as declared.
    p = holm([1.0 if one.difference is None else one.difference.p for one in family]).tolist()
    most = max(noise.values(), default=None)
    judged = []
    for one, adjusted in zip(family, p, strict=True):
        floor = noise.get((one.arm.model, one.arm.task), most)
        word = None if one.withheld or one.difference is None else word_for(one.difference, adjusted, margin, floor)
        judged.append(Judged(one, word, None if one.difference is None else adjusted, len(family)))
    return judged
