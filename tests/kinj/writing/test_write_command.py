"""`kinj write` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinj.benchmark import open_benchmark
from kinj.cli.app import build_app
from kinj.errors import UserError


@pytest.fixture
def run(server, towns, tmp_path):
    source = towns(tmp_path / "in", 3, 1)
    arguments = [str(source), str(tmp_path / "out"), "--model", "scribe", "--base-url", server.url]
    return lambda command, *more: CliRunner().invoke(build_app(), ["write", command, *arguments, *more])


def test_the_last_line_says_what_was_asked_written_and_kept(run, tmp_path):
    done = run("questions", "-n", "2")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "asked about 2 chunks: 8 questions written, 4 kept"
    assert len(open_benchmark(tmp_path / "out").questions) == 4


def test_the_last_line_says_what_the_shortfall_is_made_of(run, server, reply):
    server.script = lambda body, n: reply("no") if '{"questions"' in body["messages"][0]["content"] else None
    last = run("questions", "-n", "2").output.splitlines()[-1]
    assert (
        last == "asked about 3 chunks: 0 questions written, 0 kept; 2 fewer than wanted: 3 no usable answer in 3 tries"
    )


def test_json_has_the_facts_of_the_manifest(run, tmp_path):
    done = run("questions", "-n", "2", "--json")
    said = json.loads(done.stdout)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert said["kept"] == {"direct": 4}
    assert {name: said[name] for name in manifest["writing"]["questions"]} == manifest["writing"]["questions"]


def test_a_dry_run_says_requests_tokens_and_cost(run, server, tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("127.0.0.1:\n  scribe: {prompt: 1000, completion: 1000}\n")
    assert "cost     unknown" in run("questions", "--dry-run").output
    said = run("paraphrases", "--per-chunk", "4", "--held-out", "0", "--dry-run").output
    assert "about 12 requests about 3 documents" in said
    found = json.loads(run("questions", "--dry-run", "--json", "--prices", str(prices)).stdout)
    assert found["usd"] == pytest.approx((found["prompt_tokens"] + found["completion_tokens"]) / 1000)
    assert server.bodies == []


def test_a_run_that_stopped_ends_with_code_1_and_what_to_type(run, server, reply):
    server.script = lambda body, n: None if n < 9 else reply(status=401, body=b'{"error": "key revoked"}')
    done = run("questions")
    assert done.exit_code == 1
    assert "key revoked" in done.stderr
    assert "type the same command to go on" in done.stderr


@pytest.mark.parametrize(("command", "more"), [("questions", ["-n", "2"]), ("paraphrases", ["--per-chunk", "1"])])
def test_every_request_carries_the_switch_against_thinking(run, server, tmp_path, numbered_styles, command, more):
    switch, more = {"chat_template_kwargs": {"enable_thinking": False}}, [*more, "--prompts", str(numbered_styles)]
    assert run(command, *more, "--extra-body", json.dumps(switch)).exit_code == 0
    assert len(server.bodies) > len(server.prompts()) > 0  # the probe asks too
    assert all(body["chat_template_kwargs"] == switch["chat_template_kwargs"] for body in server.bodies)
    said = json.loads((tmp_path / "out" / "manifest.json").read_text())["writing"][command]
    assert said["extra_body"] == switch


def test_another_host_wants_send(run, monkeypatch, server):
    monkeypatch.setattr("kinj.writing.session.is_loopback", lambda url: False)
    assert isinstance(run("questions", "-n", "2").exception, UserError)
    assert server.bodies == []
    assert run("questions", "-n", "2", "--send").exit_code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--extra-body", "{"], "not JSON"),
        (["--extra-body", "[1]"], "expected a JSON object"),
        (["--extra-body", '{"model": "other"}'], "model cannot be set there"),
        (["--extra-body", '{"messages": []}'], "messages cannot be set there"),
        (["--extra-body", '{"max_tokens": "many"}'], "max_tokens cannot be set there"),
        (["--again", "kept"], "expected refused"),
        (["--parallel", "0"], "--parallel 0"),
    ],
)
def test_what_cannot_be_is_refused(run, server, more, said):
    error = run("questions", *more).exception
    assert isinstance(error, UserError)
    assert said in str(error)
    assert server.bodies == []


def test_prompts_are_copied_to_be_changed(tmp_path):
    done = CliRunner().invoke(build_app(), ["write", "prompts", str(tmp_path / "mine")])
    assert f"--prompts {tmp_path / 'mine'}" in done.output
    assert (tmp_path / "mine" / "styles" / "report.txt").is_file()


def test_a_full_disk_is_said_and_loses_nothing(run, tmp_path, monkeypatch):
    from kinj.writing.journal import Journal

    add, added = Journal.add, []

    def full(self, entry):
        if len(added) == 5:
            raise OSError(28, "No space left on device", str(Path("out/journal.jsonl")))
        added.append(entry.key)
        add(self, entry)

    monkeypatch.setattr(Journal, "add", full)
    error = run("questions").exception
    assert isinstance(error, OSError)
    monkeypatch.setattr(Journal, "add", add)
    assert run("questions").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "journal.jsonl").read_text().splitlines()]
    keys = [json.dumps(line["key"]) for line in lines if "key" in line]
    assert len(keys) == len(set(keys))
