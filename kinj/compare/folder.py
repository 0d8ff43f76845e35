"""The output folder of a comparison (docs/cells.md): what is there, and what a plan that grew or shrank finds."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from kinj import claims
from kinj.checkpoint import SEARCH, finished_model
from kinj.claims import Holder
from kinj.compare.files import as_yaml
from kinj.compare.passes import Pass
from kinj.compare.plan import Plan
from kinj.compare.units import Comparison, PlannedCell, Unit
from kinj.errors import UserError
from kinj.jsonl import read_objects, record_line
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file, write_whole
from kinj.records import Json

_PLAN, _CELLS = "plan.yaml", "cells.jsonl"
_FAILURE = "failure.json"


class OutputFolder:
    """The folder that a comparison writes."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def counts(self) -> Path:
        """The file of how many questions each task has."""
        return self.path / "questions.json"

    @property
    def batch_sizes(self) -> Path:
        """The file of how many requests each model computes together, where that is found out."""
        return self.path / "batch_sizes.json"

    @property
    def slurm(self) -> Path:
        """The folder of what Slurm's jobs say, made before the first of them."""
        return self.path / "slurm"

    def cell(self, cell_id: str) -> Path:
        """A cell's folder."""
        return self.path / "cells" / cell_id

    def unit(self, unit_id: str) -> Path:
        """A unit's folder."""
        return self.path / "units" / unit_id

    def unit_to_write(self, unit_id: str) -> Path:
        """A unit's folder, which is there then.

        Raises:
            UserError: this machine cannot write there.
        """
        folder = self.unit(unit_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: {platform.node()} cannot write there: {error.strerror}") from error
        return folder

    def passages(self, pass_id: str) -> Path:
        """The folder of a retrieval."""
        return self.path / "passages" / pass_id

    def is_complete(self, cell_id: str) -> bool:
        """Whether a cell is there, whole."""
        return (self.cell(cell_id) / MANIFEST).is_file()

    def complete(self) -> list[str]:
        """The ids of all cells that are there, of this plan or an earlier one."""
        names = (path.parent.name for path in self.path.glob(f"cells/*/{MANIFEST}"))
        return sorted(name for name in names if not name.endswith(".part"))

    def read_cell(self, cell_id: str) -> Json:
        """The manifest of a complete cell."""
        manifest: Json = json.loads((self.cell(cell_id) / MANIFEST).read_text(encoding="utf-8"))
        return manifest

    def read_counts(self) -> dict[str, Json]:
        """What is known of each task's questions, by `Questions.key`: `questions`, `clusters`, `output_type`."""
        counts: dict[str, Json] = {}
        if self.counts.is_file():
            counts = json.loads(self.counts.read_text(encoding="utf-8"))
        return counts

    def missing_passes(self, comparison: Comparison) -> list[Pass]:
        """Those that have not ended."""
        return [one for one in comparison.passes if not (self.passages(one.id) / MANIFEST).is_file()]

    def is_trained(self, unit: Unit) -> bool:
        """Whether a unit's weights are there, or nothing has to be trained for it."""
        return unit.training is None or self.end_of_training(unit).is_file()

    def end_of_training(self, unit: Unit) -> Path:
        """The file that says a unit's training has ended."""
        return self.unit(unit.id) / "checkpoint" / (SEARCH if self.searches(unit) else MANIFEST)

    def searches(self, unit: Unit) -> bool:
        """Whether a unit's training is a search: no longer once it has chosen, and what it trained is gone."""
        is_search = unit.training is not None and unit.training.searches
        folder = self.unit(unit.id)
        return is_search and ((folder / "checkpoint" / SEARCH).is_file() or not (folder / SEARCH).is_file())

    def trained_folder(self, unit: Unit) -> Path:
        """The folder of a unit's finished model; of a search the chosen one's."""
        return finished_model(self.unit(unit.id) / "checkpoint")

    def search_of(self, unit: Unit) -> Path | None:
        """The table of the search that chose its settings, kept apart also; None: none has ended, or none is asked."""
        folder = self.unit(unit.searcher or unit.id)
        # In this order: it is kept apart before what was trained goes.
        return next((file for file in (folder / "checkpoint" / SEARCH, folder / SEARCH) if file.is_file()), None)

    def found_settings(self, unit: Unit) -> Json | None:
        """What that search chose; None where `search_of` is."""
        file = self.search_of(unit)
        if file is None:
            return None
        chosen: Json = json.loads(file.read_text(encoding="utf-8"))["chosen"]["settings"]
        return chosen

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps every other comparison out of the folder, on other machines too.

        Raises:
            UserError: one is at work there, or on one of its units; or this machine cannot write there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--output_dir {self.path}: {error.strerror}") from error
        claim = claims.take(self.path)
        if isinstance(claim, Holder):
            raise UserError(
                f"{self.path}: another kinj compare is at work there: wait for it, or choose another --output_dir; it "
                f"runs on {claim}"
            )
        with claim:
            for folder in {file.parent for file in self.path.glob("units/*/claim-*.json")}:
                if (holder := claims.look(folder)) is not None:
                    raise UserError(
                        f"{folder}: a unit is at work there: wait for it, or end it first; it runs on {holder}"
                    )
            yield

    def left_over(self, comparison: Comparison) -> list[str]:
        """The complete cells that the plan does not name.

        Raises:
            UserError: the folder is somebody else's, or holds another comparison of which something was made.
        """
        planned = {cell.cell.id for cell in comparison.cells}
        if not (self.path / _PLAN).is_file():
            if any(path != self.slurm and not path.match("claim-*.json") for path in self.path.glob("*")):
                raise UserError(
                    f"{self.path} is not empty and was not made by kinj compare: choose another --output_dir"
                )
            return []
        there = self.complete()
        # A plan that was refused before anything came of it may be corrected.
        made = (path for name in (f"passages/*/{MANIFEST}", "units/*/checkpoint") for path in self.path.glob(name))
        if not self._shares_cell(comparison) and (there or any(made)):
            raise UserError(
                f"{self.path} holds another comparison: the plan shares no cell with it; choose another --output_dir"
            )
        return [cell for cell in there if cell not in planned]

    def _shares_cell(self, comparison: Comparison) -> bool:
        file = self.path / _CELLS
        named = [str(value["id"]) for _, value in read_objects(file)] if file.is_file() else []
        return not {cell.cell.id for cell in comparison.cells}.isdisjoint((*self.complete(), *named))

    def claim(self, plan: Plan, comparison: Comparison) -> None:
        """Begins where nothing has begun; else leaves the plan that was asked, which a refused one must not replace.

        Also where that plan shares no cell with this one: then nothing came of it (`left_over`).
        """
        if not (self.path / _PLAN).is_file() or not self._shares_cell(comparison):
            self.begin(plan, comparison)

    def begin(self, plan: Plan, comparison: Comparison) -> None:
        """Writes down the plan and its cells, and removes what an interrupted run left half-written."""
        for name in ("cells", "units", "passages"):
            (self.path / name).mkdir(exist_ok=True)
        self.remove_scratch()
        self.write_plan(plan, comparison)

    def write_plan(self, plan: Plan, comparison: Comparison) -> None:
        """Writes down the plan by which the report judges, and its cells; units may be at work."""
        write_whole(self.path / _CELLS, "".join(record_line(planned.cell) for planned in comparison.cells))
        write_whole(self.path / _PLAN, as_yaml(plan))
        unmeasured = [asdict(one) for one in comparison.unmeasured]
        write_whole(self.path / "not_measured.json", json.dumps(unmeasured, indent=1, ensure_ascii=False) + "\n")

    def remove_scratch(self) -> None:
        """Removes what interrupted runs left half-written; nobody is at work."""
        for scratch in [*self.path.glob("cells/*.part"), *self.path.glob("units/*/checkpoint.part")]:
            shutil.rmtree(scratch)

    def cell_object(self, planned: PlannedCell) -> Json:
        """A cell as the processes that ask it read it."""
        return {
            "cell": asdict(planned.cell),
            "folder": str(self.cell(planned.cell.id)),
            "words": list(planned.words),
            "reversed": planned.is_reversed,
            "model_args": planned.model_args,
            "passages": None if planned.passages is None else str(self.passages(planned.passages)),
        }

    def has_loss(self, unit: Unit, text: str | None) -> bool:
        """Whether the unit's loss on the general text is known, or none is named."""
        file = self.unit(unit.id) / "general_text.json"
        if text is None:
            return True
        told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return told.get("text_sha256") == sha256_file(Path(text))

    def keep_failure(self, unit: Unit, reason: str | None) -> None:
        """Writes down why a unit was given up, for `failure`; None: it was not."""
        file = self.unit(unit.id) / _FAILURE
        if reason is None:
            file.unlink(missing_ok=True)
        else:
            write_whole(file, json.dumps({"reason": reason}, ensure_ascii=False) + "\n")

    def failure(self, unit: Unit) -> str | None:
        """Why a unit was given up when it was last tried; None: it was not, or nothing is known."""
        file = self.unit(unit.id) / _FAILURE
        return str(json.loads(file.read_text(encoding="utf-8"))["reason"]) if file.is_file() else None

    def is_done(self, unit: Unit, text: str | None) -> bool:
        """Whether all cells of a unit are there, and its loss on the general text where one is named."""
        return all(self.is_complete(planned.cell.id) for planned in unit.cells) and (
            unit.results is not None or self.has_loss(unit, text)
        )

    def write_unit(self, unit: Unit, batch_size: int | str, text: str | None, commands: list[Json]) -> None:
        """Writes the unit.json that the unit's processes read."""
        folder = self.unit(unit.id)
        folder.mkdir(exist_ok=True)
        values = {
            "unit": unit.id,
            "model": unit.model,
            "injection": unit.injection,
            "seed": unit.seed,
            "weights": unit.weights,
            "batch_size": batch_size,
            "general_text": text,
            "commands": commands,
            "checkpoint": None if unit.training is None else str(folder / "checkpoint"),
            "cells": [self.cell_object(planned) for planned in unit.cells],
        }
        write_whole(folder / "unit.json", json.dumps(values, indent=1, ensure_ascii=False) + "\n")
