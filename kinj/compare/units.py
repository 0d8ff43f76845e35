"""What a plan comes to: units, each a training and all cells that hang on it."""

from __future__ import annotations

from dataclasses import dataclass

from kinj.compare.asked import Unmeasured
from kinj.compare.passes import Pass, Questions
from kinj.compare.trainings import Training
from kinj.records import Cell, Json


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell, and the single `lm_eval` command that gives it."""

    cell: Cell
    questions: Questions
    #: of `--model_args`; the checkpoint of a trained model is put in once it is there
    model_args: Json
    #: the command's other words
    words: tuple[str, ...]
    #: id of the pass that finds its passages; None: closed book
    passages: str | None
    #: whether its questions are asked from the last to the first, in other batches
    is_reversed: bool = False
    #: whether the comparison goes on without it where it does not fit the model's window
    may_be_left_out: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """A model, an injection arm and a seed: one training at most, and all cells that hang on it."""

    id: str
    model: str
    #: what its models before training share: the same weights, asked alike
    model_id: str
    #: the model's weights before training, and those of `--model_args` that name them
    weights: Json
    untrained_args: Json
    injection: str
    seed: int | None
    training: Training | None
    cells: tuple[PlannedCell, ...]
    #: the folder that its cells are taken from; None: they are asked
    results: str | None = None
    #: that its model's weights are spread over
    devices: int = 1
    #: id of the unit whose search chose its training's settings; None: nothing is searched, or by itself
    searcher: str | None = None

    def __str__(self) -> str:
        return ", ".join([self.model, self.injection, *([] if self.seed is None else [f"seed {self.seed}"])])


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a plan asks for."""

    units: tuple[Unit, ...]
    passes: tuple[Pass, ...]
    #: as the plan has it: a number, or `auto`
    batch_size: int | str
    #: the file on which every unit's loss is measured; None: none is
    general_text: str | None
    #: controls and measures that it does without
    unmeasured: tuple[Unmeasured, ...] = ()
    #: whether all was fetched before, so that its processes ask no hub
    hub_off: bool = False

    @property
    def cells(self) -> list[PlannedCell]:
        """Those of all units, in order."""
        return [cell for unit in self.units for cell in unit.cells]
