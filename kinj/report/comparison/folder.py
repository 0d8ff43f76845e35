"""What comparisons' folders hold: their plans, cells, manifests and answers, and what is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, sha256_file
from kinj.progress import progress
from kinj.records import CONTRASTS, OF_EVERYTHING, SIDES, Cell, Json
from kinj.report.comparison.answers import TRACE, CellAnswers, TaskQuestions, read_answers, samples_of
from kinj.report.comparison.trained import json_file, read_training
from kinj.report.comparison.writers import Writers, writers_of
from kinj.report.verdict.contrasts import NONE
from kinj.settings_file import read_settings
from kinj.statistics import Prior

#: What a cell is asked for; cells of other roles are not read.
ROLES = ("main", "everything", "control", "forgetting", "noise", "orders", "withheld")
#: The file of all cells that a plan names.
CELLS = "cells.jsonl"
#: Of a prior: with more degrees of freedom it is a half-normal.
_MOST_FREEDOM = 1_000_000


@dataclass(frozen=True, slots=True)
class ReadCell:
    """A complete cell."""

    cell: Cell
    #: its id; where several folders have it, with a number
    name: str
    folder: Path
    manifest: Json
    answers: CellAnswers
    #: of lm-eval's results, what kinj_rag says of retrieval in the task (docs/results.md)
    retrieval: Json
    #: identifies the weights, or the responses where no weights are known: trainings of one are one
    identity: str
    #: of the unit's training; empty where nothing was trained
    training: Json
    #: whether the questions are about the texts trained on; None: nobody knows
    about_trained: bool | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that the plan names and that is not there, or cannot be read."""

    cell: Cell
    why: str


@dataclass(slots=True)
class Comparison:
    """One or several folders, as one report reads them."""

    #: what the declared contrasts are, of all folders
    contrasts: tuple[str, ...] = CONTRASTS
    #: within which two arms are the same, as a share of 1
    margin: float = 0.03
    prior: Prior = field(default_factory=Prior)
    cells: list[ReadCell] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    #: by (model, task, split, limit): a model is of one folder, and folders may ask other questions by one task's name
    questions: dict[tuple[str, str, str, int | None], TaskQuestions] = field(default_factory=dict)
    #: what was passed over, and what does not fit: one line each
    notes: list[str] = field(default_factory=list)
    #: what the comparison itself says that it did without
    not_measured: list[str] = field(default_factory=list)
    #: settings of each model, as plans have them
    models: dict[str, Json] = field(default_factory=dict)
    #: what each model's own plan calls it
    plan_names: dict[str, str] = field(default_factory=dict)
    #: all that plans name, in order
    plan_cells: list[Cell] = field(default_factory=list)
    #: where no plan says it: what counts as an arm, and what was declared
    assumed: list[str] = field(default_factory=list)
    #: and which file is which arm
    files: list[str] = field(default_factory=list)
    #: by model, who wrote what it is asked and trained on; absent where nobody knows
    writers: dict[str, Writers] = field(default_factory=dict)
    #: False of a pack: questions and passages cannot be shown
    has_texts: bool = True

    @property
    def planned(self) -> int:
        """How many cells plans name."""
        return len(self.plan_cells)

    def questions_of(self, cell: Cell) -> TaskQuestions:
        """Those that the cell was asked."""
        # Options in another order make another row: such cells have questions of their own.
        task = f"{cell.task}, {cell.reading}" if cell.role in ("orders", "withheld") else cell.task
        return self.questions.setdefault((cell.model, task, cell.split, cell.limit), TaskQuestions())


def is_folder(path: Path) -> bool:
    """Whether it is one of `kinj compare`, whole or not."""
    return any((path / name).is_file() for name in ("plan.yaml", CELLS))


