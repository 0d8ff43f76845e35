"""From a plan to its units and cells: what will be trained, what will be asked, and under which id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinj.benchmark import collection_folder, shipped_collections
from kinj.compare.identity import (
    RecipeFiles,
    asked_as,
    benchmark_sha256,
    full_path,
    id_of,
    placing_of,
    ranking_of,
    weights_of,
)
from kinj.compare.passes import Pass, Questions, passes_of
from kinj.compare.plan import NONE, InjectionArm, ModelSettings, Plan, ReadingArm, reading_name
from kinj.compare.trainings import Training, make_training, with_seed
from kinj.errors import UserError
from kinj.records import Cell, Json

#: What a cell calls the closed book asked from the last question to the first.
REVERSED = "none, reversed"
#: Their passages are chosen by the right answer, so that they bound what retrieval can do: they are no way of reading.
CONTROLS = ("gold", "gold+distractors", "distractors")


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


@dataclass(frozen=True, slots=True)
class Unit:
    """A model, an injection arm and a seed: one training at most, and all cells that hang on it."""

    id: str
    model: str
    #: the model's weights before training
    weights: Json
    injection: str
    seed: int | None
    training: Training | None
    cells: tuple[PlannedCell, ...]

    def __str__(self) -> str:
        return ", ".join([self.model, self.injection, *([] if self.seed is None else [f"seed {self.seed}"])])


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a plan asks for."""

    units: tuple[Unit, ...]
    passes: tuple[Pass, ...]

    @property
    def cells(self) -> list[PlannedCell]:
        """Those of all units, in order."""
        return [cell for unit in self.units for cell in unit.cells]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A reading arm with one k."""

    arm: ReadingArm
    k: int | None
    #: identities of what is found and how it is shown
    ranking: Json = field(default_factory=dict)
    placing: Json = field(default_factory=dict)

    @property
    def model_args(self) -> dict[str, Any]:  # Any: text or number
        """Those of `kinj_rag`, defaults left out, files by their full path."""
        if self.k is None:
            return {"retriever": NONE}
        default = ReadingArm.model_construct(k=())
        given = self.arm.model_dump(exclude={"name", "retriever", "k", "tasks"})
        changed = {key: value for key, value in given.items() if value != getattr(default, key)}
        for key in ("index", "template"):
            if key in changed:
                changed[key] = full_path(changed[key])
        return {"retriever": self.arm.retriever, "k": self.k, **changed}


def expand(plan: Plan, beside: Path, recipes: RecipeFiles) -> Comparison:
    """The units and cells of a plan.

    Args:
        plan: the plan.
        beside: the plan's folder, from which its recipe files are seen.
        recipes: reads them.

    Raises:
        UserError: a recipe, model, index or benchmark that is not there, an arm without an index, two cells of one id.
    """
    asked = [*_questions(plan, plan.tasks, plan.splits), *_questions(plan, plan.forgetting, ("test",))]
    readings = list(_readings(plan.reading))
    _refuse_arms_without_index(readings, [q for q in asked if q.task in plan.tasks])
    controls = list(_readings(_control_arms(plan, asked)))
    rankings = [(reading.arm, reading.k, reading.ranking) for reading in (*readings, *controls)]
    passes = passes_of(rankings, asked, plan.forgetting)
    units = []
    for name, model in plan.models.items():
        for arm in plan.injection:
            content, training = make_training(plan, model, arm, beside, recipes)
            for seed in plan.seeds if training is not None else (None,):
                key = {"model": weights_of(model), "asked": asked_as(model), "training": content, "seed": seed}
                weights = weights_of(model if arm.checkpoint is None else ModelSettings(pretrained=arm.checkpoint))
                unit = Unit(id_of(key), name, weights, arm.name, seed, with_seed(training, seed), ())
                of_arm = [questions for questions in asked if arm.tasks is None or questions.task in arm.tasks]
                read = readings if content is not None else [*readings, *controls]
                base = _base_args(model, arm)
                cells = list(_cells(plan, model, unit, key, base, of_arm, read, passes))
                if content is None and "reversed" in plan.controls:
                    cells += _noise(cells)
                units.append(replace(unit, cells=tuple(cells)))
    comparison = Comparison(tuple(units), tuple({one.id: one for one in passes.values()}.values()))
    _refuse_twins(comparison)
    return comparison


def _readings(arms: Iterable[ReadingArm]) -> Iterator[_Reading]:
    for arm in arms:
        for k in arm.k or (None,):
            yield _Reading(arm, k, ranking_of(arm) if k else {}, placing_of(arm))


def _control_arms(plan: Plan, asked: list[Questions]) -> Iterator[ReadingArm]:
    """Ceiling and floor of what retrieval can do, for the untrained model, where the plan has no such arm itself.

    Both know the right answer, which only questions about a collection of their own say; k is the plan's largest.
    """
    tasks = tuple(dict.fromkeys(q.task for q in asked if q.benchmark is not None and q.task in plan.tasks))
    longest = max((k for arm in plan.reading if arm.index is None for k in arm.k), default=None)
    if not tasks or longest is None:
        return
    for name in plan.controls:
        if name != "reversed" and all(name not in (arm.retriever, arm.name) for arm in plan.reading):
            yield ReadingArm(name=name, retriever=name, k=(longest,), tasks=tasks)


def _questions(plan: Plan, tasks: tuple[str, ...], splits: tuple[str, ...]) -> Iterator[Questions]:
    for task in tasks:
        collection = _collection_of(task, plan.benchmark)
        metadata: Json = {}
        if task.startswith("kinj_benchmark"):
            shipped = plan.benchmark in shipped_collections()
            metadata["benchmark"] = plan.benchmark if shipped else str(collection_folder(str(collection)).resolve())
        sha256 = None if collection is None else benchmark_sha256(collection)
        for split in splits if task.startswith("kinj_") else ("",):
            with_split = {**metadata, "split": split} if split else metadata
            yield Questions(task, split, plan.limit, with_split, sha256)


def _collection_of(task: str, benchmark: str | None) -> str | None:
    """The benchmark that a task's rows are from; None for tasks of other data sets."""
    if task.startswith("kinj_current_events"):
        if benchmark not in (None, "current_events"):
            raise UserError(
                f"task {task} asks about current events, the plan is about {benchmark}: take kinj_benchmark and its kin"
            )
        return "current_events"
    if task.startswith("kinj_benchmark"):
        if benchmark is None:
            raise UserError(f"task {task} needs to know which: name the plan's `benchmark`, a folder (docs/format.md)")
        return benchmark
    return None


