from __future__ import annotations

import asyncio
import json
import re
from time import monotonic

import pytest

from kinj.errors import UserError
from kinj.writing.answer import RefusedAnswerError
from kinj.writing.probe import Longest, probe
from kinj.writing.server import MOST_UNANSWERED, NoAnswerError, Server, StoppedError, host_of, is_loopback

LONG = "The quick brown fox jumps over the lazy dog. " * 100


def ask(server, *prompts, script=None, **options):
    """What each prompt gets, answers or errors, at once."""
    server.script = script or server.script

    async def run():
        options.setdefault("pause", 0.001)
        async with Server(server.url, "scribe", **options) as opened:
            tasks = [opened.complete(prompt, 50) for prompt in prompts]
            return await asyncio.gather(*tasks, return_exceptions=True), opened

    return asyncio.run(run())


def probed(server, longest=LONG, model="scribe", **options):
    async def run():
        async with Server(server.url, model, pause=0.001, **options) as opened:
            return await probe(opened, Longest(longest, LONG, 100), 0)

    return asyncio.run(run())


# ---- one request


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(server, reply, status):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(status=status, body=b"busy") if n < 3 else None)
    assert answer.text == "Hello."
    assert len(server.bodies) == 3


def test_only_tenacity_tries_again_and_not_for_ever(server, reply):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(status=500, body=b'{"error": "no room"}'))
    assert isinstance(answer, NoAnswerError)
    assert "HTTP 500" in answer.words
    assert "no room" in answer.words
    assert len(server.bodies) == 5


def test_a_request_that_is_wrong_is_not_repeated(server, reply):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(status=400, body=b'{"error": "bad words"}'))
    assert "bad words" in answer.words
    assert len(server.bodies) == 1


def test_the_pause_is_the_one_that_the_server_asks_for(server, reply):
    busy = reply(status=429, body=b"slow", headers={"Retry-After": "0"})
    started = monotonic()
    [answer], _ = ask(server, "Hi", script=lambda body, n: busy if n == 1 else None, pause=5.0)
    assert answer.text == "Hello."
    assert monotonic() - started < 4


def test_a_longer_pause_that_the_server_asks_for_is_made(server, reply):
    busy = reply(status=429, body=b"slow", headers={"Retry-After": "0.3"})
    started = monotonic()
    ask(server, "Hi", script=lambda body, n: busy if n == 1 else None, pause=0.001)
    assert monotonic() - started >= 0.3


def test_a_page_in_place_of_an_answer_is_no_answer(server, reply):
    page = reply(body=b"<html><body>Bad gateway</body></html>", headers={"Content-Type": "text/html"})
    [answer], _ = ask(server, "Hi", script=lambda body, n: page)
    assert "no JSON: <html>" in answer.words


def test_a_connection_that_ends_is_no_answer(server, reply):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(drop=True))
    assert "the connection failed" in answer.words


def test_an_answer_without_choices_is_refused(server, reply):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(body=b"{}"))
    assert isinstance(answer, RefusedAnswerError)


def test_a_server_that_hangs_is_left(server, reply):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(seconds=1.0) if n == 1 else None, first_timeout=0.2)
    assert answer.text == "Hello."


def test_an_answer_that_never_ends_is_left(server, reply):
    [answer], _ = ask(server, "Hi", script=lambda body, n: reply(endless=True) if n == 1 else None, first_timeout=0.2)
    assert answer.text == "Hello."


def test_the_time_out_follows_the_measured_speed(server):
    _, opened = ask(server, "Hi")
    opened._pace.extend([0.5, 0.01])
    assert opened._timeout(100, 10) == 4.0 * 100 * 0.5
    opened._pace.clear()
    opened._pace.append(0.0001)
    assert opened._timeout(100, 10) == 30.0


