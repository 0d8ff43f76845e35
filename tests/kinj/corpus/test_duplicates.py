from __future__ import annotations

import random

import pytest

from kinj.corpus import duplicates
from kinj.corpus.duplicates import DuplicateFinder, fingerprint


def words(count: int, seed: int) -> list[str]:
    return [f"w{random.Random(seed * 100_003 + n).randrange(5000)}" for n in range(count)]


def with_changes(text: list[str], share: float, seed: int = 9) -> list[str]:
    """The words with single ones replaced, so that about so many of the 5-grams stay."""
    drawn = random.Random(seed)
    chance = 1 - share ** (1 / 5)
    return [f"new{n}" if drawn.random() < chance else word for n, word in enumerate(text)]


def test_the_same_words_in_other_case_and_punctuation_are_the_same_text():
    finder = DuplicateFinder()
    assert finder.check("a", fingerprint("The fox, red; sleeps in its den.")) is None
    found = finder.check("b", fingerprint("the FOX red\n\nsleeps - in its den"))
    assert (found.kind, found.like, found.similarity) == ("exact", "a", 1.0)


def test_short_texts_are_compared_by_their_words_alone():
    finder = DuplicateFinder()
    assert finder.check("a", fingerprint("Red fox")) is None
    assert finder.check("b", fingerprint("Red dog")) is None
    assert finder.check("c", fingerprint("red fox!")).like == "a"


def test_nine_in_ten_texts_that_share_most_runs_are_found_and_none_that_shares_half():
    near = half = 0
    for seed in range(40):
        finder, text = DuplicateFinder(0.8), words(600, seed)
        assert finder.check("first", fingerprint(" ".join(text))) is None
        # A share of 0.95 of the 5-grams of each is a Jaccard similarity of 0.9; 0.67 is one of 0.5.
        near += finder.check("near", fingerprint(" ".join(with_changes(text, 0.95, seed)))) is not None
        half += finder.check("half", fingerprint(" ".join(with_changes(text, 0.67, seed)))) is not None
    assert near >= 36
    assert half == 0


def test_a_share_of_one_leaves_near_duplicates_alone():
    finder, text = DuplicateFinder(1.0), words(600, 1)
    assert finder.check("a", fingerprint(" ".join(text))) is None
    assert finder.check("b", fingerprint(" ".join(with_changes(text, 0.95)))) is None


def test_a_duplicate_is_compared_with_documents_that_stay():
    finder, text = DuplicateFinder(), words(600, 2)
    for name, share, like in (("a", 1.0, None), ("b", 0.97, "a"), ("c", 0.97, "a")):
        found = finder.check(name, fingerprint(" ".join(with_changes(text, share, seed=ord(name)))))
        assert (found and found.like) == like


@pytest.mark.parametrize("size", [1, 3, 4, 5, 7, 100])
def test_a_text_looked_at_in_parts_has_the_same_fingerprint(monkeypatch, size):
    text = " ".join(words(60, 3))
    whole = fingerprint(text)
    monkeypatch.setattr(duplicates, "_AT_A_TIME", size)
    assert fingerprint(text) == whole


def test_chinese_is_compared_sign_by_sign():
    text = "租金每月到期承租人须在五日内支付押金为两个月租金合同期满后退还"
    finder = DuplicateFinder(0.7)
    assert finder.check("a", fingerprint(text * 3)) is None
    assert finder.check("b", fingerprint(text * 3 + "。完")).kind == "near"


def test_the_same_text_has_the_same_fingerprint_on_every_machine():
    mark = fingerprint("one two three four five six")
    assert mark.words_sha256 == "7aefea55a803d39c2cf22b83d4650b620fb44e63a37f7fe80d5898868d4cd47a"
    assert mark.signature[:8].hex() == "7e6edad46cf1cad2"
