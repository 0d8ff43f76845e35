"""One stage behind the other, each resumable; what was done, and how long it took, stands in `decide.json`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.benchmark import open_benchmark, register
from kinj.decide.planning import LEARNING_RATE, Extent, Texts, as_text, cuts, plan, recipe
from kinj.decide.stages import Request, Stage, command, run, stages
from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import sha256_file, sha256_json, write_whole
from kinj.records import Json
from kinj.writing.candidate import HELD_OUT, sort_of
from kinj.writing.journal import NAME as JOURNAL

Say = Callable[[str], None]
RECORD = "decide.json"
_CHUNKS, _TEXTS = "chunks.jsonl", ("paraphrases.jsonl", "pairs.jsonl")
#: Sorts of rows that the stages of a writer write anew of its journal.
_REWRITTEN = ("paraphrases", HELD_OUT, "pairs")


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
        begun, imported = time.monotonic(), ""
        if stage.name == "compare":
            write_plan(request, budget, record, say)
        if stage.name == "report":
            notes = [word for note in _notes(request, record) for word in ("--note", note)]
            stage = replace(stage, words=(*stage.words, *notes))
        if stage.name == "questions" and request.questions is not None:
            imported = _inputs_of_import(request)
            if _import_that_is_there(request) == imported:
                say("the same questions about the same chunks are there already")
                _put_back_texts(request, say)  # a run may have been ended between an import and this
                _refuse_without_questions(request)
                continue
            stage = replace(stage, words=(*stage.words, "--overwrite")) if record.values["imported"] else stage
            _set_aside_texts(request)
        try:
            run(stage)
            if imported:
                record.values["imported"] = imported
                _put_back_texts(request, say)
        finally:
            record.took(stage, time.monotonic() - begun)
        if stage.name == "questions":
            _refuse_without_questions(request)
    return list(conclusion(request, record))


def _refuse_without_questions(request: Request) -> None:
    """Returns where there are questions to judge by and to choose by: before texts to train on are paid for.

    Raises:
        UserError: a split has none.
    """
    found = open_benchmark(request.benchmark, needs_questions=False)
    for split, what in (("test", "the verdict is about"), ("dev", "the number of passages is chosen by")):
        if not found.part(split).questions:
            raise UserError(
                f"{request.benchmark}: none of its {len(found.questions)} questions is in split {split}, which {what}: "
                "add questions or documents, or see the reasons of those that were refused, in "
                f"{request.benchmark / ('review.jsonl' if request.questions is None else 'refused.jsonl')}"
            )


def _notes(request: Request, record: Record) -> Iterator[str]:
    """What a reader of the verdict has to know: what a budget left out, and what the recipe had to do without."""
    if left_out := record.values["left_out"]:
        # Who edits the plan may have asked for it again.
        when = ", before the plan was edited" if record.is_edited("plan", request.plan) else ""
        yield f"Left out for the budget{when}: {', '.join(left_out)}."
    if not record.is_edited("recipe", request.recipe):
        yield from record.values["lacking"]


def _inputs_of_import(request: Request) -> str:
    """What the imported questions rest on: their file, and the chunks among which theirs were looked for."""
    return sha256_json([sha256_file(file) for file in (request.questions, request.collection / _CHUNKS) if file])


def _import_that_is_there(request: Request) -> str:
    """The same of the benchmark's questions, whoever imported them: a file may need options that are not ours.

    Empty where there are none, or where the encoding that is asked for may read the file otherwise.
    """
    file = request.benchmark / MANIFEST
    manifest: Json = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    imported = manifest.get("imported", {})
    read_in = imported.get("encoding")
    # Without one and with no row refused, nothing was there that UTF-8 could not say.
    if request.encoding not in (None, read_in) and (read_in or imported.get("refused")):
        return ""
    parts = [imported.get("sha256"), manifest.get("files", {}).get(_CHUNKS)]
    return sha256_json(parts) if all(parts) else ""


def _set_aside_texts(request: Request) -> None:
    """Copies the training texts out of the benchmark, which an import makes anew without them."""
    for name in _TEXTS:
        if (request.benchmark / name).is_file():
            there = _rows(request.benchmark / name)
            known = {json.dumps(row) for row in there}
            waiting = [row for row in _rows(request.out / name) if json.dumps(row) not in known]  # of an earlier time
            _write_rows(request.out / name, [*there, *waiting])


def _put_back_texts(request: Request, say: Say) -> None:
    """Moves them back but for what the writer writes anew; those about a chunk that is there no longer stay aside."""
    for name in _TEXTS:
        aside, there = request.out / name, request.benchmark / name
        if not aside.is_file():
            continue
        chunks = _chunks(request)
        rows = _rows(aside)
        if request.writer is not None and (request.benchmark / JOURNAL).is_file():
            rows = [row for row in rows if sort_of(str(row.get("id"))) not in _REWRITTEN]
        back = [row for row in rows if row.get("chunk_id") in chunks]
        if back and not there.is_file():  # one that is there is a later one
            _write_rows(there, back)
        known = {json.dumps(row) for row in _rows(there)}
        if left := [row for row in rows if json.dumps(row) not in known]:
            _write_rows(aside, left)
            strangers = sum(row.get("chunk_id") not in chunks for row in left)
            say(
                f"{aside}: {len(left):,} rows are not taken, {strangers:,} of them about a chunk that is no longer "
                f"there: mend them, and move them to {there}"
            )
        else:
            aside.unlink()


def _chunks(request: Request) -> set[str]:
    return {row["id"] for row in _rows(request.benchmark / _CHUNKS)}


def _rows(file: Path) -> list[Json]:
    return [row for _, row in read_objects(file)] if file.is_file() else []


def _write_rows(file: Path, rows: Sequence[Json]) -> None:
    write_whole(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


class Record:
    """`decide.json`: what was asked for, what was left out for the budget, and each stage's seconds, of all runs."""

    def __init__(self, request: Request) -> None:
        self._path = request.out / RECORD
        asked: Json = json.loads(json.dumps(asdict(request), default=str))
        before: Json = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self.values: Json = {"made_by": "kinj decide", "stages": {}, "left_out": [], "chosen": {}, "imported": ""}
        self.values |= {"plan_sha256": "", "recipe_sha256": "", "lacking": []}
        self.values |= before | {"request": asked}

    def took(self, stage: Stage, seconds: float) -> None:
        """Adds to a stage's time."""
        entry = self.values["stages"].setdefault(stage.name, {"seconds": 0.0})
        entry |= {"command": stage.typed, "seconds": round(entry["seconds"] + seconds, 1)}
        self.keep()

    def is_edited(self, name: str, file: Path) -> bool:
        """Whether a file that was written, the plan or the recipe, is there as somebody else has left it."""
        return file.is_file() and sha256_file(file) != self.values[f"{name}_sha256"]

    def keep(self) -> None:
        """Writes the file."""
        write_whole(self._path, json.dumps(self.values, indent=1, ensure_ascii=False) + "\n")


