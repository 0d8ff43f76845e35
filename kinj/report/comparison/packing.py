"""A comparison as a pack (kinj.report.exchange.pack): its numbers by question and cell, and no text of either."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.jsonl import to_object, to_record
from kinj.records import Cell, Json
from kinj.report.comparison.answers import Asked, CellAnswers, TaskQuestions
from kinj.report.comparison.folder import Comparison, Missing, ReadCell
from kinj.report.comparison.writers import Writers, short_name
from kinj.report.exchange import PackedCell, read_cells
from kinj.report.page.redact import redactor
from kinj.report.reading.values import mapping, number
from kinj.statistics import Prior

#: What a report reads of a cell's manifest, and of a training's.
_OF_MANIFEST = ("rows", "tokens", "seconds", "memory", "device")
_OF_TRAINING = ("arm", "recipe", "tokens", "seconds", "steps", "weights_sha256")
_LABELS = ("kind", "form", "knowledge")
_SENT = "questions_with_gold_sent"


def pack(comparison: Comparison) -> Iterator[PackedCell]:
    """The comparison in parts, for `kinj.report.exchange.write_pack`; texts are cleaned of what no report may hold."""
    clean = redactor()
    about = {
        "contrasts": comparison.contrasts, "margin": comparison.margin,
        "prior": [comparison.prior.scale, comparison.prior.degrees_of_freedom],
        "notes": comparison.notes, "not_measured": comparison.not_measured, "assumed": comparison.assumed,
        "files": comparison.files,
        "models": {name: {"pretrained": _fit_name(one.get("pretrained"), clean)}
                   for name, one in comparison.models.items()},
        "plan_names": comparison.plan_names, "plan_cells": [to_object(cell) for cell in comparison.plan_cells],
        "writers": {model: [[_fit_name(name, clean) for name in names] for names in (one.questions, one.texts)]
                    for model, one in comparison.writers.items()},
        "missing": [[to_object(one.cell), one.why] for one in comparison.missing],
    }  # fmt: skip
    yield PackedCell({"comparison": clean(about)}, ())
    for place, questions in comparison.questions.items():
        labels = {name: sorted({getattr(one, name) for one in questions.asked}) for name in _LABELS}
        yield PackedCell(clean({"questions": place, "labels": labels}), list(_questions(questions.asked, labels)))
    for one in comparison.cells:
        yield PackedCell(clean(_facts(one)), list(_answers(one, comparison.questions_of(one.cell).asked)))


def _fit_name(name: object, clean: Callable[[Any], Any]) -> object:
    """A model's name; of one that lies at a path its own, for cleaned of their paths all would be one."""
    return name if name is None or clean(name) == name else short_name(name)


def _questions(asked: Sequence[Asked], labels: Mapping[str, list[str]]) -> Iterator[Json]:
    for one in asked:
        numbers = [labels[name].index(getattr(one, name)) for name in _LABELS]
        yield {"q": _hash(one.identity), "c": [_hash(chunk) for chunk in one.chunk_ids], "l": numbers, "a": one.answer}


def _facts(one: ReadCell) -> Json:
    training, data = one.training, mapping(one.training.get("data"))
    asked = mapping(mapping(training.get("settings")).get("data"))
    kept: Json = {name: training[name] for name in _OF_TRAINING if name in training}
    if training:
        held = [mapping(loss) for loss in training.get("held_out_losses") or ()][-1:]
        kept |= {
            "data": {name: data.get(name) for name in ("documents", "texts")},
            "settings": {"data": {"paraphrases": asked.get("paraphrases")}},
            "files": {"all": sum(mapping(training.get("files")).values())},
            "search": training.get("search") or [],
            "held_out_losses": [{"loss": loss.get("loss")} for loss in held],
            "stages": [{name: stage.get(name) for name in ("arm", "tokens", "seconds")}
                       for stage in map(mapping, training.get("stages") or ())],
        }  # fmt: skip
    return {
        "cell": to_object(one.cell), "name": one.name, "identity": one.identity, "about": one.about_trained,
        "manifest": {name: one.manifest.get(name) for name in _OF_MANIFEST}, "training": kept,
        "retrieval": {name: value for name, value in one.retrieval.items() if number(value) is not None},
        "says_sent": _SENT in one.retrieval, "metrics": list(one.answers.values),
    }  # fmt: skip


def _answers(one: ReadCell, asked: Sequence[Asked]) -> Iterator[Json]:
    count, sent = len(asked), set(one.retrieval.get(_SENT) or ())
    columns = [one.answers.column(name, count).tolist() for name in (*one.answers.values, "probability")]
    chosen = one.answers.choices(count).tolist()
    for at, question in enumerate(asked):
        *values, probability = (None if math.isnan(column[at]) else column[at] for column in columns)
        yield {"v": values, "p": probability, "o": chosen[at], **({"s": 1} if question.id in sent else {})}


def _hash(identity: object) -> str:
    return hashlib.blake2b(repr(identity).encode("utf-8", "replace"), digest_size=8).hexdigest()


def unpack(file: Path) -> Comparison:
    """The comparison in a pack: the same numbers, without texts.

    Raises:
        UserError: it is no pack, cut off, not as kinj writes packs, or holds no comparison.
    """
    try:
        return _unpacked(file, read_cells(file))
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not as `kinj report --pack` writes packs ({type(error).__name__})") from error


