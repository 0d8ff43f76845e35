"""What a plan asks: the questions of its tasks, and those beside them unless it leaves them out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kinj.benchmark import collection_folder, open_benchmark, shipped_collections
from kinj.compare.identity import RecipeFiles, benchmark_sha256, full_path
from kinj.compare.passes import Questions
from kinj.compare.plan import ALL, EVERYTHING, Plan
from kinj.errors import UserError
from kinj.records import Cell, Json
from kinj.retrieval import RETRIEVERS
from kinj.settings_file import read_settings

CURRENT_EVENTS = "current_events"
#: STATISTICS: known is what is answered right in so many orders, none of them the one that measures the gain
ORDERS = (1, 2, 3, 4)
_UNTOUCHED = ("kinj_current_events_option",)
MMLU = ("kinj_mmlu_anatomy", "kinj_mmlu_astronomy", "kinj_mmlu_college_biology", "kinj_mmlu_prehistory")
#: Endings of our tasks whose prompts do not show the options, or that take a fifth one.
_SHOWN_NOT = ("_option", "_generate", "_abstain")
_OPEN = {
    name: f"{family}_generate"
    for family in ("kinj_benchmark", "kinj_current_events")
    for name in (family, f"{family}_option")
}

_CALLED = {
    "gold": "the ceiling of retrieval (gold)",
    "distractors": "the floor of retrieval (distractors)",
    EVERYTHING: "the whole collection in the prompt (everything)",
    "reversed": "the noise of asking twice (reversed)",
    "orders": "who knew what before, by other option orders (orders)",
    "withheld": "questions without their options (withheld)",
}


@dataclass(frozen=True, slots=True)
class Extra:
    """Questions that are asked closed book beside the plan's tasks."""

    questions: Questions
    role: str
    #: what its cells are called
    reading: str
    #: the task that they are asked for; empty: for none, and of every injection arm
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A control or measure that the plan leaves out, or that cannot be had."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"not measured: {self.what}: {self.why}"


def questions_of_tasks(plan: Plan, tasks: tuple[str, ...], splits: tuple[str, ...]) -> Iterator[Questions]:
    """The questions of each task, split by split where it has several.

    Raises:
        UserError: a task needs a benchmark that is not named, or there is none.
    """
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
        if benchmark not in (None, CURRENT_EVENTS):
            raise UserError(
                f"task {task} asks about current events, the plan is about {benchmark}: take kinj_benchmark and its kin"
            )
        return CURRENT_EVENTS
    if task.startswith("kinj_benchmark"):
        if benchmark is None:
            raise UserError(f"task {task} needs to know which: name the plan's `benchmark`, a folder (docs/format.md)")
        return benchmark
    return None


def is_judged(questions: Questions, plan: Plan) -> bool:
    """Whether the result is told by these: the test split's, where there is one."""
    return questions.split in ("", "test") or "test" not in plan.splits


def forgetting(plan: Plan, beside: Path, recipes: RecipeFiles) -> tuple[list[Extra], list[Unmeasured]]:
    """Questions about what was not trained; where the plan names no tasks, those that are here.

    Raises:
        UserError: a recipe that is not there.
    """
    tasks, split, why = plan.forgetting or (), "test", "the plan leaves it out"
    if plan.forgetting is None:
        tasks, split, why = _untouched(plan, beside, recipes)
    asked = (one for task in tasks for one in questions_of_tasks(_as_about(plan, task), (task,), (split,)))
    extras = [Extra(one, "forgetting", "none", "" if plan.forgetting is None else one.task) for one in asked]
    return extras, [] if extras or not why else [Unmeasured("forgetting", why)]


def _as_about(plan: Plan, task: str) -> Plan:
    """The plan as it stands for a task on what was not trained: current events are a benchmark of their own."""
    return plan.model_copy(update={"benchmark": CURRENT_EVENTS}) if task.startswith("kinj_current_events") else plan


def _untouched(plan: Plan, beside: Path, recipes: RecipeFiles) -> tuple[tuple[str, ...], str, str]:
    """Tasks that ask about nothing that the plan trains on, their split, and why there are none."""
    arms = [arm for arm in plan.injection if not arm.is_base and arm.results is None]
    trained = [_texts_of(arm.recipe, arm.settings, plan, beside, recipes) for arm in arms]
    if not trained:
        return (), "", ""
    is_about_events = any(task.startswith("kinj_current_events") for task in plan.tasks)
    if not is_about_events and CURRENT_EVENTS not in trained:
        return _UNTOUCHED, "dev", ""
    mmlu = tuple(task for task in MMLU if task not in plan.tasks)
    if mmlu and _has_mmlu():
        return mmlu, "test", ""
    return (
        (),
        "",
        (
            "the plan is about current events, and MMLU is not here: bring it (`kinj compare PLAN --fetch`, or "
            "KINJ_MMLU_DIR=DIR of its CSV files), or name tasks under `forgetting`"
        ),
    )


