from __future__ import annotations

import pytest

from kinj.writing.answer import (
    CutAnswerError,
    RefusedAnswerError,
    read_completion,
    seconds_of,
    whole_object,
    whole_text,
)


def completion(content="", finish="stop", **message):
    choice = {"message": {"content": content, **message}, "finish_reason": finish}
    return read_completion({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 7}})


def test_an_object_is_found_among_words_and_fences():
    assert whole_object(completion('Sure! ```json\n{"a": {"b": 1}}\n``` Anything else?')) == {"a": {"b": 1}}
    assert whole_object(completion('{"a": "1"} {"a": "2"}')) == {"a": "1"}


@pytest.mark.parametrize("text", ["{'a': 'b'}", '{"a": "b",}', '{"a": "b" "c": "d"}', '{a: "b"}', '{"a": "b"}}'])
def test_quotes_and_commas_are_mended(text):
    assert whole_object(completion(text))["a"] == "b"


@pytest.mark.parametrize(
    "text",
    [
        '{"wrong": ["1,000", "2,000", "4,000","3',
        '{"wrong": ["1,000", "2,000"',
        '{"wrong": ["1,000", "2,000"]',
        '{"questions": [{"question": "Who?"}, {"question": "When',
        '{"questions": [{"question": "Who?"}',
    ],
)
@pytest.mark.parametrize("finish", ["stop", None, "length"])
def test_an_open_object_is_cut_whatever_the_server_says(text, finish):
    with pytest.raises(CutAnswerError):
        whole_object(completion(text, finish))


def test_a_whole_object_is_refused_where_the_server_says_that_it_was_cut():
    with pytest.raises(CutAnswerError, match="cut after 7 tokens"):
        whole_object(completion('{"a": "b"}', "length"))


@pytest.mark.parametrize(
    "content",
    [
        '<think>Maybe {"a": 0}?</think>\n{"a": 1}',
        'Maybe {"a": 0}?\n</think>\n{"a": 1}',
        '<think>One.</think> no <think>{"a": 0}</think>{"a": 1}',
        '<reasoning>{"a": 0}</reasoning>{"a": 1}',
    ],
)
def test_thoughts_go_also_where_nothing_begins_them(content):
    found = completion(content)
    assert whole_object(found) == {"a": 1}
    assert found.thinks


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_an_empty_content_is_looked_for_among_the_thoughts(name):
    assert whole_object(completion(None, **{name: 'Well.</think>{"a": 1}'})) == {"a": 1}
    assert whole_object(completion("", **{name: '{"a": 1}'})) == {"a": 1}


def test_a_content_wins_over_the_thoughts():
    assert whole_object(completion('{"a": 1}', reasoning_content='{"a": 0}')) == {"a": 1}


def test_thoughts_without_an_end_are_cut():
    with pytest.raises(CutAnswerError, match="while the model was thinking"):
        whole_text(completion('<think>Let me see. {"a": 0}', None))


@pytest.mark.parametrize("text", ["", "   ", "I cannot help with that.", "[1, 2]"])
def test_what_holds_no_object_is_refused(text):
    with pytest.raises(RefusedAnswerError, match=r"empty|no JSON object"):
        whole_object(completion(text))


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{}]}, {"error": "busy"}, {"choices": ["x"]}])
def test_what_is_no_completion_is_refused(body):
    with pytest.raises(RefusedAnswerError, match="no chat completion"):
        read_completion(body)


def test_a_content_of_parts_is_joined():
    assert completion([{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]).text == "Hello"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("nan", None), (None, None)],
)
def test_a_pause_that_a_server_asks_for_is_in_seconds_or_ours(written, seconds):
    assert seconds_of(written) == seconds