def _unpacked(file: Path, parts: Iterable[PackedCell]) -> Comparison:
    clean = redactor()  # whoever packed it may have left in what no report may hold
    found: Comparison | None = None
    for part in parts:
        facts, rows = clean(part.facts), list(part.rows)
        if "comparison" in facts:
            found = _about(file, facts["comparison"])
        elif "questions" in facts and found is not None:
            model, task, split, limit = facts["questions"]
            questions = found.questions[str(model), str(task), str(split), limit] = TaskQuestions()
            for number, row in enumerate(rows):
                questions.place(_asked(number, row, facts["labels"]))
        elif "cell" in facts and found is not None:
            found.cells.append(_cell(file, facts, rows, found))
    if found is None:
        raise UserError(
            f"{file}: a pack of `kinj export`, for `kinj leaderboard`; one for a report is written by `kinj report DIR "
            "--pack FILE`"
        )
    return found


def _about(file: Path, facts: Json) -> Comparison:
    scale, freedom = facts["prior"]
    found = Comparison(
        contrasts=tuple(map(str, facts["contrasts"])),
        margin=float(facts["margin"]),
        prior=Prior(float(scale), int(freedom)),
        notes=list(map(str, facts["notes"])),
        not_measured=list(map(str, facts["not_measured"])),
        models={name: {"pretrained": _text(one["pretrained"])} for name, one in facts["models"].items()},
        plan_names={name: str(one) for name, one in facts["plan_names"].items()},
        plan_cells=[to_record(str(file), one, Cell) for one in facts["plan_cells"]],
        missing=[Missing(to_record(str(file), one, Cell), str(why)) for one, why in facts["missing"]],
        assumed=list(map(str, facts["assumed"])),
        files=list(map(str, facts["files"])),
        writers={name: Writers(*(tuple(map(str, one)) for one in of)) for name, of in facts["writers"].items()},
        has_texts=False,
    )
    if not (0 < found.margin < 1 and 0 < found.prior.scale < 1 and 0 < found.prior.degrees_of_freedom < 10**6):
        raise ValueError("a margin or prior that is none")
    return found


def _asked(number_of_row: int, row: Json, labels: Json) -> Asked:
    kind, form, knowledge = (str(labels[name][at]) for name, at in zip(_LABELS, row["l"], strict=True))
    identity, answer = str(row["q"]), row["a"]
    return Asked(
        key=("row", number_of_row),  # questions of equal texts stand as often as they were asked
        id=identity,
        question="",
        choices=(),
        answer=answer if isinstance(answer, int) else None,
        chunk_ids=tuple(map(str, row["c"])),
        kind=kind,
        form=form,
        knowledge=knowledge,
    )


def _cell(file: Path, facts: Json, rows: Sequence[Json], found: Comparison) -> ReadCell:
    cell = to_record(str(file), facts["cell"], Cell)
    asked, metrics = found.questions_of(cell).asked, list(map(str, facts["metrics"]))
    if len(rows) != len(asked) or any(len(row["v"]) != len(metrics) for row in rows):
        raise ValueError("other rows than questions")
    columns = [[_share(row["v"][at]) for row in rows] for at in range(len(metrics))]
    answers = CellAnswers(
        values=dict(zip(metrics, columns, strict=True)),
        probability=[_share(row["p"]) for row in rows],
        chosen=[int(row["o"]) for row in rows],
        said=[""] * len(rows),
    )
    answers.metric()
    retrieval: Json = {name: _number(value) for name, value in _object(facts["retrieval"]).items()}
    if facts["says_sent"]:
        retrieval[_SENT] = [question.id for question, row in zip(asked, rows, strict=True) if row.get("s")]
    training, about = _training(facts["training"]), facts["about"]
    manifest = _numbers_in(facts["manifest"], "tokens", "seconds", "memory")
    if not number(manifest["rows"]["questions"]) or manifest["rows"]["questions"] < 1:
        raise ValueError("a cell without questions")
    return ReadCell(
        cell, str(facts["name"]), file, manifest, answers, retrieval, str(facts["identity"]), training,
        about if isinstance(about, bool) else None,
    )  # fmt: skip


def _training(value: object) -> Json:
    """A training as `_facts` packs it; every number in it is one."""
    counted = ("tokens", "seconds", "steps")
    training = _numbers_in(value, *counted)
    if not training:
        return training
    data = _object(_object(training["settings"])["data"])
    return {
        **training,
        "data": _numbers_in(training["data"], "documents", "texts"),
        "settings": {"data": _numbers_in(data, "paraphrases")},
        "files": {"all": _number(_object(training["files"])["all"]) or 0},
        "held_out_losses": [_numbers_in(one, "loss") for one in training["held_out_losses"]],
        "stages": [_numbers_in(one, *counted) for one in training["stages"]],
        "search": [_run(one) for one in training.get("search", ())],  # packs of before have none
    }


def _run(value: object) -> Json:
    run = _numbers_in(value, "held_out_loss", "tokens", "seconds")
    if not isinstance(run["chosen"], bool) or run["held_out_loss"] is None:
        raise ValueError("no run of a search")
    return {**run, "settings": _object(run["settings"])}


def _numbers_in(value: object, *names: str) -> Json:
    """An object in which these are numbers or null."""
    return {name: _number(one) if name in names else one for name, one in _object(value).items()}


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise ValueError("no text")
    return value


def _number(value: object) -> float | None:
    """As it stands: a number, or None."""
    if number(value) is None and value is not None:
        raise ValueError("no number")
    return value  # type: ignore[return-value]  # as `number` found


def _share(value: object) -> float:
    """NaN where a question was not asked."""
    found = _number(value)
    return math.nan if found is None else float(found)
