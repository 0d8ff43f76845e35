"""Done once, before all units: the questions are counted, passages retrieved, and what can be asked is settled."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from kinj.compare.fitting import fit_requests, without_what_does_not_fit
from kinj.compare.folder import OutputFolder
from kinj.compare.passes import Pass, Questions
from kinj.compare.processes import PYTHON, last_line, run_guarded
from kinj.compare.units import Comparison
from kinj.errors import UserError
from kinj.manifest import write_whole
from kinj.records import Json

log = logging.getLogger(__name__)


def retrieve(comparison: Comparison, out: OutputFolder) -> Comparison:
    """Counts the plan's questions and retrieves their passages, where that is not done; gives what can be asked.

    Raises:
        UserError: it failed, with the last line that was said; or a model cannot do its task.
    """
    passes = out.missing_passes(comparison)
    if passes or not is_counted(comparison, out.read_counts()):
        _retrieve(comparison, passes, out)
    return settle(comparison, out.read_counts())


def settle(comparison: Comparison, counts: dict[str, Json]) -> Comparison:
    """The comparison without what is asked by default and does not fit.

    Raises:
        UserError: a model cannot do its task.
    """
    refuse_unscorable(comparison, counts)
    return without_what_does_not_fit(comparison, counts)


def is_counted(comparison: Comparison, counts: dict[str, Json]) -> bool:
    """Whether the counts tell of all that a comparison asks, as its benchmark is now."""
    are_known = all(counts.get(key, {}).get("of") == one.content for key, one in questions_of(comparison).items())
    return are_known and all(one["key"] in counts for one in fit_requests(comparison))


def refuse_unscorable(comparison: Comparison, counts: dict[str, Json]) -> None:
    """Returns where every model can do its tasks.

    Raises:
        UserError: options are to be scored by a model that gives no log-probabilities.
    """
    for planned in comparison.cells:
        base = str(planned.model_args.get("base", "hf"))
        if _gives_text_alone(base) and counts[planned.questions.key]["output_type"] != "generate_until":
            raise UserError(
                f"model {planned.cell.model}: base={base} gives no log-probabilities, which task {planned.cell.task} "
                "scores its options by: take a task that generates (kinj_current_events_generate and its kin)"
            )


def _gives_text_alone(base: str) -> bool:
    """Whether lm-eval's model of that name raises at options: those behind chats, and Anthropic's older one."""
    return "chat" in base or base == "anthropic-completions"


def _retrieve(comparison: Comparison, passes: Sequence[Pass], out: OutputFolder) -> None:
    folder = out.path / "passages"
    request = write_request(comparison, passes, out, out.counts, folder)
    command = {"words": [*PYTHON, "kinj_models.questions", str(request)], "done": None}
    write_whole(folder / "unit.json", json.dumps({"commands": [command]}, indent=1) + "\n")
    log.info("reading the questions, and the passages of %d rankings", len(passes))
    if code := run_guarded(folder, lambda: None, hub_off=comparison.hub_off):
        raise UserError(f"{last_line(folder / 'log.txt', code)} ({folder / 'log.txt'} has all of it)")


def questions_of(comparison: Comparison) -> dict[str, Questions]:
    """All that is asked, by key."""
    return {planned.questions.key: planned.questions for planned in comparison.cells}


def write_request(
    comparison: Comparison, passes: Sequence[Pass], out: OutputFolder, counts: Path, folder: Path
) -> Path:
    """The file that `python -m kinj_models.questions` reads, written into the folder.

    Args:
        comparison: whose questions are counted.
        passes: those to do.
        out: where their folders are.
        counts: the file for the counts.
        folder: of the file.
    """
    questions = [
        {"key": key, "task": one.task, "metadata": one.metadata, "limit": one.limit, "of": one.content}
        for key, one in questions_of(comparison).items()
    ]
    wanted = [
        {
            "folder": str(out.passages(one.id)),
            "questions": one.questions.key,
            "split": one.questions.split,
            "settings": one.settings,
        }
        for one in passes
    ]
    values = {"questions": questions, "counts": str(counts), "passes": wanted, "fits": fit_requests(comparison)}
    write_whole(folder / "request.json", json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return folder / "request.json"
