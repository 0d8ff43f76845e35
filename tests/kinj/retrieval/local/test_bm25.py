from __future__ import annotations

import math
import random

import pytest

from kinj.records import Query
from kinj.retrieval import open_retriever
from kinj.retrieval.analysis import STOP_WORDS
from kinj.retrieval.local.bm25 import _analyser
from kinj.retrieval.local.ties import Hit, best_hits


def search(index, *texts, k=3):
    return open_retriever("bm25", index=index.folder).search([Query(text) for text in texts], k)


def test_there_are_the_33_stop_words_of_lucene():
    assert len(set(STOP_WORDS)) == 33


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Running Dogs, and THE cat's toys", ["run", "dog", "cat", "s", "toy"]),
        ("foo_bar 3.14 e-mail", ["foo", "bar", "3", "14", "e", "mail"]),
        ("Ärzte naïve Москва", ["ärzte", "naïv", "москва"]),
        ("generously universities", ["generous", "universiti"]),
        ("to be or not to be", []),
    ],
)
def test_text_is_split_lowered_stopped_and_stemmed(text, terms):
    assert _analyser().analyze(text) == terms


def test_scores_are_lucenes_bm25(indexed):
    index = indexed("red fox fox", "red hen", "blue whale swims deep", "grey mouse")
    [[best]] = search(index, "fox", k=1)
    idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    length = 3 / ((3 + 2 + 4 + 2) / 4)
    expected = idf * 2 * (1.2 + 1) / (2 + 1.2 * (1 - 0.75 + 0.75 * length))
    assert best.score == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("words", ['fox AND "hen', "fox:hen", "+fox -red", "(fox", "fox~2 OR *", "text:fox^3", "fox\\"])
def test_signs_of_query_languages_are_text(indexed, ids, words):
    [found] = ids(search(indexed("red fox", "red hen", "blue whale"), words))
    assert "c00" in found


def test_a_passage_that_shares_no_term_is_not_found(indexed, ids):
    assert ids(search(indexed("red fox", "red hen", "blue whale"), "red", "whale", "moon")) == [
        ["c00", "c01"],
        ["c02"],
        [],
    ]


def test_a_query_of_stop_words_alone_finds_nothing(indexed):
    assert search(indexed("to be or not to be, that is the question"), "to be or not to be?") == [[]]


def test_ties_go_to_the_smaller_chunk_id_at_every_cut(indexed, ids):
    index = indexed(*["red fox"] * 30, "red red fox fox")
    for k in (1, 2, 5, 29, 30, 31):
        [found] = ids(search(index, "red fox", k=k))
        assert found == (["c30"] + [f"c{i:02d}" for i in range(30)])[:k]


def test_equal_passages_tie_exactly_among_many_terms(indexed):
    draw = random.Random(0)  # texts, no secrets
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join(draw.choices(words, k=draw.randint(20, 60))) for _ in range(40)]
    index = indexed(*texts, *texts)
    for _ in range(20):
        [found] = search(index, " ".join(draw.choices(words, k=25)), k=80)
        score = {passage.chunk_id: passage.score for passage in found}
        assert all(score[f"c{i:02d}"] == score[f"c{i + 40:02d}"] for i in range(40) if f"c{i:02d}" in score)


def test_the_order_of_the_chunks_given_changes_nothing(chunks, tmp_path, ids):
    from kinj.retrieval import build_index

    made = chunks("red fox", "red hen", "red whale", "red mouse")
    one, other = build_index(made, tmp_path / "one"), build_index(made[::-1], tmp_path / "other")
    assert one.content == other.content
    assert ids(search(one, "red")) == ids(search(other, "red"))


def test_a_cut_asks_for_more_only_while_the_last_place_may_be_tied():
    rows = [Hit(row, 1.0) for row in range(50)] + [Hit(50, 0.5)]
    asked = []

    def fetch(limit):
        asked.append(limit)
        return rows[::-1][-limit:][::-1] if limit >= len(rows) else rows[:limit]

    assert best_hits(fetch, 3, 51) == rows[:3]
    assert asked == [4, 8, 16, 32, 51]


def test_a_query_given_twice_is_searched_once(indexed, monkeypatch):
    index = indexed("red fox", "red hen")
    asked = []
    rank = type(index).rank
    monkeypatch.setattr(type(index), "rank", lambda self, texts, *rest: asked.extend(texts) or rank(self, texts, *rest))
    search(index, "fox", "hen", "fox", "fox")
    assert asked == ["fox", "hen"]
