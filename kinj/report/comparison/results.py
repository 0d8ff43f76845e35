"""Anybody's lm-eval results as a comparison: arms told apart by the model, its adapter and what kinj_rag was asked."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kinj.errors import UserError
from kinj.manifest import sha256_json
from kinj.records import CONTRASTS, OF_EVERYTHING, Cell, Json
from kinj.report.comparison.answers import METRICS, CellAnswers, read_answers
from kinj.report.comparison.folder import Comparison, ReadCell
from kinj.report.comparison.naming import AskedTask, name_all
from kinj.report.reading import Result, Run, read_runs
from kinj.report.reading.folders import cell_manifest
from kinj.report.reading.lm_eval import stamp_of
from kinj.report.reading.plain import plain
from kinj.report.reading.runs import CHECKED
from kinj.report.reading.samples import find_samples
from kinj.report.reading.values import mapping, number
from kinj.report.verdict.contrasts import EVERYTHING, NONE

#: Retrievers that know the right answer, and the one that gives the whole collection.
_CONTROLS, _ALL = ("gold", "gold+distractors", "distractors"), "all"
#: Files that were not taken, said one by one; the rest is counted.
_MOST_SAID = 20


def read_results(paths: Sequence[Path], margin: float = 0.03) -> Comparison:
    """A comparison out of results that no plan made, by the default contrasts; it says what was assumed.

    Args:
        paths: folders, searched at any depth, or files of results, with lm-eval's samples beside them.
        margin: within which two arms are the same, as a share of 1.

    Raises:
        UserError: no such path, or no results with samples that can be paired.
    """
    runs, problems = read_runs(paths)
    notes = [f"not taken: {one}" for one in problems]
    asked = [one for run in runs for one in _tasks(run, notes)]
    name_all(asked)
    asked.sort(key=_order)
    comparison = Comparison(margin=margin)
    read = [(one, cell) for one in asked if (cell := _read(one, comparison, notes)) is not None]
    taken = list(_told_apart(read, notes))
    if not taken:
        raise UserError(
            "\n".join(
                [f"{paths[0]}: no plan.yaml and cells.jsonl of `kinj compare`, and no results of lm-eval whose answers "
                 "can be paired: make some by `lm_eval … --log_samples --output_path DIR`, or `kinj compare smoke "
                 "--output_dir DIR`", *notes[:_MOST_SAID]]
            )
        )  # fmt: skip
    comparison.cells = [cell for _, cell in taken]
    comparison.plan_cells = [cell.cell for cell in comparison.cells]
    comparison.plan_names = {cell.model: cell.model for cell in comparison.plan_cells}  # by which prices are told
    if any(cell.role == EVERYTHING for cell in comparison.plan_cells):
        comparison.contrasts = (*CONTRASTS, *OF_EVERYTHING)
    more = len(notes) - _MOST_SAID
    comparison.notes = [*notes[:_MOST_SAID], *([f"{more} more were not taken"] if more > 0 else [])]
    comparison.notes += _batches(one for one, _ in taken)
    comparison.assumed = list(_assumed(comparison))
    comparison.files = [f"{_said(cell.cell)}: {one.run.place}" for one, cell in taken]
    return comparison


def _tasks(run: Run, notes: list[str]) -> Iterator[AskedTask]:
    """The tasks of a run whose answers are there, whole, and give its score."""
    if run.source != "lm_eval" or cell_manifest(run.file) is not None:
        why = f"of {run.source}, without lm-eval's samples: `kinj leaderboard` shows it"
        if run.source == "lm_eval":
            why = "a cell of `kinj compare`, read with its plan: name its whole folder"
        notes.append(f"not taken: {run.place}: {why}")
        return
    ours = mapping(mapping(json.loads(run.file.read_bytes().decode("utf-8-sig")).get("config")).get("kinj"))
    for task in dict.fromkeys(one.task for one in run.results):
        found = [one for one in run.results if one.task == task and one.metric in METRICS]
        # The one that is compared, `CellAnswers.metric` by `read_answers`'s filter; whether another holds is no matter.
        found.sort(key=lambda one: (METRICS.index(one.metric), one.filter != "none"))
        if found and found[0].checked == CHECKED and _are_shares(found[0]):
            yield AskedTask(run, ours, found[0], _cell(run, ours, found[0]))
            continue
        why = "no whole samples beside it (`--log_samples`), so that nothing can be paired"
        if not found:
            why = f"it has none of {', '.join(METRICS)}"
        elif any(one.answers is not None for one in found):
            why = "its samples give another score, or none from 0 to 1"
        notes.append(f"not taken: {run.place}, {task}: {why}; `kinj leaderboard` shows its scores")


def _are_shares(result: Result) -> bool:
    values = None if result.answers is None else result.answers.values
    return values is not None and bool(((values >= 0) & (values <= 1)).all())


def _cell(run: Run, ours: Json, result: Result) -> Cell:
    """As far as one run alone tells it."""
    checkpoint, retriever = mapping(ours.get("checkpoint")), plain(ours.get("retriever") or NONE)
    adapter = " + ".join(run.settings[name] for name in ("peft", "delta") if run.settings.get(name))
    k = number(ours.get("k")) if retriever not in (NONE, _ALL) else None
    seed, shots = number(mapping(checkpoint.get("seeds")).get("seed")), result.comparison.get("shots", "0")
    return Cell(
        id="",
        unit="",
        model="",
        injection=plain(checkpoint.get("recipe") or adapter or NONE),
        reading=EVERYTHING if retriever == _ALL else retriever,
        task=result.task,
        retriever=retriever,
        k=None if k is None else int(k),
        seed=None if seed is None else int(seed),
        split=result.comparison.get("split", ""),
        num_fewshot=int(shots) if shots.isdecimal() else 0,
        role=EVERYTHING if retriever == _ALL else "control" if retriever in _CONTROLS else "main",
    )


def _order(one: AskedTask) -> tuple[object, ...]:
    """Untrained and closed book first, the fewest passages first."""
    cell = one.cell
    arm = (cell.injection != NONE, cell.injection, cell.seed or 0, cell.retriever != NONE, cell.reading)
    return cell.model, cell.task, cell.num_fewshot, cell.role != "main", cell.k or 0, *arm


# ---- answers


def _read(one: AskedTask, comparison: Comparison, notes: list[str]) -> ReadCell | None:
    run, cell = one.run, one.cell
    file = find_samples(run.file, one.result.task, stamp_of(run.file))
    try:
        if file is None:
            raise UserError("its samples are gone")
        answers = read_answers(file, comparison.questions_of(cell), None)
        answers.metric()
    except UserError as error:
        notes.append(f"not taken: {run.place}, {one.result.task}: {str(error).replace(str(run.file.parent), '')}")
        return None
    place = (cell.model, cell.injection, cell.reading, cell.seed, cell.task, cell.split, cell.num_fewshot)
    cell = replace(cell, id=sha256_json(place)[:16], unit=sha256_json(place[:2] + place[3:4])[:16])
    said = mapping(mapping(one.ours.get("tasks")).get(one.result.task))
    sent = said.get("questions_with_gold_sent")
    retrieval: Json = {name: value for name, value in said.items() if number(value) is not None}
    if isinstance(sent, list):
        retrieval["questions_with_gold_sent"] = [str(identity) for identity in sent]
    about = one.ours.get("questions_about_trained_texts")
    return ReadCell(
        cell=cell,
        name=cell.id,
        folder=run.file.parent,
        manifest={"rows": {"questions": one.result.n or len(answers.chosen)}, **_cost(one)},
        answers=answers,
        retrieval=retrieval,
        identity=one.trained_weights or _sum(answers),
        training=_training(one),
        about_trained=about if isinstance(about, bool) else None,
    )


def _cost(one: AskedTask) -> Json:
    """Tokens and seconds of a task that was asked alone and computed whole; kinj_rag counts those of a run."""
    if len({result.task for result in one.run.results}) > 1 or number(
        mapping(one.ours.get("answers")).get("from_cache")
    ):
        return {}
    seconds = [number(mapping(one.ours.get("seconds")).get(name)) for name in ("retrieving", "scoring")]
    whole = None if None in seconds else sum(value for value in seconds if value is not None)
    return {"tokens": number(mapping(one.ours.get("tokens")).get("computed")), "seconds": whole}


def _training(one: AskedTask) -> Json:
    """Of `kinj train`, without what it took: of several stages results name the last one's alone."""
    names = {name: plain(one.checkpoint[name]) for name in ("arm", "recipe") if one.checkpoint.get(name)}
    return {**names, "weights_sha256": one.trained_weights} if names else {}


