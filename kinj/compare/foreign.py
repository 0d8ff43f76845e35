"""Results that somebody else has computed with lm-eval, taken as cells where their questions are those of the plan."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kinj.compare.folder import OutputFolder
from kinj.compare.plan import NONE
from kinj.compare.units import Comparison, PlannedCell, Unit
from kinj.errors import UserError
from kinj.jsonl import read_objects
from kinj.manifest import sha256_file, sha256_json, write_manifest
from kinj.records import Cell, Json

#: Of a row of samples, what its answers are paired by.
_ROW = ("filter", "doc_hash", "target_hash", "prompt_hash", "resps")


def check_foreign(comparison: Comparison) -> None:
    """Returns where every folder of results has what the plan asks of it.

    Raises:
        UserError: no such folder, no samples of a task or those of several runs, samples of another program, or
            another number of shots.
    """
    for unit in comparison.units:
        for planned in unit.cells if unit.results is not None else ():
            _, samples = _files_of(Path(str(unit.results)), planned.cell)
            _rows_of(samples)


def take_foreign(unit: Unit, comparison: Comparison, out: OutputFolder) -> str | None:
    """Takes the cells of a folder of results that are not there yet; why one of them cannot be, or None.

    They are taken last, since their questions are held against those of a complete cell of the plan's own.
    """
    for planned in unit.cells:
        if not out.is_complete(planned.cell.id):
            try:
                _take(Path(str(unit.results)), planned, comparison, out)
            except UserError as error:
                return str(error)
    return None


def _take(folder: Path, planned: PlannedCell, comparison: Comparison, out: OutputFolder) -> None:
    results, samples = _files_of(folder, planned.cell)
    rows = _rows_of(samples)
    own = _partner(planned, comparison, out)
    [own_samples] = out.cell(own.id).glob(f"samples_{own.task}_*.jsonl")
    _refuse_other_questions(samples, rows, [row for _, row in read_objects(own_samples)])
    filters = {row["filter"] for row in rows}
    scratch = out.cell(planned.cell.id + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for file in (results, samples):
        shutil.copyfile(file, scratch / file.name)
    manifest: Json = {
        "made_by": "kinj compare",
        "cell": asdict(planned.cell),
        "taken_from": str(folder.resolve()),
        "batch_size": None,
        "command": None,
        "rows": {"questions": len(rows) // len(filters), "filters": len(filters), "rows": len(rows)},
        "responses_sha256": sha256_json(sorted([row["doc_hash"], row["filter"], row["resps"]] for row in rows)),
        "questions_sha256": sha256_json(sorted(_questions(rows))),
        "seconds": None,
        "tokens": None,
        "memory": None,
        "device": "",
        "files": {path.name: path.stat().st_size for path in sorted(scratch.iterdir())},
        "sha256": {path.name: sha256_file(path) for path in sorted(scratch.iterdir())},
        "versions": {},
    }
    write_manifest(scratch, manifest)
    shutil.rmtree(out.cell(planned.cell.id), ignore_errors=True)  # what was killed before it had its manifest
    scratch.rename(out.cell(planned.cell.id))


def _rows_of(samples: Path) -> list[Json]:
    """The rows of a file of samples.

    Raises:
        UserError: one of them lacks what lm-eval writes and answers are paired by.
    """
    rows = []
    for place, row in read_objects(samples):
        if lacking := [key for key in _ROW if key not in row]:
            raise UserError(
                f"results: {place}: no `{lacking[0]}`: not as lm_eval --log_samples writes it (another program, or "
                "another version): ask again with the lm_eval of here"
            )
        rows.append(row)
    return rows


def _files_of(folder: Path, cell: Cell) -> tuple[Path, Path]:
    """The results and samples of a cell's task, the newest where a folder has several.

    Raises:
        UserError: there are none, in several folders, of another number of shots, or asked with passages.
    """
    if not folder.is_dir():
        raise UserError(f"results: {folder}: no such folder; name one that `lm_eval --output_path` wrote")
    found = [(results, samples) for results, samples in _runs(folder, cell.task)]
    if not found:
        raise UserError(
            f"results: {folder} has no samples of task {cell.task}: run lm_eval with --log_samples, or name the arm's "
            "`tasks`"
        )
    if len(folders := sorted({samples.parent for _, samples in found})) > 1:
        places = ", ".join(str(place) for place in folders)
        raise UserError(
            f"results: {folder} has task {cell.task} in several folders, as of several models: name one of {places}"
        )
    results, samples = max(found)  # lm-eval's names end with the date
    told = json.loads(results.read_text(encoding="utf-8"))
    retriever = ((told.get("config") or {}).get("kinj") or {}).get("retriever", NONE)
    if retriever != NONE:  # lm-eval's hashes of prompts are of those without passages
        raise UserError(
            f"results: {results}: asked with retriever={retriever}; an arm's results are closed book: passages are the "
            "plan's own reading arms"
        )
    shots = told["n-shot"].get(cell.task)
    if shots != cell.num_fewshot:
        raise UserError(
            f"results: {results}: task {cell.task} was asked with {shots} shots, the plan asks with "
            f"{cell.num_fewshot}: answers to other prompts are not compared"
        )
    return results, samples


def _runs(folder: Path, task: str) -> Iterator[tuple[Path, Path]]:
    for samples in folder.rglob(f"samples_{task}_*.jsonl"):
        date = samples.stem.removeprefix(f"samples_{task}_")
        results = samples.with_name(f"results_{date}.json")
        if results.is_file():  # else the task's name only begins so
            yield results, samples


def _partner(planned: PlannedCell, comparison: Comparison, out: OutputFolder) -> Cell:
    """A complete closed-book cell of the plan's own that asks the same of the same model.

    Raises:
        UserError: there is none.
    """
    for unit in comparison.units:
        for other in unit.cells if unit.results is None else ():
            cell = other.cell
            is_same = other.questions == planned.questions and cell.num_fewshot == planned.cell.num_fewshot
            is_same &= cell.model == planned.cell.model  # whose prompts may have another template
            if is_same and (cell.retriever, cell.role) == (NONE, "main") and out.is_complete(cell.id):
                return cell
    raise UserError(
        f"no complete cell of the plan asks {planned.cell.model} {planned.questions.key} closed book, to hold these "
        "results against: add the arm "
        "`none` to `injection` and to `reading`"
    )


def _refuse_other_questions(file: Path, theirs: list[Json], ours: list[Json]) -> None:
    """Returns where two files of samples answer the same questions, asked by the same prompts.

    By lm-eval's hashes of row and target, never by place: `--limit` and order may differ (STATISTICS, section 8).

    Raises:
        UserError: they do not, with the numbers.
    """
    keys = [(row["filter"], row["doc_hash"]) for row in theirs]
    if len(set(keys)) < len(keys):
        raise UserError(f"{file}: a question stands twice: results of several runs in one file cannot be paired")
    their_questions, our_questions = _questions(theirs), _questions(ours)
    if their_questions != our_questions:
        raise UserError(
            f"{file}: other questions than the plan's: it has {len(their_questions)}, the plan {len(our_questions)}, "
            f"both {len(their_questions & our_questions)}: not paired; ask the same rows (version, split, --limit)"
        )
    for name in {row["filter"] for row in theirs}:
        filtered = _questions([row for row in theirs if row["filter"] == name])
        if filtered != our_questions:
            raise UserError(
                f"{file}: filter {name} has {len(filtered)} of {len(our_questions)} questions: the file is cut, or its "
                "rows are of several runs: not paired"
            )
    if {row["prompt_hash"] for row in theirs} != {row["prompt_hash"] for row in ours}:
        raise UserError(
            f"{file}: the same questions by other prompts (template, system prompt, shots): not paired; ask them as "
            "the plan does"
        )


def _questions(rows: list[Json]) -> set[str]:
    return {f"{row['doc_hash']} {row['target_hash']}" for row in rows}
