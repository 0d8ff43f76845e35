"""`filter=`: how it is written, and that it means the same on both back ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from lm_eval.utils import simple_parse_args_string

from kinj.errors import UserError
from kinj.records import Chunk, Query
from kinj.retrieval import build_elastic_index, build_index, open_retriever, parse_filter
from kinj.retrieval.filters import day_of

ROWS = [
    ("c00", "red fox", "2023-08-01", "law"),
    ("c01", "red fox", "2023-08-31T23:59:00Z", "law"),
    ("c02", "red hen", "2023-09", "criminal law"),
    ("c03", "red red fox", "2024", "economy"),
    ("c04", "red fox fox", "", "law"),
    ("c05", "red fox", "in summer", ""),
]


@pytest.fixture(scope="module", params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.long)])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path):
    made = [
        Chunk(one, f"d{row % 2}", text, 0, len(text), title="C++ for foxes", date=date, subject=subject)
        for row, (one, text, date, subject) in enumerate(ROWS)
    ]
    if request.param == "embedded":
        yield build_index(made, tmp_path_factory.mktemp("filters") / "index", str(tiny_embedder)).folder
        return
    with pytest.MonkeyPatch.context() as patch:
        for name, value in request.getfixturevalue("elasticsearch_server").environment.items():
            patch.setenv(name, value)
        build_elastic_index(made, "filters", str(tiny_embedder), overwrite=True)
        yield "elasticsearch:filters"


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("date:2023-08-01..2023-11-30+subject:law", "date:2023-08-01..2023-11-30+subject:law"),
        ("subject:law+date:2023-08", "date:2023-08-01..2023-08-31+subject:law"),
        ("date:2024-02", "date:2024-02-01..2024-02-29"),
        ("date:2023", "date:2023-01-01..2023-12-31"),
        ("date:2023-08-01..", "date:2023-08-01..9999-12-31"),
        ("date:..2023-08", "date:0001-01-01..2023-08-31"),
        ("title:C++ for foxes", "title:C++ for foxes"),
        ("source:https://example.org/?a=1", "source:https://example.org/?a=1"),
        ("subject:law+subject:economy", "subject:economy+subject:law"),
    ],
)
def test_filters_that_mean_the_same_are_spelled_the_same(written, means):
    assert str(parse_filter(written)) == means


@pytest.mark.parametrize(
    "written", ["date:2023-08-01..2023-11-30+subject:law", "title:C++ for foxes", "source:a?b=c", "document_id:5"]
)
def test_lm_evals_parser_leaves_a_filter_as_it_is(written):
    assert simple_parse_args_string(f"k=3,filter={written},retriever=bm25")["filter"] == written


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "'' is no field of a chunk"),
        ("law", "'law' is no field of a chunk"),
        ("subjct:law", r"'subjct' is no field of a chunk \(date, subject, source, document_id, title\)"),
        ("subject", "subject has no value"),
        ("subject:", "subject has no value"),
        ("date:..", "date has no value"),
        ("subject:law+:x", "'' is no field"),
        ("date:2023-13", "'2023-13' is no date"),
        ("date:2023-02-30..2023-03-01", "'2023-02-30' is no date"),
        ("date:1.8.2023", "'1.8.2023' is no date"),
        ("date:2023-09..2023-08", "the range 2023-09..2023-08 ends before it begins"),
    ],
)
def test_what_is_no_filter_is_refused(written, message):
    with pytest.raises(UserError, match=f"filter=.*{message}"):
        parse_filter(written)


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ("2023-08-05", 20230805), ("2023-08", 20230801), ("2023", 20230101), ("2023-08-05T10:00", 20230805),
        ("2023-08-05 10:00", 20230805), ("", None), ("August", None), ("2023-02-30", None), ("20230805", None),
    ],
)  # fmt: skip
def test_a_chunks_date_is_its_first_day(date, day):
    assert day_of(date) == day


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("date:2023-08", ["c00", "c01"]),
        ("date:2023-08-31..", ["c01", "c03", "c02"]),
        ("date:..2023-08-30", ["c00"]),
        ("date:2023-08-01+date:2024", ["c00", "c03"]),
        ("subject:law", ["c04", "c00", "c01"]),
        ("subject:law+subject:economy", ["c04", "c00", "c01", "c03"]),
        ("subject:law+date:2023", ["c00", "c01"]),
        ("document_id:d1+date:2023", ["c01"]),
        ("title:C++ for foxes+subject:criminal law", ["c02"]),
    ],
)
def test_only_what_meets_the_filter_is_retrieved(index, ids, written, found):
    assert ids(open_retriever("bm25", index=index, filter=written).search([Query("red fox")], 6)) == [found]
    for name in ("dense", "hybrid"):
        [passages] = ids(open_retriever(name, index=index, filter=written).search([Query("red fox")], 6))
        assert sorted(passages) == sorted(found)


def test_scores_are_those_of_the_whole_index(index):
    [everything] = open_retriever("bm25", index=index).search([Query("red fox")], 6)
    [some] = open_retriever("bm25", index=index, filter="subject:law").search([Query("red fox")], 6)
    whole = {passage.chunk_id: passage.score for passage in everything}
    assert [whole[passage.chunk_id] for passage in some] == [passage.score for passage in some]


def test_distractors_meet_the_filter(index, ids):
    retriever = open_retriever("distractors", index=index, filter="subject:law")
    assert ids(retriever.search([Query("red fox", ("c01",))], 6)) == [["c04", "c00"]]


def test_gold_alone_searches_nothing_and_takes_no_filter(index):
    with pytest.raises(UserError, match="retriever=gold searches nothing"):
        open_retriever("gold", index=index, filter="subject:law")


def test_results_and_fingerprint_say_the_filter(index):
    plain = open_retriever("bm25", index=index)
    one = open_retriever("bm25", index=index, filter="subject:law+date:2023")
    same = open_retriever("bm25", index=index, filter="date:2023+subject:law")
    assert plain.fingerprint != one.fingerprint == same.fingerprint
    assert "filter" not in plain.describe()
    assert one.describe()["filter"] == {"condition": "date:2023-01-01..2023-12-31+subject:law", "chunks": 2}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("source:x", r"no chunk of \S+filters\S* has a source; fields to filter by: date, subject, document_id, title"),
        ("subject:lwa", "no chunk of .* meets it, so nothing could ever be retrieved"),
        ("subject:law+date:2024", "no chunk of .* meets it"),
    ],
)
def test_a_filter_that_lets_nothing_through_is_refused(index, written, message):
    with pytest.raises(UserError, match=message):
        open_retriever("bm25", index=index, filter=written)


def test_a_field_that_no_chunk_has_in_the_right_form_is_refused(chunks, tmp_path):
    build_index(chunks("red fox"), tmp_path / "index")
    with pytest.raises(UserError, match="has a date in the form 2023-08-01; fields to filter by: document_id"):
        open_retriever("bm25", index=tmp_path / "index", filter="date:2023")
