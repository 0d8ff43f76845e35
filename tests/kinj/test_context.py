"""What stands above a chunk goes into index and prompt by one rule."""

from __future__ import annotations

import pytest

from kinj.jsonl import record_line, to_record
from kinj.passages import load_template
from kinj.records import Chunk, context_of
from kinj.retrieval.index import as_passage


@pytest.mark.parametrize(
    ("title", "headings", "header", "context"),
    [
        ("Towers", (), "", ""),
        ("Towers", ("Blue ones", "Ithaca"), "", "Towers > Blue ones > Ithaca"),
        ("towers", ("Towers", "Ithaca"), "", "Towers > Ithaca"),
        ("", ("Ithaca",), "", "Ithaca"),
        ("Towers", (), "| a | b |", "| a | b |"),
        ("Towers", ("Ithaca",), "| a | b |", "Towers > Ithaca\n| a | b |"),
    ],
)
def test_the_context_is_title_and_headings_and_then_the_tables_header(title, headings, header, context):
    assert context_of(title, headings, header) == context


def chunk(**changes) -> Chunk:
    return Chunk("c1", "d1", "| 1 | 2 |", 10, 19, title="Towers", **changes)


def test_it_stands_above_the_text_in_index_and_prompt():
    one = chunk(headings=("Ithaca",), table_header="| a | b |", page="3")
    assert one.searched_text == "Towers > Ithaca\n| a | b |\n| 1 | 2 |"
    passage = as_passage(one, 1.0, 1)
    assert load_template().render([passage]) == f"Passage 1: {one.searched_text}\n\n"
    assert (passage.text, passage.headings, passage.table_header, passage.page) == (
        *("| 1 | 2 |", ("Ithaca",), "| a | b |", "3"),
    )


def test_a_chunk_without_headings_is_searched_and_shown_as_before():
    one = chunk()
    assert one.searched_text == "| 1 | 2 |"
    assert load_template().render([as_passage(one, 1.0, 1)]) == "Passage 1: | 1 | 2 |\n\n"
    assert record_line(one) == (
        '{"id": "c1", "document_id": "d1", "text": "| 1 | 2 |", "start": 10, "end": 19, "title": "Towers"}\n'
    )


def test_headings_survive_being_written_and_read():
    import json

    one = chunk(headings=("Ithaca",), language="en")
    values = json.loads(record_line(one))
    assert Chunk.from_json(values) == one
    assert to_record("x:1", values, Chunk) == one