def read_folders(folders: Sequence[Path]) -> Comparison:
    """All cells of comparisons' folders, with their answers.

    Of several folders a model that is in more than one is named by its folder too: its answers are never pooled.

    Raises:
        UserError: no folder of `kinj compare`, one that is named twice, or plans that state different margins, priors
            or contrasts.
    """
    resolved = [folder.resolve() for folder in folders]
    if twice := [one for at, one in enumerate(resolved) if one in resolved[:at]]:
        raise UserError(f"{twice[0]}: named twice; its contrasts would count twice in the family")
    plans = [_read_plan(folder) for folder in folders]
    comparison = Comparison()
    if plans:
        comparison.contrasts, comparison.margin, comparison.prior = _stated(plans, folders)
    names = [set(plan.get("models") or {}) for plan in plans]
    jobs: list[tuple[Path, Cell]] = []
    for number, (folder, plan) in enumerate(zip(folders, plans, strict=True)):
        others = set().union(*(set(), *(one for at, one in enumerate(names) if at != number)))
        label = {name: f"{name} ({_name(folders, number)})" if name in others else name for name in names[number]}
        comparison.models |= {label[name]: settings or {} for name, settings in (plan.get("models") or {}).items()}
        comparison.plan_names |= {shown: name for name, shown in label.items()}
        cells = [replace(cell, model=label.get(cell.model, cell.model)) for cell in _cells(folder, comparison)]
        jobs += [(folder, cell) for cell in cells]
        comparison.notes += _unchanged(folder, comparison)
        done_without = _json_list(folder / "not_measured.json", comparison)
        comparison.not_measured += [f"{one.get('what')}: {one.get('why')}" for one in done_without]
    comparison.plan_cells = [cell for _, cell in jobs]
    trainings: dict[Path, Json] = {}
    with progress("reading cells", len(jobs)) as advance:
        for folder, cell in jobs:
            _read_cell(folder, cell, comparison, trainings)
            advance(1)
    comparison.notes += _unread_texts(folders, comparison)
    for folder, plan in zip(folders, plans, strict=True):
        own = [one for one in comparison.cells if one.folder.parent.parent == folder]
        asked = [one.retrieval.get("benchmark") for one in own if one.cell.role in ("main", "everything")]
        found = writers_of(folder, plan, asked, [one.training for one in own])
        comparison.writers |= {one.cell.model: found for one in own if found is not None}
    return comparison


def _unread_texts(folders: Sequence[Path], comparison: Comparison) -> Iterator[str]:
    """What pages of questions cannot show, since its files are not there."""
    for folder in folders:
        own = [
            one for one in comparison.cells if one.folder.parent.parent == folder and "taken_from" not in one.manifest
        ]
        without = sum(not (one.folder / TRACE).is_file() for one in own)
        if without:
            yield f"{without} of {len(own)} cells have no {TRACE}: their passages and prompts are not shown"
        reads = any(one.cell.reading != NONE for one in own)
        if reads and not any(folder.glob("passages/*/passages.jsonl")):
            yield "passages/: no passages.jsonl is there: the texts of passages are not shown"


def _name(folders: Sequence[Path], number: int) -> str:
    """A folder's own name; with its number where several are called the same."""
    name = folders[number].resolve().name
    return name if [f.resolve().name for f in folders].count(name) == 1 else f"{name}, {number + 1}"


def _read_plan(folder: Path) -> Json:
    if not (folder / "plan.yaml").is_file() or not (folder / CELLS).is_file():
        raise UserError(
            f"{folder}: half a folder of `kinj compare` (plan.yaml or cells.jsonl is gone): type its command again"
        )
    return read_settings(folder / "plan.yaml")


def _stated(plans: Sequence[Json], folders: Sequence[Path]) -> tuple[tuple[str, ...], float, Prior]:
    stated = []
    asks_everything = any(
        cell.role == "everything" for folder in folders for cell in read_records(folder / CELLS, Cell)
    )
    default = (*CONTRASTS, *OF_EVERYTHING) if asks_everything else CONTRASTS
    for plan, folder in zip(plans, folders, strict=True):
        try:
            prior = plan.get("spread_prior") or {}
            contrasts = tuple(map(str, plan.get("contrasts") or default))
            margin = float(plan.get("same_within", 3.0)) / 100
            scale, freedom = float(prior.get("scale", 3.0)) / 100, int(prior.get("degrees_of_freedom", 3))
            if not all(one > 0 for one in (margin, scale, freedom)):  # nor NaN
                raise ValueError("a number is not above 0")
            if max(margin, scale) > 1 or freedom > _MOST_FREEDOM:
                raise ValueError(f"over 100 points, or {_MOST_FREEDOM:,} degrees of freedom")
            stated.append((contrasts, margin, Prior(scale, freedom)))
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f"{folder / 'plan.yaml'}: contrasts, same_within or spread_prior are not as `kinj compare` writes them "
                f"({type(error).__name__}: {error})"
            ) from error
        for contrast in contrasts:
            sides = contrast.split(" - ")
            if len(sides) != 2 or not set(sides) <= set(SIDES) or sides[0] == sides[1]:
                raise UserError(
                    f"{folder / 'plan.yaml'}: contrasts: {contrast!r}: write it as `RAG - base`, with two of "
                    + ", ".join(SIDES)
                )
    for one, folder in zip(stated, folders, strict=True):
        if one != stated[0]:
            raise UserError(
                f"{folder} and {folders[0]} state different contrasts, same_within or spread_prior: what is judged as "
                "one family was declared as one; report them apart"
            )
    return stated[0]


