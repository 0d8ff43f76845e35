"""Decisions of people, and the rows that they are about."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kinj.benchmark.reviewing import Decision, merge_decisions
from kinj.jsonl import to_object, write_records
from kinj.manifest import sha256_json
from kinj.records import Paraphrase
from kinj.writing.candidate import Candidate, decided, struck_in, without_struck

ROW = Paraphrase("d#01.w1.p01", "d#01", "The tower is 330 m high.", use="train", style="formal")
WAS = sha256_json(to_object(ROW))
CANDIDATE = Candidate(ROW.id, "paraphrase", ("d#01",), ROW)
OLDER = {"what": "paraphrase", "was": "0" * 64}


def reworded(text: str) -> dict:
    return to_object(replace(ROW, text=text))


@pytest.mark.parametrize(
    "line",
    [
        {"decision": "accept"},
        {"decision": "strike"},
        {"decision": "edit", "row": reworded("The tower is 324 m high.")},
        {"decision": "accept", "was": "", "row": reworded("The tower is 324 m high.")},
    ],
)
def test_what_was_decided_about_another_row_of_the_id_is_left_out_and_said(tmp_path, caplog, line):
    (tmp_path / "decisions.jsonl").write_text(json.dumps({"id": ROW.id} | OLDER | line) + "\n")
    refused = CANDIDATE.refused("numbers: 330")
    assert decided(tmp_path, [CANDIDATE, refused], ["d#01"]) == ([CANDIDATE, refused], {})
    assert "2 decisions are about other rows" in caplog.text
    assert ROW.id in caplog.text
    assert without_struck(tmp_path, [CANDIDATE]) == [CANDIDATE]
    assert not struck_in(tmp_path)(CANDIDATE)


@pytest.mark.parametrize(("way", "row"), [("edit", reworded("Third.")), ("strike", None), ("accept", None)])
def test_what_is_decided_about_an_edited_row_holds_for_the_row_that_was_written(tmp_path, way, row):
    first = Decision(ROW.id, "edit", reworded("Second."), "paraphrase", WAS)
    second = Decision(ROW.id, way, row, "paraphrase", sha256_json(reworded("Second.")))
    write_records(tmp_path / "decisions.jsonl", merge_decisions([first], [second]))
    [found], counts = decided(tmp_path, [CANDIDATE], ["d#01"])
    assert dict(counts) == {"struck" if way == "strike" else "edited": 1}
    assert found.is_kept == (way != "strike")
    assert found.row.text == {"edit": "Third.", "strike": ROW.text, "accept": "Second."}[way]


def test_an_edit_that_was_struck_and_accepted_again_stands_as_it_was_edited(tmp_path):
    edited = sha256_json(reworded("Second."))
    decisions = [Decision(ROW.id, "edit", reworded("Second."), "paraphrase", WAS)]
    for way in ("strike", "accept"):
        decisions = merge_decisions(decisions, [Decision(ROW.id, way, None, "paraphrase", edited)])
    write_records(tmp_path / "decisions.jsonl", decisions)
    [found], _ = decided(tmp_path, [CANDIDATE], ["d#01"])
    assert (found.is_kept, found.row.text) == (True, "Second.")


def test_accepting_a_row_written_anew_does_not_bring_back_the_edit_of_the_older_one():
    edit = Decision(ROW.id, "edit", reworded("Second."), "paraphrase", "0" * 64)
    accept = Decision(ROW.id, "accept", None, "paraphrase", WAS)
    assert merge_decisions([edit], [accept]) == [accept]
