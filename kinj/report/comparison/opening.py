"""Whatever a report is made of: comparisons with their plans, or results without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinj.errors import UserError
from kinj.report.comparison.folder import CELLS, Comparison, is_folder, read_folders
from kinj.report.comparison.packing import unpack
from kinj.report.comparison.results import read_results
from kinj.report.exchange.pack import SUFFIX


def read_comparison(paths: Sequence[Path], margin: float | None = None) -> Comparison:
    """All cells there, with their answers.

    Args:
        paths: folders of `kinj compare`; or folders and files of lm-eval's results; or one pack of a report, or a
            folder in which one lies beside the plan in the place of the cells.
        margin: within which two arms are the same, as a share of 1; None: as the plan says, or 3 points.

    Raises:
        UserError: nothing that can be read, results beside comparisons, or a margin that a plan has declared.
    """
    packs = [pack for path in paths if (pack := _pack_of(path)) is not None]
    if packs:
        if len(paths) > 1:
            raise UserError(f"{packs[0]}: a pack is one family of contrasts, and stands in a report of its own")
        if margin is not None:
            raise UserError("--margin: the pack holds it; give it where the pack is written")
        return unpack(packs[0])
    with_plan = [is_folder(path) for path in paths]
    if any(with_plan):
        if not all(with_plan):
            raise UserError(
                f"{paths[with_plan.index(False)]}: results without a plan beside {paths[with_plan.index(True)]}, which "
                "has one: report them apart, or take them into the plan (`results` of an arm, docs/compare.md)"
            )
        if margin is not None:
            raise UserError("--margin: the plan declares it (`same_within`); change it there before the run")
        return read_folders(paths)
    return read_results(paths, 0.03 if margin is None else margin)


def declares_margin(paths: Sequence[Path]) -> bool:
    """Whether a plan or a pack says within which margin two arms are the same."""
    return any(_pack_of(path) is not None or is_folder(path) for path in paths)


def _pack_of(path: Path) -> Path | None:
    """The pack that a path is, or that lies in it in the place of the cells; None: there is none, or not one alone."""
    if path.is_file():
        return path if path.name.endswith(SUFFIX) else None
    if (path / CELLS).is_file() or not (path / "plan.yaml").is_file():  # without a plan a pack is results' mere copy
        return None
    packs = sorted(path.glob(f"*{SUFFIX}"))
    return packs[0] if len(packs) == 1 else None