def _texts_of(recipe: str | None, settings: Json, plan: Plan, beside: Path, recipes: RecipeFiles) -> str:
    """The collection that an arm is trained on; of weights that somebody else has trained, that of the plan."""
    own = {} if recipe is None else read_settings(recipes.find_recipe(Path(recipe), beside))
    named = str(settings.get("collection") or plan.benchmark or own.get("collection") or CURRENT_EVENTS)
    shipped = collection_folder(CURRENT_EVENTS).resolve()
    return CURRENT_EVENTS if named != CURRENT_EVENTS and Path(named).resolve() == shipped else named


def _has_mmlu() -> bool:
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = os.environ.get("KINJ_MMLU_DIR")
    if folder:
        return any(Path(folder).glob("*/*.csv"))
    subjects = [task.removeprefix("kinj_mmlu_") for task in MMLU]
    snapshots = Path(HF_HUB_CACHE, "datasets--cais--mmlu", "snapshots")  # a download that was refused leaves none
    return all(any(snapshots.glob(f"*/{subject}/*")) for subject in subjects)


def option_orders(plan: Plan, asked: list[Questions]) -> tuple[list[Extra], list[Unmeasured]]:
    """The judged questions of each task that shows its options, with these in other orders."""
    if "orders" not in plan.controls:
        return [], []
    extras, lacking = [], []
    for questions in asked:
        if not is_judged(questions, plan):
            continue
        if not _shows_options(questions.task):
            why = "its prompts do not show the options" if questions.task.startswith("kinj_") else "no task of kinj's"
            lacking.append(Unmeasured(f"{questions.task} with its options in other orders", why))
            continue
        for order in ORDERS:
            metadata = {**questions.metadata, "option_order": order}
            reordered = replace(questions, metadata=metadata, option_order=order)
            extras.append(Extra(reordered, "orders", f"none, order {order}", questions.task))
    return extras, lacking


def _shows_options(task: str) -> bool:
    return task.startswith("kinj_") and not any(part in task for part in _SHOWN_NOT)


def options_withheld(plan: Plan, asked: list[Questions]) -> tuple[list[Extra], list[Unmeasured]]:
    """The judged questions once more without their options, to be answered in the model's own words."""
    if "withheld" not in plan.controls:
        return [], []
    extras: dict[str, Extra] = {}
    lacking = []
    for questions in asked:
        task = _OPEN.get(questions.task)
        if not is_judged(questions, plan) or questions.task.endswith("_generate") or task in plan.tasks:
            continue
        if task is None or not _has_open_questions(questions, plan):
            why = "no task asks the same without them" if task is None else "no question has accepted answers"
            lacking.append(Unmeasured(f"{questions.task} with its options withheld", why))
            continue
        openly = replace(questions, task=task)
        extras.setdefault(task, Extra(openly, "withheld", "none, options withheld", questions.task))
    return list(extras.values()), lacking


def _has_open_questions(questions: Questions, plan: Plan) -> bool:
    folder = collection_folder(str(_collection_of(questions.task, plan.benchmark)))
    return any(question.accepted_answers for question in open_benchmark(folder).part(questions.split).asked())


def say_their_chunks(questions: Questions, plan: Plan) -> bool:
    """Whether each of a benchmark's questions says which chunks hold its answer; imported ones may not."""
    folder = collection_folder(str(_collection_of(questions.task, plan.benchmark)))
    return all(question.chunk_ids for question in open_benchmark(folder).part(questions.split).asked())


def left_out(plan: Plan, made: Iterable[Cell], extras: Iterable[Extra]) -> Iterator[Unmeasured]:
    """Controls that no cell asks, with the reason: what a plan wishes for may find no arm that can be asked it.

    Args:
        plan: as it was given.
        made: all cells that came of it.
        extras: that the untrained model was to be asked.
    """
    cells = list(made)
    told = {cell.role for cell in cells} | {cell.retriever for cell in cells}
    told |= {"withheld"} if any(cell.task.endswith("_generate") for cell in cells) else set()
    wished = {extra.role for extra in extras}
    is_base_asked = any(arm.is_base for arm in plan.injection)
    for name, called in _CALLED.items():
        if {EVERYTHING: ALL, "reversed": "noise"}.get(name, name) in told:
            continue
        if name not in plan.controls:
            yield Unmeasured(called, "the plan leaves it out")
        elif not is_base_asked or name in wished:
            yield Unmeasured(called, "no arm asks the untrained model (`none` under injection) these tasks")
        elif name in (*RETRIEVERS, EVERYTHING):
            yield Unmeasured(
                called, "no arm of the plan reads, or not every question says which chunk holds its answer"
            )
        elif name == "reversed":
            yield Unmeasured(called, "the untrained model is not asked closed book (`none` under reading)")
    if plan.general_text is None:
        yield Unmeasured("loss on general text", "the plan names none (general_text: FILE)")


def general_text(plan: Plan) -> str | None:
    """The file of the general text by its full path.

    Raises:
        UserError: it is not there, empty, or no text.
    """
    if plan.general_text is None:
        return None
    try:
        if not Path(plan.general_text).read_text(encoding="utf-8").strip():
            raise UserError(f"general_text: {plan.general_text} is empty: every arm's loss is taken on it")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"general_text: {plan.general_text} cannot be read as UTF-8 text ({error})") from error
    return full_path(plan.general_text)
