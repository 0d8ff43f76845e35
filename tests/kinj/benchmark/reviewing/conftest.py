"""A folder under review with markup in its texts, and a real headless Chromium, steered by WebDriver's protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kinj.benchmark.reviewing import Item
from kinj.jsonl import write_records

INJECTED = "<script>window.injected = 1</script><img src=x onerror='window.injected = 2'>"


@pytest.fixture
def under_review(rows, write):
    """A question that was kept, one that was refused, and a paraphrase."""
    rows["chunks"][0]["title"] = f"Ratings {INJECTED}"
    rows["questions"][0] |= {
        "evidence": ["Janet Yellen rejected it."],
        "choices": ["Jerome Powell", "Janet Yellen", "Lael Brainard", f"</script>{INJECTED}"],
    }
    folder = write(rows)
    refused = {**rows["questions"][0], "id": "new1", "question": f"Who rejected the order? {INJECTED}"}
    kept, paraphrase = rows["questions"][0], rows["paraphrases"][0]
    items = [
        Item(kept["id"], "question", ("ce-0.1",), kept, evidence=("Janet Yellen rejected it.",)),
        Item("new1", "question", ("ce-0.1",), refused, "refused", (f"does not stand alone: {INJECTED}",)),
        Item(paraphrase["id"], "paraphrase", ("ce-0.1",), paraphrase),
    ]
    write_records(folder / "review.jsonl", items)
    return folder


@pytest.fixture
def decisions(tmp_path):
    """Writes decisions as the page saves them."""

    def writer(*rows):
        path = tmp_path / "decisions.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return writer


# ---- a browser

PROGRAMS = ("chromium", "chromedriver")


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, path: Path) -> None:
        call(f"{self._session}/url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments: object) -> Any:  # Any: JSON values
        """What the script returns; the page's content security policy does not hold it back."""
        return call(f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, key: str) -> None:
        """One key, where the focus is."""
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        call(f"{self._session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def errors(self) -> list[str]:
        """What the console has said since this was last asked: errors, refused scripts and requests."""
        return [entry["message"] for entry in call(f"{self._session}/se/log", {"type": "browser"})]


def call(address: str, values: dict[str, object], method: str = "POST") -> Any:  # Any: JSON values
    request = urllib.request.Request(address, json.dumps(values).encode(), method=method)  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)["value"]


@pytest.fixture
def browser(tmp_path):
    """A browser without a network, which saves downloads into `tmp_path`."""
    if absent := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"no {', '.join(absent)} on the path (Debian: chromium, chromium-driver)")
    driver = subprocess.Popen([shutil.which("chromedriver"), "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        port = next(line.rstrip(". \n").rpartition(" ")[2] for line in driver.stdout if "successfully" in line)
        options = {
            "args": ["--headless=new", "--no-sandbox", "--window-size=1280,900", "--proxy-server=127.0.0.1:9"],
            "prefs": {"download.default_directory": str(tmp_path), "download.prompt_for_download": False},
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        address = f"http://127.0.0.1:{port}/session"
        session = call(address, {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(f"{address}/{session}")
        finally:
            call(f"{address}/{session}", {}, "DELETE")
    finally:
        driver.terminate()
        driver.wait(timeout=30)
