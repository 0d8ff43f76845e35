"""`kinj compare PLAN --fetch`: brings all that a plan reads from the hub, and says at once what cannot be had."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kinj.cache import cache_folder
from kinj.compare.ahead.estimates import plan_stages
from kinj.compare.asked import MMLU, questions_of_tasks
from kinj.compare.cells import expand
from kinj.compare.identity import RecipeFiles, id_of
from kinj.compare.passes import Questions
from kinj.compare.plan import Plan
from kinj.compare.processes import PYTHON, last_line, run_guarded
from kinj.compare.units import Unit
from kinj.errors import UserError
from kinj.hub.find import find_model, hub_errors
from kinj.hub.packaged import DEMO
from kinj.manifest import write_whole
from kinj.retrieval import DEFAULT_EMBEDDER

log = logging.getLogger(__name__)

_MODEL = ("config.json", "*.safetensors")
_ADAPTER = ("adapter_config.json", "*.safetensors")
_EMBEDDER = ("modules.json", "*.safetensors")
#: What transformers, PEFT and sentence-transformers read of a folder on the hub: no other weights, no code.
_FETCHED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*/*.json", "*/*.safetensors")


def fetch(plan: Plan, beside: Path, recipes: RecipeFiles) -> None:
    """Returns once every model, adapter, embedder and data set that the plan names is on this machine.

    From then on the plan's processes ask no hub.

    Raises:
        UserError: some could not be had; one line names each, with the hub's reason.
    """
    lacking = [*_fetch_models(plan)]
    if not lacking:
        lacking = [*_fetch_data(plan, beside, recipes)]
    if lacking:
        gated = "a gated one wants its licence accepted and HF_TOKEN set"
        raise UserError(f"not to be had ({gated}): {'; '.join(lacking)}")
    file = _mark(plan)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(plan.model_dump(mode="json"), indent=1) + "\n")


def is_fetched(plan: Plan) -> bool:
    """Whether all of this very plan was fetched onto this machine."""
    return _mark(plan).is_file()


def _mark(plan: Plan) -> Path:
    return cache_folder("fetched", f"{id_of(plan.model_dump(mode='json'))}.json")


def _fetch_models(plan: Plan) -> Iterator[str]:
    from huggingface_hub.errors import HFValidationError

    failures: tuple[type[Exception], ...] = (*hub_errors(), HFValidationError)
    for name, revision, needed in dict.fromkeys(_named(plan)):
        try:
            found = find_model(name, needed, revision=revision, fetched=_FETCHED)
        except failures as error:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            yield f"{name}: {reason}"
        else:
            log.info("%s: %s", name, found.label)


def _fetch_data(plan: Plan, beside: Path, recipes: RecipeFiles) -> Iterator[str]:
    """Why data sets of tasks and trainings cannot be had. MMLU, which is asked where it is here, may lack."""
    comparison = expand(plan, beside, recipes)
    tasks = {planned.questions.key: planned.questions for planned in comparison.cells}
    wished: tuple[Questions, ...] = ()
    if plan.forgetting is None and any(one.what == "forgetting" for one in comparison.unmeasured):
        wished = tuple(questions_of_tasks(plan, MMLU, ("test",)))
    with tempfile.TemporaryDirectory(prefix="kinj-compare-") as scratch:
        lacking = _fetch_tasks([*tasks.values(), *wished], Path(scratch))
    for key, reason in lacking.items():
        if key in tasks:
            yield f"{key}: {reason}"
        else:
            log.info("%s, which would tell what is forgotten, is not to be had: %s", key, reason)
    trained: dict[tuple[str, str], Unit] = {}
    for unit in comparison.units:
        if unit.training is not None and trained.setdefault((unit.model, unit.injection), unit) is unit:
            log.info("%s: the texts of its training", unit)
            try:
                plan_stages(unit.training, unit)
            except UserError as error:
                yield str(error)


def _fetch_tasks(questions: list[Questions], scratch: Path) -> dict[str, str]:
    """Reasons by key of those whose data set cannot be had."""
    asked = [{"key": one.key, "task": one.task, "metadata": one.metadata} for one in questions]
    lacking = scratch / "lacking.json"
    write_whole(scratch / "request.json", json.dumps({"questions": asked, "lacking": str(lacking)}) + "\n")
    command = {"words": [*PYTHON, "kinj_models.asking.data_sets", str(scratch / "request.json")], "done": None}
    write_whole(scratch / "unit.json", json.dumps({"commands": [command]}) + "\n")
    log.info("fetching the data sets of %d tasks and splits", len(questions))
    if code := run_guarded(scratch, lambda: None):
        raise UserError(f"the data sets of the tasks: {last_line(scratch / 'log.txt', code)}")
    reasons: dict[str, str] = json.loads(lacking.read_text(encoding="utf-8"))
    return reasons


def _named(plan: Plan) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, revision, files it must have) of everything that is not a folder here already."""
    for model in plan.models.values():
        if model.base == "hf" or model.pretrained is not None:
            yield model.pretrained or DEMO.hub_name, model.revision or "main", _MODEL
    for arm in plan.injection:
        if arm.checkpoint is not None:
            yield arm.checkpoint, "main", _MODEL
        if arm.adapter is not None:
            yield arm.adapter, "main", _ADAPTER
    for reading in plan.reading:
        embedder = reading.embedder
        if embedder is None and reading.index is None and reading.retriever in ("dense", "hybrid"):
            embedder = DEFAULT_EMBEDDER
        if embedder is not None and not Path(embedder).is_dir():
            yield embedder, "main", _EMBEDDER
