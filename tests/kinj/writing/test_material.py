from __future__ import annotations

from collections import Counter

import pytest

from kinj.errors import UserError
from kinj.records import Chunk
from kinj.writing.material import Order, open_material, split_by_document, why_not_asked

SENTENCE = "The tower of the town was built of granite in 1901 by the council."


def chunk(text, *headings):
    return Chunk("c", "d", text, 0, len(text), headings=headings)


@pytest.mark.parametrize(
    ("text", "headings", "why"),
    [
        (SENTENCE, (), ""),
        (SENTENCE, ("History", "Early days"), ""),
        (SENTENCE, ("References",), "references"),
        (SENTENCE, ("Life", "External links"), "references"),
        ("Introduction ..... 7\nThe first years ..... 12\nThe war ..... 40", (), "contents"),
        ("1. Smith, J. (1999). Tides. pp. 3-9.\n2. Lee (2004) Moons.\n3. https://example.com/x", (), "references"),
        ("Tides\nMoons\nStars and planets", (), "no full sentence"),
        ("| a | b |\n| 1 | 2 |", (), "no full sentence"),
        (
            "Permission is hereby granted to anybody who wants a copy of it. All rights reserved for the name.",
            (),
            "licence",
        ),
        ("これは日本で一番高い山の名前と歴史についての文章である。", (), ""),
    ],
)
def test_chunks_that_say_nothing_are_not_asked(text, headings, why):
    assert why_not_asked(chunk(text, *headings)) == why


def test_chunks_come_evenly_over_documents(towns, tmp_path):
    order = Order(open_material(towns(tmp_path, 5, 3), seed=1)).chunks
    assert [len({c.document_id for c in order[start : start + 5]}) for start in (0, 5, 10)] == [5, 5, 5]
    assert [c.id for c in order] != sorted(c.id for c in order)


def test_documents_that_come_later_move_no_other(towns, tmp_path):
    few = [c.id for c in Order(open_material(towns(tmp_path / "a", 4, 2), seed=1)).chunks]
    more = [c.id for c in Order(open_material(towns(tmp_path / "b", 6, 2), seed=1)).chunks]
    assert [name for name in more if name in few] == few


def test_chunks_that_were_asked_come_first(towns, tmp_path):
    material = open_material(towns(tmp_path, 4, 2), seed=1)
    last = Order(material).chunks[-1].id
    assert Order(material, [last]).chunks[0].id == last


def test_the_split_is_by_document_and_stays_when_documents_come():
    names = [f"d{n}" for n in range(20)]
    first = split_by_document(names, {}, dev_share=0.2, seed=3)
    assert Counter(first.values()) == {"fewshot": 3, "dev": 3, "test": 14}
    later = split_by_document([*names, *(f"e{n}" for n in range(20))], first, dev_share=0.2, seed=3)
    assert {name: later[name] for name in names} == first
    assert Counter(later.values()) == {"fewshot": 3, "dev": 7, "test": 30}


def test_few_documents_give_up_fewshot_first_then_dev():
    assert set(split_by_document(["a"], {}, dev_share=0.2, seed=0).values()) == {"test"}
    assert Counter(split_by_document(["a", "b"], {}, dev_share=0.2, seed=0).values()) == {"test": 1, "dev": 1}
    three = split_by_document(["a", "b", "c"], {}, dev_share=0.2, seed=0)
    assert Counter(three.values()) == {"test": 1, "dev": 1, "fewshot": 1}


def test_what_is_no_collection_is_refused_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(UserError, match=r"has no documents.jsonl: `kinj corpus files"):
        open_material(tmp_path, 0)