def write_plan(request: Request, budget: float | None, record: Record, say: Say) -> None:
    """Writes the comparison's plan and recipe, cut to the budget; what a person has edited stays.

    Raises:
        UserError: the least that can be compared takes longer than the budget, or what it takes cannot be measured.
    """
    if record.is_edited("plan", request.plan):
        uncut = "" if budget is None else ", not cut to the budget"
        say(f"plan: {request.plan} was edited and is taken as it is{uncut}; delete it to have it written anew")
        return
    texts, is_own = Texts.of(open_benchmark(request.benchmark)), record.is_edited("recipe", request.recipe)
    if is_own:
        say(f"plan: {request.recipe} was edited and is taken as it is; delete it to have it written anew")
    # A budget cuts no paraphrases out of a person's own recipe.
    extent = Extent(paraphrases=0 if is_own else min(Extent().paraphrases, texts.paraphrases))
    basis = sha256_json([register(request.benchmark).sha256, request.model, budget, asdict(extent)])
    chosen = record.values["chosen"]
    if budget is not None and chosen.get("basis") == basis:
        # Not chosen anew: the estimate is of what is missing, into which more would seem to fit the further a run got.
        kept = chosen["extent"]
        _write(request, texts, replace(extent, **{**kept, "k": tuple(kept["k"])}), record)
        _say_lacking(record, say, is_own=is_own)
        say(f"plan: {request.plan}: cut as before; {_hours(_estimate(request))} for what is missing")
        return
    _write(request, texts, extent, record)
    seconds = _estimate(request)
    if seconds is None and budget is not None:
        seconds = _measured(request, say)
    say(f"plan: {request.plan}: {_hours(seconds)} for trainings and questions")
    left_out = []
    if budget is not None and seconds is not None:
        for smaller, what in cuts(extent):
            if seconds <= budget:
                break
            left_out.append(what)
            extent = smaller
            _write(request, texts, extent, record)
            smaller_seconds = _estimate(request)
            seconds = _measured(request, say) if smaller_seconds is None else smaller_seconds
            say(f"over the budget of {_hours(budget)}: without {what} it is {_hours(seconds)}")
        if seconds > budget:
            raise UserError(
                f"--budget: the least that can be compared takes {_hours(seconds)}, the budget is {_hours(budget)}: "
                f"give more, a smaller model, or edit {request.plan} (limit: asks fewer questions)"
            )
    _say_lacking(record, say, is_own=is_own)
    record.values |= {"left_out": left_out, "chosen": {"basis": basis, "extent": asdict(extent)}}
    record.keep()


def _say_lacking(record: Record, say: Say, *, is_own: bool) -> None:
    for line in () if is_own else record.values["lacking"]:
        say(f"plan: {line}")


def _lacking(texts: Texts, values: Json) -> Iterator[str]:
    """What keeps a recipe that was made of the texts from being the best that there is."""
    if "search" not in values:
        why = "No paraphrases are held out to choose a learning rate by"
        if texts.held_out:
            why = "All paraphrases are held out, so that the raw texts are trained on"
        yield f"{why}: {LEARNING_RATE:g} is taken unsearched."
    taken = values.get("paraphrases", 0)
    if few := texts.chunks_with_fewer(taken):
        yield f"{few:,} chunks have fewer than {taken} paraphrases: those that they have are trained on."


def _write(request: Request, texts: Texts, extent: Extent, record: Record) -> None:
    if not record.is_edited("recipe", request.recipe):
        values = recipe(texts, extent)
        record.values["lacking"] = list(_lacking(texts, values))
        write_whole(request.recipe, yaml.safe_dump(values, sort_keys=False))
        record.values["recipe_sha256"] = sha256_file(request.recipe)
    write_whole(request.plan, as_text(request, plan(request, extent)))
    record.values["plan_sha256"] = sha256_file(request.plan)
    record.keep()


def _measured(request: Request, say: Say) -> float:
    """Seconds that the plan takes, once the speed of this machine was measured for it."""
    say("plan: this machine's speed is not known yet and is measured, a few minutes")
    subprocess.run(command(("compare", str(request.plan), "--measure")), check=False)
    seconds = _estimate(request)
    if seconds is None:
        raise UserError("--budget: the speed of this machine could not be measured: leave the budget out")
    return seconds


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
