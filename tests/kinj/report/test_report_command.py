"""`kinj report`: what it prints and writes, and what no file of it may hold."""

import csv
import io
import json
import re
import shlex
import socket
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.errors import UserError
from kinj.report.comparison import find, read_comparison
from kinj.report.costs import Prices
from kinj.report.page.html import CANARY
from kinj.report.page.questions import groups_of
from kinj.report.writing import make_report

pytest.importorskip("matplotlib")
SCRIPT = "<script>alert(1)</script>"


def report(*words):
    return CliRunner().invoke(build_app(), ["report", *map(str, words)], catch_exceptions=False)


def written(folder):
    """Text of every file of a report, by its name."""
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_drawn):
    """A report with texts, its comparison, and what the command printed."""

    root = tmp_path_factory.mktemp("report")
    drawn = make_drawn(
        root / "out", questions=120, seeds=(0, 1), ks=(1, 3), splits=("dev", "test"), controls=True, forgetting=True
    )
    done = report(drawn.folder, "--output_dir", root / "report")
    return drawn, written(root / "report"), done.stdout


def test_the_first_lines_say_what_to_do_and_at_what_price(made):
    _, _, printed = made
    lines = printed.splitlines()
    assert lines[0] == "m, kinj_benchmark_option"
    assert re.match(r"  Retrieve \(bm25, k=[13]\): \+\d+\.\d points over asking the model alone\.", lines[1])
    assert lines[2].startswith("  Cheapest first, in tokens, for 10,000 questions asked: base 1 million, raw 2 million")
    assert lines[-1].endswith("report.html")


def test_every_form_has_the_same_numbers(made):
    _, files, _ = made
    rows = list(csv.DictReader(io.StringIO(files["tables/contrasts.csv"])))
    table = json.loads(files["report.json"])["tables"]["contrasts"]
    at = [column["name"] for column in table["columns"]].index("difference")
    assert [float(row["difference"]) for row in rows] == [row[at] for row in table["rows"]]
    shown = [f"{100 * row[at]:+.1f}" for row in table["rows"]]
    for name in ("report.md", "tables/contrasts.tex", "report.html"):
        assert all(number in files[name] for number in shown), name
    tables = [
        "accuracy",
        "k",
        "groups",
        "retrieval",
        "cost",
        "trainings",
        "cells",
        "noise",
        "interaction",
        "forgetting",
    ]
    assert {f"tables/{name}.csv" for name in tables} <= set(files)


def test_every_number_leads_to_its_cell_and_every_cell_to_its_questions(made):
    drawn, files, _ = made
    page = files["report.html"]
    links = set(re.findall(r'href="#(cell-[0-9a-f]+)"', page))
    assert links
    assert links <= {f"cell-{cell.id}" for cell in drawn.cells}
    assert all(f'id="{link}"' in page for link in links)
    pages = set(re.findall(r'href="(questions-\d+\.html)', page))
    assert pages
    for name in pages:
        parts = re.findall(r'href="(questions-\d+-\d+\.html)#(q\d+)"', files[name])
        assert len(parts) == 120
        assert all(f'id="{anchor}"' in files[part] for part, anchor in parts)


def test_a_question_shows_evidence_options_answers_and_the_prompt_as_sent(made):
    _, files, _ = made
    page = files["questions-1-1.html"]
    assert "The tower was <mark>painted blue</mark>." in page
    assert "A. red 0 (right)" in page
    assert "<pre>Question: What color is tower 0?</pre>" in page
    assert "<pre>Passage 1: The tower was painted blue." in page


def test_patterns_are_counted_as_they_are_marked(made):
    _, files, _ = made
    patterns = re.findall(r'<option value="(\d)">([^<(]+) \((\d+)\)', files["questions-1.html"])
    marked = re.findall(r'<li data-patterns="([^"]*)"', files["questions-1.html"])
    assert len(patterns) == 6
    assert {number: int(count) for number, _, count in patterns} == {
        number: sum(number in one.split() for one in marked) for number, _, _ in patterns
    }


def test_texts_carry_the_canary_and_a_report_without_texts_holds_none(made, tmp_path):
    drawn, files, _ = made
    assert all(CANARY in text for name, text in files.items() if name.startswith("questions-"))
    report(drawn.folder, "--output_dir", tmp_path, "--without-texts")
    bare = written(tmp_path)
    assert not [name for name in bare if name.startswith("questions-")]
    for name, text in bare.items():
        assert "color is tower" not in text, name
        assert "painted" not in text, name
        assert "lm_eval --tasks" not in text, name
    assert "passage there and still wrong" in bare["report.html"]