def test_the_time_out_of_a_long_answer_follows_long_ones_alone(server, reply):
    usage = {"prompt_tokens": 4_000, "completion_tokens": 2, "total_tokens": 4_002}
    _, opened = ask(server, "x" * 16_000, script=lambda body, n: reply("A", seconds=0.2, usage=usage))
    # That is 0.1 s a token written, were the prompt read in no time: how fast it writes is still unknown.
    assert opened._timeout(1_100, 1_000) == 300.0
    usage |= {"completion_tokens": 100}
    _, opened = ask(server, "x" * 16_000, script=lambda body, n: reply("A", seconds=0.2, usage=usage))
    # 0.002 s a token of the answer: 100,000 of them take 200 s, whatever the prompt took.
    assert 4.0 * 100_000 * 0.002 <= opened._timeout(100_100, 100_000) < 3_600
    assert opened._timeout(1_100, 1_000) == 30.0


def test_no_more_requests_are_in_flight_than_allowed(server, reply):
    ask(server, *["Hi"] * 9, script=lambda body, n: reply("Hi", seconds=0.03), parallel=3)
    assert server.most_in_flight == 3


def test_after_twenty_requests_without_an_answer_nothing_goes_out(server, reply):
    answers, opened = ask(server, *["Hi"] * 30, script=lambda body, n: reply(status=503, body=b"gone fishing"))
    assert len(server.bodies) in range(MOST_UNANSWERED, MOST_UNANSWERED + 4)
    assert "20 requests in a row" in opened.stopped
    assert "gone fishing" in opened.stopped
    assert any(isinstance(answer, StoppedError) for answer in answers)


def test_an_answer_in_between_begins_the_count_anew(server, reply):
    def script(body, n):
        return reply(status=500, body=b"no") if n % 3 else None

    _, opened = ask(server, *["Hi"] * 15, script=script, parallel=1)
    assert len(server.bodies) == 2 * MOST_UNANSWERED
    assert opened.stopped == ""


def test_a_wrong_key_stops_at_once_with_the_servers_words(server, reply):
    _, opened = ask(
        server, *["Hi"] * 9, script=lambda b, n: reply(status=401, body=b'{"error": "bad key"}'), parallel=1
    )
    assert len(server.bodies) == 1
    assert "bad key" in opened.stopped


