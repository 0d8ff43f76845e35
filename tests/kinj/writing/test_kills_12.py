"""A run that is killed twenty times, at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

PARALLEL = 3


@pytest.mark.long
def test_twenty_kills_cost_at_most_the_requests_in_flight(server, towns, tmp_path, reply):
    source = towns(tmp_path / "in", 12, 2)

    def command(out):
        words = ["write", "questions", source, out, "--model", server.model, "--base-url", server.url]
        return [sys.executable, "-m", "kinj.cli", *map(str, words), "--parallel", str(PARALLEL)]

    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    whole = len(server.prompts())
    server.bodies.clear()

    def slowly(body, n):
        time.sleep(0.05)

    server.script = slowly
    draw, out, kills = random.Random(12), tmp_path / "out", 0
    while kills < 20:
        before = len(server.prompts())
        process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Not before something was asked, and not always then.
        while process.poll() is None and len(server.prompts()) < before + draw.randint(1, 14):
            time.sleep(0.01)
        time.sleep(draw.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    server.script = lambda body, n: None
    subprocess.run(command(out), check=True, capture_output=True)
    assert whole <= len(server.prompts()) <= whole + kills * PARALLEL
    for name in ("questions.jsonl", "review.jsonl", "documents.jsonl"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.long
def test_ctrl_c_ends_at_once_with_what_to_type(server, towns, tmp_path, reply):
    server.script = lambda body, n: reply(seconds=30.0) if n > 12 else None
    words = ["write", "questions", towns(tmp_path / "in"), tmp_path / "out", "--model", server.model]
    command = [sys.executable, "-m", "kinj.cli", *map(str, words), "--base-url", server.url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while len(server.bodies) < 14:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "interrupted: type the same command to go on; every answer that came is kept" in said
