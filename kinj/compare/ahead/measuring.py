"""`kinj compare PLAN --measure`: how fast this machine asks and trains each model of a plan, in a few minutes."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kinj.compare.ahead.settling import retrieve
from kinj.compare.cells import expand
from kinj.compare.folder import OutputFolder
from kinj.compare.identity import RecipeFiles
from kinj.compare.plan import NONE, InjectionArm, Plan
from kinj.compare.processes import PYTHON, last_line, run_guarded
from kinj.compare.rates import TRAINING, Rates, add_rates, kind_of
from kinj.compare.units import Comparison, Unit
from kinj.manifest import write_whole
from kinj.records import Json

log = logging.getLogger(__name__)

#: For all cells of a model, and for its training, start-up and loading included: what is not done by then stays "not
#: measured". Half of it would do where nothing else computes.
SECONDS = 120.0
_QUESTIONS = 3
#: Injection arms of a model that are tried.
_TRIED = 2
#: A training on few texts: those behind a benchmark's shots, once.
_FEW_TEXTS = ("--split", "fewshot", "--num_train_epochs", "1")
#: Cells that take as long as others that are asked anyway.
_SAME = ("reversed", "orders")


class _TimeUpError(Exception):
    """A measurement took as long as it may."""


def measure(plan: Plan, beside: Path, recipes: RecipeFiles) -> Iterator[str]:
    """Keeps the rates for the next dry run, and yields a line for each, or for what could not be measured.

    Each kind of cell is asked a few questions of, of the untrained model; one training a model learns a few texts.

    Raises:
        UserError: as `expand` and `retrieve`.
    """
    full = expand(plan, beside, recipes)
    with tempfile.TemporaryDirectory(prefix="kinj-compare-") as scratch:
        out = OutputFolder(Path(scratch, "out"))
        small = few_questions(plan, full)
        comparison = expand(small, beside, recipes)
        out.path.mkdir()
        out.begin(small, comparison)
        comparison = retrieve(comparison, out)
        for unit in comparison.units:
            yield from _of_cells(unit, comparison, out)
        for model in plan.models:
            trained = {unit.injection: unit for unit in full.units if unit.model == model and unit.training is not None}
            yield from _of_trainings(list(trained.values())[:_TRIED], Path(scratch))


def few_questions(plan: Plan, full: Comparison) -> Plan:
    """Each kind of cell of a plan, asked the untrained model alone and a few questions.

    Args:
        plan: to be measured.
        full: what it comes to.
    """
    # Named, since a plan that trains nothing forgets nothing.
    untouched = dict.fromkeys(planned.cell.task for planned in full.cells if planned.cell.role == "forgetting")
    changes = {
        "injection": (InjectionArm(name=NONE),),
        "controls": tuple(name for name in plan.controls if name not in _SAME),
        "forgetting": tuple(untouched),
        "general_text": None,
        "limit": _QUESTIONS,
        "batch_size": plan.batch_size if plan.batch_size != "auto" else 1,
    }
    return plan.model_copy(update=changes)


def _of_cells(unit: Unit, comparison: Comparison, out: OutputFolder) -> Iterator[str]:
    command = {"words": [*PYTHON, "kinj_models.evaluate", str(out.unit(unit.id) / "unit.json")], "done": None}
    out.write_unit(unit, comparison.batch_size, None, [command])
    failed = _within_time(out.unit(unit.id))
    rates: Rates = {}
    for planned in unit.cells:
        if out.is_complete(planned.cell.id):
            rates[kind_of(planned)] = _rate(out, planned.cell.id)
    add_rates(unit.weights, rates)
    for kind in dict.fromkeys(map(kind_of, unit.cells)):
        if kind in rates:
            yield f"{unit.model}: {kind}: {rates[kind][0]:.3f} s and {rates[kind][1]:,.0f} tokens a question"
        else:
            yield f"{unit.model}: {kind}: not measured: {failed or 'no time left'}"


def _rate(out: OutputFolder, cell: str) -> tuple[float, float]:
    """Seconds and tokens a question, without what a cell takes whatever the number of its questions."""
    [file] = out.cell(cell).glob("results_*.json")
    told: Json = json.loads(file.read_text(encoding="utf-8"))["config"]["kinj"]["per_question"]
    return float(told["seconds"]), float(told["tokens_computed"] or 0)


def _of_trainings(units: list[Unit], scratch: Path) -> Iterator[str]:
    """The rate of the first that can be trained on few texts; it is a model's, whatever it learns."""
    for unit in units:
        folder = scratch / unit.id
        folder.mkdir()
        words = [] if unit.training is None else [*unit.training.words]
        train = [*PYTHON, "kinj.cli", "train", *_without(words, _FEW_TEXTS[::2]), *_FEW_TEXTS]
        train += ["--output_dir", str(folder / "checkpoint")]
        write_whole(folder / "unit.json", json.dumps({"commands": [{"words": train, "done": None}]}) + "\n")
        failed = _within_time(folder)
        manifest = folder / "checkpoint" / "manifest.json"
        if manifest.is_file():
            told = json.loads(manifest.read_text(encoding="utf-8"))
            seconds, tokens = float(told["seconds"]), int(told["tokens"])
            add_rates(unit.weights, {TRAINING: (seconds / max(1, tokens), 1.0)})
            yield f"{unit.model}: {TRAINING}: {tokens:,} tokens in {seconds:.1f} s ({unit.injection}, a few texts)"
            return
        yield f"{unit.model}: {TRAINING}: not measured by {unit.injection}: {failed}"


def _without(words: list[str], keys: tuple[str, ...]) -> list[str]:
    """The words of a command without these keys and the value behind each."""
    return [word for at, word in enumerate(words) if word not in keys and (at == 0 or words[at - 1] not in keys)]


def _within_time(folder: Path) -> str:
    """Does what a folder's unit.json says for as long as it may; why it failed, or nothing."""
    end = time.monotonic() + SECONDS

    def look() -> None:
        if time.monotonic() > end:
            raise _TimeUpError

    with suppress(_TimeUpError):
        code = run_guarded(folder, look)
        return last_line(folder / "log.txt", code) if code else ""
    return f"it took longer than {SECONDS:.0f} s"
