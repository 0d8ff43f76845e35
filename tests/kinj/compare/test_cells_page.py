"""docs/cells.md says what a comparison leaves."""

import dataclasses
import json
import re
from pathlib import Path

from kinj.jsonl import record_line, to_record
from kinj.records import Cell

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cells.md").read_text()


def keys_of(heading):
    """The first column of the table below a heading."""
    section = PAGE.split(f"\n## {heading}")[1].split("\n## ")[0]
    return [key for cell in re.findall(r"^\| (`.*?`) \|", section, re.M) for key in re.findall("`(.*?)`", cell)]


def test_the_page_has_every_field_of_a_cell_and_no_other():
    assert keys_of("`cells.jsonl`") == [field.name for field in dataclasses.fields(Cell)]


def test_a_cell_comes_back_from_its_line():
    cell = Cell("a" * 16, "b" * 16, "m", "raw", "bm25 k=3", "t", "bm25", 3, 1, "dev", 5, 12, "ceiling")
    assert to_record("x:1", json.loads(record_line(cell)), Cell) == cell
