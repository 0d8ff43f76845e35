from __future__ import annotations

import json

import pytest

from kinj.errors import UserError
from kinj.writing.journal import NAME, Entry, Key, open_journal

KEY = Key("c1", "questions", "direct")
ENTRY = Entry(KEY, "aa", "scribe", {"questions": []}, prompt_tokens=5, completion_tokens=7)


def test_what_was_added_is_there_the_next_time(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.add(ENTRY)
        journal.set_fact("seed", {"seed": 3})
    with open_journal(tmp_path) as journal:
        assert journal.entries(KEY, "aa") == [ENTRY]
        assert journal.facts == {"seed": {"seed": 3}}


def test_an_answer_about_other_words_of_the_chunk_does_not_count(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.add(ENTRY)
        assert journal.entries(KEY, "bb") == []
        assert journal.entries(Key("c1", "questions", "direct", 2), "aa") == []


def test_a_reader_does_not_take_another_ones_answer(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.add(ENTRY)
        assert journal.entries(KEY, "aa", by="other") == []
        assert journal.entries(KEY, "aa", by="scribe") == [ENTRY]


def test_the_half_line_of_a_kill_is_taken_off(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.add(ENTRY)
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + whole[: len(whole) // 2])
    with open_journal(tmp_path) as journal:
        assert journal.entries(KEY, "aa") == [ENTRY]
    assert (tmp_path / NAME).read_bytes() == whole


def test_the_half_line_of_a_kill_is_no_line_for_who_only_reads(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.add(ENTRY)
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + whole[: len(whole) // 2])
    with open_journal(tmp_path, read_only=True) as journal:
        assert journal.entries(KEY, "aa") == [ENTRY]


def test_a_single_half_line_longer_than_a_block_is_taken_off(tmp_path):
    (tmp_path / NAME).write_text("x" * 200_000)
    with open_journal(tmp_path) as journal:
        assert list(journal.all_entries()) == []
    assert (tmp_path / NAME).read_text() == ""


def test_each_answer_is_one_line_that_is_there_when_add_returns(tmp_path):
    with open_journal(tmp_path) as journal:
        journal.add(ENTRY)
        [line] = (tmp_path / NAME).read_text().splitlines()
    assert json.loads(line)["key"] == {"chunk": "c1", "task": "questions", "style": "direct", "number": 1}


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with open_journal(tmp_path), pytest.raises(UserError, match="another `kinj write`"), open_journal(tmp_path):
        pass


def test_a_line_that_is_none_is_refused_by_its_place(tmp_path):
    (tmp_path / NAME).write_text('{"fact": "x", "value": {}}\n{"key": 3}\n')
    with pytest.raises(UserError, match=r"journal.jsonl:2: no line of this journal"), open_journal(tmp_path):
        pass


def test_reading_makes_nothing(tmp_path):
    with open_journal(tmp_path / "none", read_only=True) as journal:
        assert list(journal.all_entries()) == []
    assert not (tmp_path / "none").exists()
