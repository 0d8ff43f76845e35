"""The page in a real browser, from a disk: nothing runs that is not its own."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess

import pytest

from kinj.report.board import as_html, make_board
from kinj.report.reading import read_runs

pytestmark = pytest.mark.long

CHROMIUM = shutil.which("chromium")
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def page(tmp_path, log_answers):
    for i, name in enumerate((HOSTILE, "org/a", "org/b")):
        log_answers(tmp_path / str(i), [1.0] * (20 + 5 * i) + [0.0] * (20 - 5 * i), model_args={"pretrained": name})
    return as_html(make_board(*read_runs([tmp_path])))


def shown(folder, page, width=390):
    """What the browser makes of the page, and what it says on its console."""
    if CHROMIUM is None:
        pytest.skip("no chromium")
    folder.mkdir()
    (folder / "moved.html").write_text(page)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += [f"--window-size={width},900", "--virtual-time-budget=2000", "--dump-dom", f"file://{folder}/moved.html"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_names_run_nothing_and_the_console_is_silent(tmp_path, page):
    dom, console = shown(tmp_path / "moved", page)
    assert "<title>Leaderboard</title>" in dom
    assert dom.count("<script") == 1
    assert console == []


def test_even_a_script_that_got_in_does_not_run(tmp_path, page):
    dom, console = shown(tmp_path / "moved", page.replace("</main>", HOSTILE + "</main>"))
    assert "<title>Leaderboard</title>" in dom
    assert any("Content Security Policy" in line for line in console)


def test_a_click_sorts_and_typing_filters_under_the_pages_own_policy(tmp_path, page):
    """The page's script, with a driver added to it and allowed by its hash, as a person would use it."""
    driver = """
document.querySelectorAll("th button")[2].click();
document.querySelector("#filter").value = "ORG";
document.querySelector("#filter").dispatchEvent(new Event("input"));
document.title = JSON.stringify({order: [...body.rows].map((row) => row.cells[0].textContent.slice(0, 5)),
  hidden: [...body.rows].map((row) => row.hidden), count: count.textContent,
  sort: document.querySelector("th[aria-sort]").getAttribute("aria-sort"),
  wider: document.documentElement.scrollWidth > window.innerWidth});
"""
    [script] = re.findall(r"<script>(.*?)</script>\n</body>", page, re.DOTALL)
    hashes = [
        f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
        for text in (script, script + driver)
    ]
    escaped = [text.replace("+", "&#43;") for text in hashes]
    for old, new in zip((hashes[0], escaped[0]), (hashes[1], hashes[1]), strict=True):
        page = page.replace(old, new)
    dom, console = shown(tmp_path / "moved", page.replace(script + "</script>", script + driver + "</script>"))
    assert console == []
    [title] = re.findall("<title>(.*?)</title>", dom)
    assert json.loads(html.unescape(title)) == {
        "order": ["org/b", "org/a", "<scri"],
        "hidden": [False, False, True],
        "count": "2 of 3 rows",
        "sort": "descending",
        "wider": False,
    }