def test_the_key_is_in_the_environment_alone(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    _, opened = ask(server, "Hi")
    assert "sk-secret" not in json.dumps(server.bodies)
    assert "sk-secret" not in str(vars(opened))


@pytest.mark.parametrize("key", ["sk-secret\r", "sk-secret\n", "sk secret", "sk-secr\u00e9t"])
def test_a_key_that_no_header_takes_is_refused_at_the_door_and_not_shown(server, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="OPENAI_API_KEY: character") as caught:
        Server(server.url, "scribe")
    assert "secr" not in str(caught.value)


def test_a_key_that_the_server_repeats_is_not_shown(server, reply, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    [answer], opened = ask(server, "Hi", script=lambda b, n: reply(status=401, body=b"no such key: sk-secret"))
    assert "no such key: (the key)" in answer.words
    assert "sk-secret" not in opened.stopped


def test_a_key_that_stands_in_place_of_an_answer_is_not_kept(server, reply, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    [answer], _ = ask(server, "Hi", script=lambda b, n: reply(body=b'{"error": "no such key: sk-secret"}'))
    assert isinstance(answer, RefusedAnswerError)  # its words go into the journal
    assert "no such key: (the key)" in str(answer)


def test_extra_body_goes_along(server):
    ask(server, "Hi", extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert server.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://x/v1", "http://"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UserError, match="the address of a server"):
        host_of(address)


def test_a_key_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(UserError, match="OPENAI_API_KEY in the environment") as caught:
        host_of("https://me:sk-secret@example.com/v1")
    assert "sk-secret" not in str(caught.value)


def test_which_addresses_are_on_this_machine():
    assert is_loopback("http://127.0.0.1:8000/v1")
    assert is_loopback("http://[::1]:8000/v1")
    assert not is_loopback("https://localhost.example.com/v1")


# ---- the probe


def test_the_probe_learns_what_a_plain_server_does(server):
    able = probed(server)
    assert (able.limit_key, able.takes_temperature, able.json_mode, able.thinks) == (
        "max_tokens",
        True,
        "schema",
        False,
    )
    assert able.longest_prompt > len(LONG) / 4


def test_the_probe_learns_the_other_name_of_the_limit(server):
    server.limit_key = "max_completion_tokens"
    server.takes_temperature = False
    able = probed(server)
    assert (able.limit_key, able.takes_temperature) == ("max_completion_tokens", False)
    assert "temperature" not in server.bodies[-1]


@pytest.mark.parametrize("mode", ["object", "none"])
def test_the_probe_learns_which_json_a_server_gives(server, mode):
    server.json_mode = mode
    assert probed(server).json_mode == mode


def test_the_probe_sees_a_model_that_thinks(server, reply):
    def script(body, n):
        if body["messages"][0]["content"] == "Say hello.":
            return reply(message={"content": "<think>How?</think>Hello."})
        return None

    server.script = script
    able = probed(server)
    assert able.thinks
    assert server.bodies[-1]["max_tokens"] > 2_000


def test_a_model_that_is_not_there_is_said_with_those_that_are(server):
    with pytest.raises(UserError, match=r"--model scrbe: .* has scribe; did you mean scribe"):
        probed(server, model="scrbe")


def cutting(kept, *, counts):
    """A server that keeps the last `kept` characters of a prompt and answers 200."""

    def script(reply):
        def answer(body, n):
            prompt = body["messages"][0]["content"]
            if "code word" not in prompt:
                return None
            seen = prompt[-kept:]
            word = re.search(r"code word is (\w+)", seen)
            usage = {"prompt_tokens": len(seen) // 4} if counts else None
            return reply(word[1] if word else "I do not know.", usage=usage)

        return answer

    return script


@pytest.mark.parametrize(("counts", "said"), [(True, "500 tokens arrived"), (False, "does not come back")])
def test_a_server_that_cuts_in_silence_stops_the_run(server, reply, counts, said):
    server.script = cutting(2_000, counts=counts)(reply)
    with pytest.raises(UserError, match=f"does not arrive whole: .*{said}"):
        probed(server)


def test_a_server_that_counts_what_it_has_cut_is_found_by_the_word(server, reply):
    def script(body, n):
        prompt = body["messages"][0]["content"]
        word = re.search(r"code word is (\w+)", prompt[-2_000:])
        return reply(word[1] if word else "I see none.") if "code word" in prompt else None

    server.script = script
    with pytest.raises(UserError, match=r"does not come back; it says that 1,1.. tokens arrived"):
        probed(server)


def test_the_prompts_themselves_are_not_in_the_probe(server):
    probed(server, longest=f"Answer with JSON alone. {LONG}")
    assert not any("JSON alone. The quick" in body["messages"][0]["content"] for body in server.bodies)


def test_a_prompt_that_fits_is_not_called_cut(server, reply):
    server.script = cutting(20_000, counts=True)(reply)
    assert probed(server).notes == []


def test_a_weak_model_that_repeats_nothing_is_believed_by_the_count(server, reply):
    server.script = lambda body, n: reply("Fine.") if "code word" in body["messages"][0]["content"] else None
    assert "repeats no word" in probed(server).notes[0]


def test_a_server_that_refuses_the_longest_prompt_says_so_itself(server, reply):
    def script(body, n):
        if len(body["messages"][0]["content"]) > 3_000:
            return reply(status=400, body=b'{"error": "maximum context length is 800 tokens"}')
        return None

    server.script = script
    with pytest.raises(UserError, match=r"does not arrive whole: the server says .*maximum context length is 800"):
        probed(server)


def test_nobody_at_home_is_said_in_one_line():
    async def run():
        async with Server("http://127.0.0.1:9/v1", "scribe", pause=0.001) as opened:
            await probe(opened, Longest(LONG, LONG, 100), 0)

    with pytest.raises(UserError, match=r"http://127.0.0.1:9/v1: the connection failed"):
        asyncio.run(run())