def _sum(answers: CellAnswers) -> str:
    """Equal where every answer is: trainings that answer all alike are one."""
    numbers = [answers.values, answers.probability, answers.chosen, answers.said]
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def _told_apart(read: Sequence[tuple[AskedTask, ReadCell]], notes: list[str]) -> Iterator[tuple[AskedTask, ReadCell]]:
    """One file a cell: of equal ones the first; where two differ neither, for nothing says which is meant."""
    by_cell: dict[str, list[tuple[AskedTask, ReadCell]]] = defaultdict(list)
    for one, cell in read:
        by_cell[cell.name].append((one, cell))
    for own in by_cell.values():
        if len({_sum(cell.answers) for _, cell in own}) == 1:
            yield own[0]
            continue
        places = ", ".join(one.run.place for one, _ in own)
        notes.append(f"not taken: {_said(own[0][1].cell)}: several files, and nothing tells them apart: {places}")


def _said(cell: Cell) -> str:
    arm = " + ".join(part for part in (cell.injection, cell.reading) if part != NONE) or "base"
    return f"{cell.model}, {cell.task}, {arm}" + ("" if cell.seed is None else f", seed {cell.seed}")


def _assumed(comparison: Comparison) -> Iterator[str]:
    prior = comparison.prior
    yield (
        f"There is no plan: judged are {', '.join(comparison.contrasts)}; the same is within "
        f"{100 * comparison.margin:g} points; the spread between trainings has the prior of half-t, "
        f"{prior.degrees_of_freedom} degrees of freedom, scale {100 * prior.scale:g} points."
    )
    yield (
        "Arms are told apart by model, adapter, checkpoint of `kinj train` and what kinj_rag was asked. Weights that "
        "were trained and published under a name of their own count as another model. Of several k without a dev "
        "split the smallest is judged."
    )


def _batches(asked: Iterable[AskedTask]) -> Iterator[str]:
    """Of each task whose runs were not asked in batches of one size."""
    sizes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in asked:
        sizes[one.cell.model, one.cell.task].add(one.run.details.get("batch_size", "not said"))
    for (model, task), own in sizes.items():
        if len(own) > 1:
            batches = ", ".join(sorted(own))
            yield f"{model}, {task}: asked in batches of {batches}; that alone can move answers a little."
