"""One stage behind the other, each resumable; what was done, and how long it took, stands in `decide.json`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.benchmark import open_benchmark
from kinj.decide.planning import Extent, Texts, as_text, cuts, plan, recipe
from kinj.decide.stages import Request, Stage, command, run, stages
from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file, sha256_json, write_whole
from kinj.records import Json

Say = Callable[[str], None]
RECORD = "decide.json"


def decide(request: Request, budget: float | None, say: Say) -> list[str]:
    """Does every stage, and gives the verdict's lines.

    Args:
        request: what was asked for.
        budget: seconds that training and asking may take by estimate; None: all they take.
        say: is given each line for the screen.

    Raises:
        UserError: a stage failed, or not even the least that can be compared fits the budget.
    """
    planned = stages(request)
    request.out.mkdir(parents=True, exist_ok=True)
    record = Record(request)
    for place, stage in enumerate(planned, start=1):
        say(f"stage {place} of {len(planned)}, {stage.name}: {stage.typed}")
        begun = time.monotonic()
        if stage.name == "compare":
            write_plan(request, budget, record, say)
        if stage.name == "report" and (left_out := record.values["left_out"]):
            stage = replace(stage, words=(*stage.words, "--note", f"Left out for the budget: {', '.join(left_out)}."))
        if stage.name == "questions" and request.questions is not None:
            imported = _inputs_of_import(request)
            if record.values["imported"] == imported and (request.benchmark / MANIFEST).is_file():
                say("the same questions about the same chunks are there already")
                continue
            stage = replace(stage, words=(*stage.words, "--overwrite")) if record.values["imported"] else stage
            record.values["imported"] = imported
        try:
            run(stage)
        finally:
            record.took(stage, time.monotonic() - begun)
    return list(conclusion(request, record))


def _inputs_of_import(request: Request) -> str:
    """What the imported questions rest on: their file, and the chunks among which theirs were looked for."""
    return sha256_json([sha256_file(file) for file in (request.questions, request.collection / "chunks.jsonl") if file])


class Record:
    """`decide.json`: what was asked for, what was left out for the budget, and each stage's seconds, of all runs."""

    def __init__(self, request: Request) -> None:
        self._path = request.out / RECORD
        asked = {name: str(value) for name, value in asdict(request).items() if value is not None}
        before: Json = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self.values: Json = {"made_by": "kinj decide", "stages": {}, "left_out": [], "plan_sha256": "", "imported": ""}
        self.values |= before | {"request": asked}

    def took(self, stage: Stage, seconds: float) -> None:
        """Adds to a stage's time."""
        entry = self.values["stages"].setdefault(stage.name, {"seconds": 0.0})
        entry |= {"command": stage.typed, "seconds": round(entry["seconds"] + seconds, 1)}
        self.keep()

    def keep(self) -> None:
        """Writes the file."""
        write_whole(self._path, json.dumps(self.values, indent=1, ensure_ascii=False) + "\n")


def write_plan(request: Request, budget: float | None, record: Record, say: Say) -> None:
    """Writes the comparison's plan and recipe, cut to the budget; a plan that a person has edited stays.

    Raises:
        UserError: the least that can be compared takes longer than the budget.
    """
    if request.plan.is_file() and sha256_file(request.plan) != record.values["plan_sha256"]:
        say(f"plan: {request.plan} was edited and is taken as it is; delete it to have it written anew")
        return
    texts = Texts.of(open_benchmark(request.benchmark))
    extent, left_out = Extent(paraphrases=min(Extent().paraphrases, texts.paraphrases)), []
    _write(request, texts, extent, record)
    seconds = _estimate(request)
    if seconds is None and budget is not None:
        say("plan: this machine's speed is not known yet and is measured, a few minutes")
        subprocess.run(command(("compare", str(request.plan), "--measure")), check=False)
        seconds = _estimate(request)
        if seconds is None:
            raise UserError("--budget: the speed of this machine could not be measured: leave the budget out")
    say(f"plan: {request.plan}: {_hours(seconds)} for trainings and questions")
    if budget is not None and seconds is not None:
        for smaller, what in cuts(extent):
            if seconds <= budget:
                break
            left_out.append(what)
            _write(request, texts, smaller, record)
            seconds = _estimate(request) or 0.0
            say(f"over the budget of {_hours(budget)}: without {what} it is {_hours(seconds)}")
        if seconds > budget:
            raise UserError(
                f"--budget: the least that can be compared takes {_hours(seconds)}, the budget is {_hours(budget)}: "
                f"give more, a smaller model, or edit {request.plan} (limit: asks fewer questions)"
            )
    record.values["left_out"] = left_out
    record.keep()


def _write(request: Request, texts: Texts, extent: Extent, record: Record) -> None:
    file = request.out / "fine-tuned.yaml"
    write_whole(file, yaml.safe_dump(recipe(texts, extent), sort_keys=False))
    write_whole(request.plan, as_text(request, plan(request, texts, extent, file)))
    record.values["plan_sha256"] = sha256_file(request.plan)
    record.keep()


def _estimate(request: Request) -> float | None:
    """Seconds that the plan takes by its dry run; None where no speed of the model is known."""
    words = ("compare", str(request.plan), "--output_dir", str(request.comparison), "--dry-run", "--json")
    done = subprocess.run(command(words), check=False, stdout=subprocess.PIPE)
    if done.returncode:
        raise UserError(f"{request.plan}: the dry run ended with exit code {done.returncode}, for the reason above")
    total = json.loads(done.stdout)["total"]
    if not total["not_measured"]:
        return float(total["seconds"])
    return None


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "a time that is not measured yet"
    return f"{seconds / 60:,.0f} minutes" if seconds < 5400 else f"{seconds / 3600:,.1f} hours"


def conclusion(request: Request, record: Record) -> Iterator[str]:
    """The verdict as the report's page begins, what was left out, and what each stage took."""
    page = json.loads((request.report / "report.json").read_text(encoding="utf-8"))
    for block in page["verdicts"]:
        yield " ".join(block["recommendation"])
    if left_out := record.values["left_out"]:
        yield f"left out for the budget: {', '.join(left_out)}"
    took = record.values["stages"].items()
    yield "minutes: " + ", ".join(f"{name} {entry['seconds'] / 60:.1f}" for name, entry in took)
    yield str(request.report / "report.html")
