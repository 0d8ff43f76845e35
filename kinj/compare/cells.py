"""From a plan to its units and cells: what will be trained, what will be asked, and under which id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinj.compare.asked import (
    Extra,
    Unmeasured,
    forgetting,
    general_text,
    is_judged,
    left_out,
    option_orders,
    options_withheld,
    questions_of_tasks,
    say_their_chunks,
)
from kinj.compare.identity import (
    RecipeFiles,
    asked_as,
    full_path,
    id_of,
    placing_of,
    ranking_of,
    weights_of,
)
from kinj.compare.passes import Pass, Questions, passes_of
from kinj.compare.plan import ALL, EVERYTHING, NONE, InjectionArm, ModelSettings, Plan, ReadingArm, reading_name
from kinj.compare.trainings import make_training, with_seed
from kinj.compare.units import Comparison, PlannedCell, Unit
from kinj.errors import UserError
from kinj.records import Cell, Json

#: What a cell calls the closed book asked from the last question to the first.
REVERSED = "none, reversed"
#: Their passages are chosen by the right answer, so that they bound what retrieval can do: they are no way of reading.
CONTROLS = ("gold", "gold+distractors", "distractors")
_ROLES = {**dict.fromkeys(CONTROLS, "control"), ALL: EVERYTHING}


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
        if self.arm.retriever == NONE:
            return {"retriever": NONE}
        default = ReadingArm.model_construct(k=())
        given = self.arm.model_dump(exclude={"name", "retriever", "k", "tasks"})
        changed = {key: value for key, value in given.items() if value != getattr(default, key)}
        for key in ("index", "template"):
            if key in changed:
                changed[key] = full_path(changed[key])
        k = {} if self.k is None else {"k": self.k}
        return {"retriever": self.arm.retriever, **k, **changed}


def expand(plan: Plan, beside: Path, recipes: RecipeFiles) -> Comparison:
    """The units and cells of a plan.

    Args:
        plan: the plan.
        beside: the plan's folder, from which its recipe files are seen.
        recipes: reads them.

    Raises:
        UserError: a recipe, model, index or benchmark that is not there, an arm without an index, two cells of one id.
    """
    asked = list(questions_of_tasks(plan, plan.tasks, plan.splits))
    readings = list(_readings(plan.reading))
    _refuse_arms_without_index(readings, asked)
    untouched, lacking = forgetting(plan, beside, recipes)
    (reordered, no_order), (withheld, not_open) = option_orders(plan, asked), options_withheld(plan, asked)
    controls = list(_readings(_control_arms(plan, asked)))
    rankings = [(reading.arm, reading.k, reading.ranking) for reading in (*readings, *controls)]
    passes = passes_of(rankings, asked)
    units = []
    for name, model in plan.models.items():
        weights_before = weights_of(model)  # once, not for each seed: it looks at every file of the model's folder
        model_id = id_of([weights_before, asked_as(model)])
        for arm in plan.injection:
            if arm.model not in (None, name):
                continue
            content, training = make_training(plan, model, arm, beside, recipes)
            checkpoint = None if arm.checkpoint is None else ModelSettings(pretrained=arm.checkpoint)
            weights = weights_before if checkpoint is None else weights_of(checkpoint)
            searcher = None
            for seed in plan.seeds if training is not None else (None,):
                key = {"model": weights_before, "asked": asked_as(model), "training": content, "seed": seed}
                if searcher is not None:
                    key["searching_seed"] = plan.seeds[0]
                untrained = _base_args(model, InjectionArm(name=NONE))
                own = with_seed(training, seed, searches=searcher is None)
                unit = Unit(id_of(key), name, model_id, weights, untrained, arm.name, seed, own, (), searcher=searcher)
                if own is not None and own.searches:
                    searcher = unit.id
                if arm.results is not None:
                    judged = [one for one in asked if arm.is_asked(one.task) and is_judged(one, plan)]
                    cells = list(_cells(plan, model, unit, key, {}, judged, [_closed_book()], {}))
                    units.append(replace(unit, cells=tuple(cells), results=full_path(arm.results)))
                    continue
                of_arm = [questions for questions in asked if arm.is_asked(questions.task)]
                read = readings if content is not None else [*readings, *controls]
                extras = untouched if content is not None else [*untouched, *reordered, *withheld]
                extras = [extra for extra in extras if not extra.beside or arm.is_asked(extra.beside)]
                base = _base_args(model, arm)
                cells = list(_cells(plan, model, unit, key, base, of_arm, read, passes))
                if content is None and "reversed" in plan.controls:
                    cells += _noise(cells)
                cells += _extra_cells(plan, model, unit, key, base, extras)
                units.append(replace(unit, cells=tuple(cells)))
    made = [planned.cell for unit in units for planned in unit.cells]
    unasked = [] if plan.general_text is not None else _asked_nothing(units)
    unmeasured = (*lacking, *no_order, *not_open, *left_out(plan, made, [*reordered, *withheld]), *unasked)
    distinct = tuple({one.id: one for one in passes.values()}.values())
    comparison = Comparison(tuple(units), distinct, plan.batch_size, general_text(plan), unmeasured)
    _refuse_twins(comparison)
    return comparison


def _asked_nothing(units: list[Unit]) -> list[Unmeasured]:
    """Arms that are left out, trainings among them, since no reading arm's tasks leave them any."""
    why = "no reading arm is asked any of its tasks"
    empty = (unit for unit in units if not unit.cells)
    return [Unmeasured(str(unit), why if unit.training is None else f"it is not trained: {why}") for unit in empty]