def test_pages_ask_for_nothing_and_allow_one_script_by_its_sum(made):
    _, files, _ = made
    for name, page in ((name, page) for name, page in files.items() if name.endswith(".html")):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
        assert "default-src 'none'" in policy, name
        assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy), name
        assert page.count("<script") == 1
        addresses = re.findall(r"""(?:src|href|url\()=?["'(]?(\w+://[^"')\s]+)""", page)
        assert addresses == [], name


def test_an_arm_without_the_judged_k_is_said_to_lack_it(drawn, tmp_path):
    folder = drawn(questions=60, ks=(1, 3))
    folder.remove(lambda cell: cell.injection == "none" and cell.k == 1)
    printed = report(folder.folder, "--output_dir", tmp_path / "r").stdout
    assert "no verdict, no answers of bm25 are there with the k" in printed


def test_two_recipes_are_drawn_by_paraphrases_and_tokens_and_judged_apart(drawn, tmp_path):
    folder = drawn(questions=80)
    cells = [folder.add("m", "para", 0, "test", reading, "bm25", k) for reading, k in (("none", None), ("bm25 k=1", 1))]
    folder.write_cells()
    file = folder.folder / "units" / cells[0].unit / "training.json"
    training = {**json.loads(file.read_text()), "arm": "paraphrase", "tokens": 9_000_000}
    file.write_text(json.dumps({**training, "settings": {"data": {"paraphrases": 10}}}))
    report(folder.folder, "--output_dir", tmp_path / "r")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Accuracy by paraphrases: m, kinj_benchmark_option" in page
    assert "Accuracy by training tokens: m, kinj_benchmark_option" in page
    made = json.loads((tmp_path / "r" / "report.json").read_text())["tables"]
    assert [row[2] for row in made["contrasts"]["rows"]].count("FT - RAG") == 2
    assert [(row[4], row[5]) for row in made["recipes"]["rows"]] == [("para", "raw"), ("para", "raw")]


def test_an_unfinished_plan_begins_with_what_is_missing(drawn, tmp_path):
    folder = drawn(seeds=(0, 1))
    folder.remove(lambda cell: cell.seed == 1)
    printed = report(folder.folder, "--output_dir", tmp_path / "r").stdout
    assert printed.startswith(
        "unfinished: 2 of 6 planned cells are missing\n  m, raw, seed 1: 2 of 2 cells, the whole unit\n"
    )
    page = (tmp_path / "r" / "report.html").read_text()
    assert page.index("2 of 6 planned cells are missing") < page.index(">Verdict<")
    assert "misses the planned seed 1" in page


def test_what_others_wrote_is_text_and_never_markup(drawn, tmp_path):
    folder = drawn(models=(SCRIPT, "../../x"), text=f"{SCRIPT} painted blue")
    folder.rewrite(
        folder.cells[0],
        lambda row: {**row, "doc": {**row["doc"], "question": SCRIPT, "id": f'"><img src=x>{row["doc_id"]}'}},
    )
    report(folder.folder, "--output_dir", tmp_path / "r")
    for name, text in written(tmp_path / "r").items():
        if name.endswith((".html", ".md")):
            assert SCRIPT not in text, name
            assert "<img src=x" not in text, name
    assert [path for path in tmp_path.iterdir() if path.name not in ("r", "out")] == []


SECRETS = {
    "a key": "sk-abcdefghijklmnopqrstuv123",
    "a token of the hub": "hf_abcdefghijklmnopqrstuv",
    "a token of GitLab": "glpat-abcdefghijklmnopqrst",
    "a key of NVIDIA": "nvapi-abcdefghijklmnopqrst",
    "a key of Groq": "gsk_abcdefghijklmnopqrst",
    "a token of npm": "npm_abcdefghijklmnopqrst",
    "credentials": "https://me:sesame@host.example/x",
    "a path": "/srv/people/jo/plans/x.jsonl",
    "a path of Windows": r"C:\people\jo\x.jsonl",
    "a variable": "a-value-of-a-variable",
}


def test_no_output_holds_a_key_credentials_a_host_a_user_or_a_path(drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_TOKEN", SECRETS["a variable"])
    monkeypatch.setattr("getpass.getuser", lambda: "jocasta")
    monkeypatch.setattr(socket, "gethostname", lambda: "node17.cluster.example")
    planted = " ".join(SECRETS.values()) + " jocasta node17 "
    folder = drawn(text=f"{planted} painted blue", seeds=(0, 1))
    cell = folder.cells[0]
    place = folder.folder / "cells" / cell.id
    manifest = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps({**manifest, "command": f"lm_eval {planted}"}))
    folder.rewrite(cell, lambda row: {**row, "doc": {**row["doc"], "question": planted, "choices": [planted] * 4}})
    last = folder.cells[-1]
    (folder.folder / "cells" / last.id / "manifest.json").write_text(f"{{ {planted}")
    done = report(folder.folder, "--output_dir", tmp_path / "r", "--json")
    texts = {**written(tmp_path / "r"), "printed": done.stdout}
    planted_words = {**SECRETS, "credentials": "sesame", "user": "jocasta", "host": "node17", "folder": str(tmp_path)}
    for name, text in texts.items():
        found = [what for what, secret in planted_words.items() if secret in text]
        assert found == [], name
    assert "[path]" in texts["questions-1-1.html"]
    assert "painted blue" in texts["questions-1-1.html"].replace("<mark>", "").replace("</mark>", "")


