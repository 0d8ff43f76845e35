"""MMLU rows, from the hub or from the original CSV files: `custom_dataset: !function kinj_tasks.mmlu.load`."""

from __future__ import annotations

import csv
import os
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset

from kinj.errors import UserError, show_user_errors_plainly
from kinj_tasks.draw import Draw
from kinj_tasks.orders import reorder

HUB = "cais/mmlu"
LETTERS = "ABCD"
#: our words for MMLU's splits: its `dev` is its few-shot set, and its `val` is for choosing settings, our dev
SPLITS = {"test": "test", "dev": "val", "fewshot": "dev"}


def load(
    subject: str,
    mmlu_dir: str | None = None,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    option_order: int = 0,
    **_: Any,  # Any: lm-eval passes all of `metadata`, which holds the model's arguments too
) -> dict[str, Dataset]:
    """The questions to score under `test`, whichever split they are from, and MMLU's own five shots under `fewshot`.

    Args:
        subject: as the hub spells it, e.g. college_biology.
        mmlu_dir: a folder of the CSV files, `DIR/anatomy/test.csv` or the release's `DIR/test/anatomy_test.csv`; else
            `KINJ_MMLU_DIR`, else the hub.
        split: test, or dev for choosing settings (MMLU's `val`).
        sample: how many questions, drawn evenly from all of them; `--limit` would take the first. None: all.
        seed: draws them.
        option_order: 0, or another order of the options (`kinj_tasks.orders`); the shots keep theirs.

    Raises:
        UserError: another split, a folder without the subject, a bad CSV row, or no hub.
    """
    show_user_errors_plainly()
    if split not in ("test", "dev"):
        raise UserError(f"split={split!r}: expected test or dev (MMLU's val rows)")
    folder = mmlu_dir or os.environ.get("KINJ_MMLU_DIR")
    read = partial(_read_folder, Path(folder).expanduser()) if folder else _read_hub
    rows = read(subject, SPLITS[split])
    drawn = Draw(sample, seed).from_rows(range(len(rows)))
    asked = rows.select(drawn)
    if option_order:
        asked = asked.map(partial(_reordered, order=option_order))
    return {"test": asked, "fewshot": read(subject, SPLITS["fewshot"])}


def _reordered(row: dict[str, Any], order: int) -> dict[str, Any]:  # Any: a row's values
    choices, answer = reorder(row["choices"], row["answer"], order)
    return {**row, "choices": choices, "answer": answer}


def _read_hub(subject: str, split: str) -> Dataset:
    try:
        return load_dataset(HUB, subject, split={"val": "validation"}.get(split, split))
    except OSError as error:
        raise UserError(
            f"MMLU {subject}: {error}. Two ways: reach the hub ({HUB}), or give a folder of the original CSV files by "
            """--metadata '{"mmlu_dir": "DIR"}' or KINJ_MMLU_DIR=DIR"""
        ) from error


def _read_folder(folder: Path, subject: str, split: str) -> Dataset:
    places = (folder / subject / f"{split}.csv", folder / split / f"{subject}_{split}.csv")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UserError(f"MMLU {subject}: neither {places[0]} nor {places[1]} is there")
    with path.open(encoding="utf-8", newline="") as source:  # newline="": some fields hold line breaks inside quotes
        return Dataset.from_list([_row(path, n, cells, subject) for n, cells in enumerate(csv.reader(source), 1)])


def _row(path: Path, number: int, cells: list[str], subject: str) -> dict[str, object]:
    if len(cells) != 6 or cells[5] not in tuple(LETTERS):
        raise UserError(f"{path}: row {number}: expected question, A, B, C, D and a letter A-D, got {len(cells)} cells")
    return {"question": cells[0], "subject": subject, "choices": cells[1:5], "answer": LETTERS.index(cells[5])}
