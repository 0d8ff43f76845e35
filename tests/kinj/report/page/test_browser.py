"""A report in Debian's Chromium, opened from a disk after its folder was moved."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import MISSING, Browser, is_there  # beside the tests, which are no package

pytestmark = [pytest.mark.long, pytest.mark.skipif(not is_there(), reason=MISSING)]
AXE = os.environ.get("KINJ_TEST_AXE", "")
PORT = 20_000 + os.getpid() % 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_drawn) -> Path:
    """A report with all of its parts, moved after it was written."""
    root = tmp_path_factory.mktemp("browser")
    text = "The tower was painted blue. <script>document.title = 'run'</script>"
    settings = {"seeds": (0, 1), "ks": (1, 3), "splits": ("dev", "test"), "controls": True, "forgetting": True}
    drawn = make_drawn(root / "out", questions=80, text=text, **settings)
    drawn.remove(lambda cell: cell.seed == 1 and cell.k == 3)
    CliRunner().invoke(
        build_app(), ["report", str(drawn.folder), "--output_dir", str(root / "first")], catch_exceptions=False
    )
    shutil.rmtree(drawn.folder)
    return Path(shutil.move(root / "first", root / "moved"))


@pytest.fixture(scope="module", params=[(1280, False), (1280, True), (390, False)], ids=["desktop", "dark", "phone"])
def browser(request) -> Iterator[Browser]:
    width, dark = request.param
    opened = Browser(PORT + request.param_index, width, dark=dark)
    yield opened
    opened.close()


PAGES = ("report.html", "questions-1.html", "questions-1-1.html")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_nothing_to_the_console_asks_for_nothing_and_folds(browser, folder, name):
    browser.open((folder / name).as_uri())
    assert browser.console() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == []
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.run("return document.title") != "run"


def test_every_plot_is_there_in_colours_of_the_page(browser, folder):
    browser.open((folder / "report.html").as_uri())
    sizes = browser.run(
        "return [...document.querySelectorAll('figure svg')].map(s => { const b = s.getBoundingClientRect(); "
        "return [b.width, b.height, b.right <= window.innerWidth] })"
    )
    assert len(sizes) >= 4
    assert all(width > 200 and height > 80 and inside for width, height, inside in sizes)
    ink = browser.run("return getComputedStyle(document.body).color")
    text = browser.run("return getComputedStyle(document.querySelector('figure svg text')).fill")
    assert text == ink


def test_tables_sort_by_their_headers_and_say_so(browser, folder):
    browser.open((folder / "report.html").as_uri())
    column = """
        const head = [...document.querySelectorAll('#t-accuracy th')].find(h => h.textContent === 'accuracy');
        head.firstElementChild.click();
        return [head.getAttribute('aria-sort'), [...document.querySelectorAll('#t-accuracy tbody tr')]
          .map(r => Number(r.cells[head.cellIndex].dataset.sort))];
    """
    way, values = browser.run(column)
    assert (way, values) == ("ascending", sorted(values))
    way, values = browser.run(column)
    assert (way, values) == ("descending", sorted(values, reverse=True))


def test_questions_are_searched_and_filtered_by_pattern(browser, folder):
    browser.open((folder / "questions-1.html").as_uri())
    shown = "[...document.querySelectorAll('#list > li')].filter(one => !one.hidden).length"
    assert browser.run(f"return {shown}") == 80
    find = "const f = document.querySelector('[data-search]'); f.value = '{}';"
    find += "f.dispatchEvent(new Event('input'));"
    searched = find.format("tower 7")
    assert browser.run(f"{searched} return {shown}") == 11  # 7 and 70 to 79
    chosen = (
        "const s = document.querySelector('[data-pattern]'); document.querySelector('[data-search]').value = '';"
        "s.value = '2'; s.dispatchEvent(new Event('change')); return [s.selectedOptions[0].textContent, " + shown + "]"
    )
    label, count = browser.run(chosen)
    assert label == f"only RAG right ({count})"


def test_an_injected_script_does_not_run_even_unescaped(browser, folder):
    page = (folder / "report.html").read_text()
    (folder / "attacked.html").write_text(page.replace("<main", "<script>document.title = 'run'</script><main", 1))
    browser.open((folder / "attacked.html").as_uri())
    assert browser.run("return document.title") != "run"
    assert any("Content Security Policy" in line for line in browser.console())
    (folder / "attacked.html").unlink()


@pytest.mark.skipif(not Path(AXE or "none").is_file(), reason="KINJ_TEST_AXE names no axe.min.js (npm pack axe-core)")
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_fault_in_contrast_headers_or_names(browser, folder, name):
    browser.open((folder / name).as_uri())
    browser.run(Path(AXE).read_text())
    faults = browser.run_async(
        "const done = arguments[arguments.length - 1];"
        "axe.run().then(r => done(r.violations.map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 120)])))"
    )
    assert faults == []