def _cells(folder: Path, comparison: Comparison) -> Iterator[Cell]:
    unknown: dict[str, int] = {}
    for cell in read_records(folder / CELLS, Cell):
        if cell.role in ROLES:
            yield cell
        else:
            unknown[cell.role] = unknown.get(cell.role, 0) + 1
    for role, count in unknown.items():
        comparison.notes.append(f"{count} cells of role {role!r} are not read: this report does not know the role")


def _unchanged(folder: Path, comparison: Comparison) -> Iterator[str]:
    """Cells in which nothing changed, as the comparison found them."""
    for one in _json_list(folder / "unchanged.json", comparison):
        cell, same_as, added = (one.get(name, "unknown") for name in ("cell", "same_as", "added"))
        yield f"cell {cell}: every response is that of cell {same_as}: its {added} changed nothing"


def _read_cell(folder: Path, cell: Cell, comparison: Comparison, trainings: dict[Path, Json]) -> None:
    place = folder / "cells" / cell.id
    if not (place / MANIFEST).is_file():
        trained = (folder / "units" / cell.unit / "training.json").is_file()
        why = "never completed" if trained or cell.seed is None else "its training never completed"
        comparison.missing.append(Missing(cell, f"{why}; log: units/{cell.unit}/log.txt"))
        return
    unit = folder / "units" / cell.unit
    try:
        if unit not in trainings:
            trainings[unit] = read_training(unit)
        comparison.cells.append(_complete(place, cell, comparison, trainings[unit]))
    except UserError as error:
        comparison.missing.append(Missing(cell, str(error).replace(str(folder), "").lstrip("/")))
    except (AttributeError, KeyError, TypeError, ZeroDivisionError) as error:
        why = f"cells/{cell.id}: not what kinj compare writes ({type(error).__name__}: {error})"
        comparison.missing.append(Missing(cell, why))


def _complete(place: Path, cell: Cell, comparison: Comparison, training: Json) -> ReadCell:
    manifest = read_manifest(place, "run the comparison again")
    if manifest["rows"]["questions"] < 1:
        raise UserError(f"{place}: its manifest counts no questions")
    _refuse_changed(place, manifest, comparison)
    answers = read_answers(samples_of(place, cell.task), comparison.questions_of(cell), manifest)
    metric, results = answers.metric(), _results(place)
    _check_score(cell, metric, answers, results, comparison)
    identity = str(training.get("weights_sha256") or manifest.get("responses_sha256", ""))
    ours = results.get("config", {}).get("kinj", {})
    retrieval, about = ours.get("tasks", {}).get(cell.task, {}), ours.get("questions_about_trained_texts")
    if not isinstance(retrieval, dict):
        raise TypeError(f"what its results say of {cell.task} is no object")
    same = sum(one.cell.id == cell.id for one in comparison.cells)
    name = f"{cell.id}-{same + 1}" if same else cell.id
    return ReadCell(cell, name, place, manifest, answers, retrieval, identity, training, about)


def _refuse_changed(place: Path, manifest: Json, comparison: Comparison) -> None:
    """Returns where the files are those that the manifest seals; a trace, which no number rests on, is named alone."""
    for name, sealed in (manifest.get("sha256") or {}).items():
        file = place / Path(name).name
        if file.is_file() and sha256_file(file) != sealed:
            if file.name != TRACE:
                raise UserError(f"{file}: not the file that its manifest seals: changed since; ask it again")
            comparison.notes.append(f"cells/{place.name}/{TRACE}: changed since its manifest sealed it")


def _json_list(path: Path, comparison: Comparison) -> list[Json]:
    """The objects of a list; of a file that is broken none, and a note."""
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    except ValueError:
        comparison.notes.append(f"{path.name}: not JSON, and not read")
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _results(place: Path) -> Json:
    file = next(iter(sorted(place.glob("results_*.json"))), None)
    if file is None:
        raise UserError(f"{place}: no results of lm-eval beside the manifest")
    return json_file(file)


def _check_score(cell: Cell, metric: str, answers: CellAnswers, results: Json, comparison: Comparison) -> None:
    """Notes a score that the samples do not give."""
    scores = results.get("results", {}).get(cell.task, {})
    stated = next((value for name, value in scores.items() if name.startswith(f"{metric},")), None)
    values = [value for value in answers.values[metric] if not math.isnan(value)]
    mean = sum(values) / len(values)
    if isinstance(stated, (int, float)) and abs(stated - mean) > 1e-6:
        comparison.notes.append(
            f"cell {cell.id}: results say {metric} {stated:.4f}, its samples give {mean:.4f}; the samples are taken"
        )