def _refuse_arms_without_index(readings: list[_Reading], asked: list[Questions]) -> None:
    for reading in readings:
        if reading.k is None or reading.arm.index is not None:
            continue
        for questions in asked:
            if questions.benchmark is None and reading.arm.reads(questions.task):
                raise UserError(
                    f"reading arm {reading.arm.name}: task {questions.task} has no collection of its own: name an "
                    "`index` (kinj index build DOCUMENTS DIR), or leave the task out"
                )


def _cells(
    plan: Plan,
    model: ModelSettings,
    unit: Unit,
    key: Json,
    base: Json,
    asked: list[Questions],
    readings: list[_Reading],
    passes: dict[tuple[str, str], Pass],
) -> Iterator[PlannedCell]:
    for questions in asked:
        forgetting = questions.task in plan.forgetting
        closed = [_Reading(ReadingArm(name=NONE, k=()), None)]
        for reading in closed if forgetting else [one for one in readings if one.arm.reads(questions.task)]:
            role = "forgetting" if forgetting else "control" if reading.arm.retriever in CONTROLS else "main"
            for shots in plan.shots:
                cell = _cell(plan, unit, key, questions, reading, shots, role)
                found = passes.get((questions.key, cell.reading))
                words = tuple(_words(plan, model, questions, shots))
                passages = None if found is None else found.id
                yield PlannedCell(cell, questions, {**base, **reading.model_args}, words, passages)


def _cell(plan: Plan, unit: Unit, key: Json, asked: Questions, reading: _Reading, shots: int, role: str) -> Cell:
    shaping = [asked.content, reading.k, reading.ranking, reading.placing, plan.batch_size, shots]
    return Cell(
        id=id_of([key, *shaping]),
        unit=unit.id,
        model=unit.model,
        injection=unit.injection,
        reading=reading_name(reading.arm, reading.k),
        task=asked.task,
        retriever=reading.arm.retriever,
        k=reading.k,
        seed=unit.seed,
        split=asked.split,
        num_fewshot=shots,
        limit=asked.limit,
        role=role,
    )


def _base_args(model: ModelSettings, arm: InjectionArm) -> Json:
    """Those of `--model_args` that are the base's; the weights of a trained model are named once they are there."""
    named = {"base": None if model.base == "hf" else model.base, "dtype": model.dtype}
    if arm.checkpoint is not None:
        named["pretrained"] = full_path(arm.checkpoint)
    elif arm.recipe is None:
        pretrained = None if model.pretrained is None else full_path(model.pretrained)
        named |= {"pretrained": pretrained, "revision": model.revision}
    if arm.adapter is not None:
        named["peft"] = full_path(arm.adapter)
    return {key: value for key, value in named.items() if value is not None} | model.arguments


def _noise(cells: list[PlannedCell]) -> list[PlannedCell]:
    """The first closed-book cell once more, reversed; of the test split where there is one. None where none is."""
    closed = [planned for planned in cells if planned.cell.k is None and planned.cell.role == "main"]
    if not closed:
        return []
    planned = next((planned for planned in closed if planned.cell.split == "test"), closed[0])
    cell = replace(planned.cell, id=id_of([planned.cell.id, "reversed"]), reading=REVERSED, role="noise")
    return [replace(planned, cell=cell, is_reversed=True)]


def _words(plan: Plan, model: ModelSettings, questions: Questions, shots: int) -> Iterator[str]:
    """The words of the `lm_eval` command, without model, its arguments, and output."""
    yield from ("--tasks", questions.task, "--num_fewshot", str(shots), "--batch_size", str(plan.batch_size))
    if model.device is not None:
        yield from ("--device", model.device)
    if questions.limit is not None:
        yield from ("--limit", str(questions.limit))
    if questions.metadata:
        yield from ("--metadata", json.dumps(questions.metadata, ensure_ascii=False))
    if model.chat_template:
        yield from ("--apply_chat_template", *([model.chat_template] if isinstance(model.chat_template, str) else []))
    if model.multiturn is not None:
        yield from ("--fewshot_as_multiturn", str(model.multiturn).lower())
    if model.system_prompt is not None:
        yield from ("--system_instruction", model.system_prompt)


def _refuse_twins(comparison: Comparison) -> None:
    cells: dict[str, Cell] = {}
    for planned in comparison.cells:
        twin = cells.setdefault(planned.cell.id, planned.cell)
        if twin is not planned.cell:
            one, other = (f"{c.model}, {c.injection}, {c.reading}, {c.task}" for c in (twin, planned.cell))
            raise UserError(f"two cells of the plan are the same under two names: ({one}) and ({other}): remove one")
