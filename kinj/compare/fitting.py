"""Whether a whole collection fits a model's window: known before anything is trained, so that nothing waits for it."""

from __future__ import annotations

from dataclasses import replace

from kinj.compare.asked import Unmeasured
from kinj.compare.identity import LOADERS, id_of, index_identity
from kinj.compare.plan import ALL, NONE, Plan
from kinj.compare.units import Comparison, PlannedCell, Unit
from kinj.errors import UserError
from kinj.passages import load_template
from kinj.records import CONTRASTS, OF_EVERYTHING, Json

_SYSTEM, _CHAT = "--system_instruction", "--apply_chat_template"


def fit_requests(comparison: Comparison) -> list[Json]:
    """What `python -m kinj_models.questions` has to measure: each model with each collection that it'd read whole."""
    wanted: dict[str, Json] = {}
    for unit in comparison.units:
        for planned in unit.cells:
            if planned.cell.retriever == ALL and _is_measured(planned):
                words = planned.words
                system = words[words.index(_SYSTEM) + 1] if _SYSTEM in words else ""
                wanted[_key(unit, planned)] = {
                    "questions": planned.questions.key,
                    "model_args": planned.model_args | unit.untrained_args,
                    "system_prompt": system,
                    "chat_template": _chat_template_in(words),
                    "shots": planned.cell.num_fewshot,
                }
    return [{"key": key, **one} for key, one in wanted.items()]


def without_what_does_not_fit(comparison: Comparison, measured: dict[str, Json]) -> Comparison:
    """The comparison without the cells that are asked by default and that the model's window cannot hold.

    Args:
        comparison: of a plan.
        measured: `tokens` and `window` by the keys of `fit_requests`.

    Raises:
        UserError: the plan itself asks for one of them.
    """
    units, left_out = [], []
    for unit in comparison.units:
        kept = []
        for planned in unit.cells:
            why = _why_not(planned, measured.get(_key(unit, planned)))
            if why is None:
                kept.append(planned)
            elif planned.may_be_left_out:
                left_out.append(Unmeasured(f"{planned.cell.reading}, {unit.model}, {planned.questions.key}", why))
            else:
                raise UserError(
                    f"model {unit.model} cannot read the whole collection of task {planned.cell.task}: {why}: take a "
                    "model with a larger window, or leave the reading arm of retriever all out"
                )
        units.append(replace(unit, cells=tuple(kept)))
    return replace(comparison, units=tuple(units), unmeasured=(*comparison.unmeasured, *dict.fromkeys(left_out)))


def with_contrasts(plan: Plan, comparison: Comparison) -> Plan:
    """The plan with the contrasts that are judged where it names none: those with everything where that is asked."""
    if plan.contrasts is not None:
        return plan
    is_asked = any(planned.cell.retriever == ALL for planned in comparison.cells)
    return plan.model_copy(update={"contrasts": (*CONTRASTS, *(OF_EVERYTHING if is_asked else ()))})


def _chat_template_in(words: tuple[str, ...]) -> bool | str:
    """Whether the command puts a chat template around prompts, or the name of the one it takes."""
    if _CHAT not in words:
        return False
    after = words[words.index(_CHAT) + 1 :]
    return after[0] if after and not after[0].startswith("--") else True


def _is_measured(planned: PlannedCell) -> bool:
    return str(planned.model_args.get("base", "hf")) in LOADERS


def _key(unit: Unit, planned: PlannedCell) -> str:
    index, template = planned.model_args.get("index"), planned.model_args.get("template")
    collection = None if index is None else index_identity(index, ALL)
    content = id_of([planned.questions.content, collection, load_template(template).sha256])
    return f"{unit.model_id} {planned.questions.key} {index or NONE} {planned.cell.num_fewshot} {content}"


def _why_not(planned: PlannedCell, measured: Json | None) -> str | None:
    if planned.cell.retriever != ALL:
        return None
    if measured is None:
        # A server cuts or refuses by itself; what a plan asks for is tried.
        is_unknown = not _is_measured(planned) and planned.may_be_left_out
        return f"the window of base={planned.model_args.get('base')} is not known here" if is_unknown else None
    if measured["tokens"] <= measured["window"]:
        return None
    return f"{measured['tokens']:,} tokens with its longest question, the window has {measured['window']:,}"