def test_what_is_printed_without_texts_is_what_is_written_without_texts(drawn, tmp_path):
    done = report(drawn().folder, "--output_dir", tmp_path / "r", "--without-texts", "--json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "r" / "report.json").read_text())


def test_a_pack_alone_says_what_it_lacks_and_takes_no_option_of_a_report(drawn, tmp_path):
    folder = drawn(seeds=(0, 1))
    folder.remove(lambda cell: cell.seed == 1)
    done = report(folder.folder, "--pack", tmp_path / "p.jsonl.gz")
    assert "planned cells are missing" in done.stderr
    with pytest.raises(UserError, match="name its folder by --output_dir"):
        report(folder.folder, "--pack", tmp_path / "q.jsonl.gz", "--note", "a budget")


def test_the_command_at_the_end_has_every_option_that_shaped_the_report(drawn, tmp_path):
    options = ("--questions-asked", "7", "--note", "a budget of 2 h", "--without-texts")
    report(drawn().folder, "--output_dir", tmp_path / "report", *options)
    command = json.loads((tmp_path / "report" / "report.json").read_text())["command"]
    assert shlex.split(command)[-len(options) :] == [*options]


def test_an_output_folder_of_something_else_is_refused(drawn, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.tex").write_text("…")
    with pytest.raises(UserError, match="is not empty and holds no report"):
        report(drawn().folder, "--output_dir", tmp_path / "r")
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["thesis.tex"]


def test_a_second_report_takes_the_place_of_the_first(drawn, tmp_path):
    folder = drawn()
    report(folder.folder, "--output_dir", tmp_path / "r")
    first = written(tmp_path / "r")
    report(folder.folder, "--output_dir", tmp_path / "r")
    assert written(tmp_path / "r") == first
    report(folder.folder, "--output_dir", tmp_path / "r", "--without-texts")
    assert not list((tmp_path / "r").glob("questions-*"))


def test_nothing_complete_is_no_report(drawn, tmp_path):
    folder = drawn()
    folder.remove(lambda cell: True)
    with pytest.raises(UserError, match="none of the plan's 4 cells is complete"):
        report(folder.folder, "--output_dir", tmp_path / "r")


def test_prices_and_the_number_of_questions_are_in_the_sentence(drawn, tmp_path):
    (tmp_path / "p.yaml").write_text("currency: EUR\ntraining: 1\nanswering: 2\n")
    printed = report(
        drawn().folder, "--output_dir", tmp_path / "r", "--prices", tmp_path / "p.yaml", "--questions-asked", 500
    ).stdout
    assert "Cheapest first, in EUR, for 500 questions asked: base 0.1, bm25 0.3, raw 1.1, raw + bm25 1.3." in printed


def test_a_plan_of_one_arm_has_numbers_and_no_contrast(drawn, tmp_path):
    folder = drawn(ks=(), seeds=())
    printed = report(folder.folder, "--output_dir", tmp_path / "r").stdout
    assert "Ask the model alone: the cheapest arm" in printed


def test_without_the_extra_the_way_to_install_it_is_said(drawn, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"needs matplotlib, which is not installed: pip install 'kinj\[report\]'"):
        report(drawn().folder, "--output_dir", tmp_path / "r")


def test_a_note_stands_with_every_verdict(made, tmp_path):
    drawn, _, _ = made
    done = report(drawn.folder, "--output_dir", tmp_path / "out", "--note", "Left out for the budget: k=1.")
    assert "  Left out for the budget: k=1." in done.stdout.splitlines()
    blocks = json.loads((tmp_path / "out" / "report.json").read_text())["verdicts"]
    assert all("Left out for the budget: k=1." in block["warnings"] for block in blocks)


def test_a_report_without_texts_holds_no_text_of_a_broken_response(drawn, tmp_path):
    folder = drawn()
    folder.rewrite(folder.cells[0], lambda row: {**row, "filtered_resps": [["SECRET of the tower", "x"]] * 4})
    done = report(folder.folder, "--output_dir", tmp_path / "r", "--without-texts")
    assert "no sample of lm-eval's (ValueError)" in written(tmp_path / "r")["report.json"]
    assert not [name for name, text in written(tmp_path / "r").items() if "SECRET" in text]
    assert "SECRET" not in done.stdout


def test_json_has_null_where_a_break_even_has_no_end(drawn, tmp_path):
    folder = drawn()
    for cell in folder.cells:
        file = folder.folder / "cells" / cell.id / "manifest.json"
        tokens = 6000 if cell.k is None else 6300  # within a tenth at any number of questions
        file.write_text(json.dumps({**json.loads(file.read_text()), "tokens": tokens}))
    report(folder.folder, "--output_dir", tmp_path / "r")
    text = (tmp_path / "r" / "report.json").read_text()
    assert "Infinity" not in text
    assert json.loads(text)["tables"]["break_even"]["rows"][0][-1] is None


def test_passages_and_traces_that_are_broken_are_shown_as_far_as_they_go(drawn, tmp_path):
    folder = drawn()
    [file] = folder.folder.glob("passages/*/passages.jsonl")
    file.write_text('{"passages": null}\n{"passages": [{"text": "x"}, 1]}\n' + file.read_text().partition("\n")[2])
    trace = folder.folder / "cells" / folder.cell(reading="bm25 k=1", injection="none").id / "trace.jsonl"
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    lines[5]["passages"], lines[6]["passages"] = None, [{"sent": True}]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report(folder.folder, "--output_dir", tmp_path / "r")
    page = (tmp_path / "r" / "questions-1-1.html").read_text()
    assert "passage unnamed (bm25 k=1, rank unknown)" in page
    assert "Its text is in no passages.jsonl of the folder." in page


def test_two_folders_of_one_plan_have_anchors_of_their_own(drawn, tmp_path):
    one, other = drawn("one"), drawn("other", seed=1)
    report(one.folder, other.folder, "--output_dir", tmp_path / "r", "--without-texts")
    anchors = re.findall(r' id="(cell-[^"]*)"', (tmp_path / "r" / "report.html").read_text())
    assert len(anchors) == len(set(anchors)) == 8


def test_a_question_that_an_arm_was_not_asked_is_not_wrong_in_it(drawn):
    folder = drawn()
    folder.rewrite(folder.cell(reading="bm25 k=1", injection="none"), lambda row: row if row["doc_id"] >= 30 else None)
    [group] = groups_of(find(read_comparison([folder.folder])))
    [asked] = [one for one in group.arms if one.arm.side == "RAG"]
    for number in np.flatnonzero(~asked.asked):
        assert "only closed book right" not in group.patterns[number]
    assert any("only closed book right" in one or "all right" in one for one in group.patterns[:30])


def warnings_of(folder, **words):
    """What stands beside the one verdict of a report."""
    block = make_report([folder.folder], words.get("prices"), 10_000)[0].blocks[0]
    return [*block.recommendation, *block.warnings]


def test_weak_grounds_are_said_beside_the_verdict(drawn):
    folder = drawn(questions=120, seeds=(0, 1))

    def other_chunks(row):  # one holds a fifth of the questions, ten questions name none
        n = row["doc_id"]
        chunks = [] if n >= 110 else ["c0"] if n < 24 else [f"c{n}"]
        return {**row, "doc": {**row["doc"], "chunk_ids": chunks}}

    for cell in folder.cells:
        folder.rewrite(cell, other_chunks)
    for unit in {cell.unit for cell in folder.cells if cell.seed is not None}:
        file = folder.folder / "units" / unit / "training.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "weights_sha256": "one"}))
    said = warnings_of(folder)
    assert any(text.startswith("One cluster holds 20 % of the questions") for text in said)
    assert "1 trainings of raw have the weights of another and count as one with it." in said
    assert "10 of 120 questions name no source chunk: each counts as a cluster of its own." in said
    assert any("(of this very training, raw against base: 95 % interval" in text for text in said)
    assert not any("the recommendation goes without" in text for text in said)
    plain = warnings_of(drawn("plain", seeds=(0, 1)))
    assert not any("One cluster" in text or "weights of another" in text or "no source" in text for text in plain)


def test_an_arm_without_a_price_is_named(drawn):
    said = warnings_of(drawn(), prices=Prices(answering=1))
    assert "The cost of raw, raw + bm25 is not known: the recommendation goes without." in said


def test_models_of_two_folders_have_the_prices_of_their_plans_name(drawn, tmp_path):
    one, other = drawn("one"), drawn("other", seed=1)
    prices = Prices(currency="EUR", models={"m": {"training": 3, "answering": 5}})
    report, _ = make_report([one.folder, other.folder], prices, 10_000)
    costs = [block.recommendation[1] for block in report.blocks]
    assert [text.partition(": ")[2] for text in costs] == ["base 5, raw 8, bm25 15, raw + bm25 18."] * 2
    with pytest.raises(UserError, match="'n': no model of these plans; there are m"):
        make_report([one.folder], Prices(models={"n": {"training": 3}}), 10_000)