def _closed_book() -> _Reading:
    return _Reading(ReadingArm(name=NONE, k=()), None)


def _readings(arms: Iterable[ReadingArm]) -> Iterator[_Reading]:
    for arm in arms:
        for k in arm.k or (None,):
            yield _Reading(arm, k, {} if arm.retriever == NONE else ranking_of(arm), placing_of(arm))


def _control_arms(plan: Plan, asked: list[Questions]) -> Iterator[ReadingArm]:
    """Ceiling and floor of what retrieval can do, and all of the collection, where the plan has no such arm itself.

    For the untrained model, and questions about a collection of their own; k is the plan's largest. Ceiling and floor
    need questions that say where their answer stands.
    """
    own = [questions for questions in asked if questions.benchmark is not None and questions.task in plan.tasks]
    tasks = tuple(dict.fromkeys(questions.task for questions in own))
    silent = {questions.task for questions in own if not say_their_chunks(questions, plan)}
    told = tuple(task for task in tasks if task not in silent)
    longest = max((k for arm in plan.reading if arm.index is None for k in arm.k), default=None)
    if not tasks or longest is None:
        return
    for name in plan.controls:
        if name in CONTROLS and told and all(name not in (arm.retriever, arm.name) for arm in plan.reading):
            yield ReadingArm(name=name, retriever=name, k=(longest,), tasks=told)
        if name == EVERYTHING and all(arm.retriever != ALL and arm.name != name for arm in plan.reading):
            yield ReadingArm(name=name, retriever=ALL, tasks=tasks)


def _refuse_arms_without_index(readings: list[_Reading], asked: list[Questions]) -> None:
    for reading in readings:
        if reading.arm.retriever == NONE or reading.arm.index is not None:
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
        for reading in readings:
            if not reading.arm.reads(questions.task):
                continue
            role = _ROLES.get(reading.arm.retriever, "main")
            for shots in plan.shots:
                cell = _cell(plan, unit, key, questions, reading, shots, role)
                found = passes.get((questions.key, cell.reading))
                words = tuple(_words(model, questions, shots))
                passages = None if found is None else found.id
                optional = reading.arm.name == EVERYTHING and reading.arm not in plan.reading
                arguments = {**base, **reading.model_args}
                yield PlannedCell(cell, questions, arguments, words, passages, may_be_left_out=optional)


def _extra_cells(
    plan: Plan, model: ModelSettings, unit: Unit, key: Json, base: Json, extras: list[Extra]
) -> Iterator[PlannedCell]:
    """Closed book; those that are no measure of forgetting with the first number of shots alone."""
    closed = _closed_book()
    for extra in extras:
        for shots in plan.shots if extra.role == "forgetting" else plan.shots[:1]:
            cell = replace(_cell(plan, unit, key, extra.questions, closed, shots, extra.role), reading=extra.reading)
            words = tuple(_words(model, extra.questions, shots))
            yield PlannedCell(cell, extra.questions, {**base, **closed.model_args}, words, None)


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
    closed = [planned for planned in cells if planned.cell.retriever == NONE and planned.cell.role == "main"]
    if not closed:
        return []
    planned = next((planned for planned in closed if planned.cell.split == "test"), closed[0])
    cell = replace(planned.cell, id=id_of([planned.cell.id, "reversed"]), reading=REVERSED, role="noise")
    return [replace(planned, cell=cell, is_reversed=True)]


def _words(model: ModelSettings, questions: Questions, shots: int) -> Iterator[str]:
    """The words of the `lm_eval` command, without model, its arguments, size of batches, and output."""
    yield from ("--tasks", questions.task, "--num_fewshot", str(shots))
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
