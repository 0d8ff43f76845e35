"""The leaderboard's files: nothing of what other people wrote is markup, a formula or a secret in them."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer.main
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from kinj.cli.app import build_app, main
from kinj.report.board import as_csv, as_html, as_json, as_markdown, make_board
from kinj.report.reading import plain as plain_module
from kinj.report.reading import read_runs
from kinj.report.reading.plain import plain, plain_settings, without_secrets
from kinj.report.reading.runs import CHECKED, CONTRADICTED, MARKS, SEALED, UNCHECKED

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">|`a`[b](http://evil.example/x)'


class Tags(HTMLParser):
    """Counts tags, and collects attributes that could load or run something."""

    def __init__(self):
        super().__init__()
        self.tags, self.loading, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            leads_out = name == "href" and not value.startswith("#")
            if leads_out or name in ("src", "srcset", "style", "data") or name.startswith("on"):
                self.loading.append((tag, name))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def hostile(tmp_path, log_answers):
    log_answers(tmp_path / "a", [1.0, 0.0] * 20, task="t")
    file = log_answers(
        tmp_path / HOSTILE.replace("/", "_")[:60], [1.0] * 40, task="t", model_args={"pretrained": HOSTILE}
    )
    file.write_text(file.read_text().replace('"t":', json.dumps(HOSTILE[:40]) + ":"))
    (tmp_path / "results_<b>.json").write_text("{")
    runs, problems = read_runs([tmp_path])
    return make_board(runs, problems)


def test_names_are_escaped_in_html_and_nothing_is_loaded(hostile):
    page = Tags()
    page.feed(as_html(hostile))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert "b" not in page.tags
    assert page.loading == []
    assert any("<script>alert(1)" in text for text in page.text)


def test_the_policy_allows_the_pages_own_script_alone(hostile):
    page = as_html(hostile)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe" not in policy


def test_names_are_escaped_in_markdown(hostile):
    text = as_markdown(hostile)
    page = Tags()
    page.feed(MarkdownIt("commonmark").enable("table").render(text))
    assert not {"script", "img", "a", "code", "b"} & set(page.tags)
    assert HOSTILE[:30] in "".join(page.text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_name_is_a_formula_in_a_spreadsheet(tmp_path, log_answers, name):
    log_answers(tmp_path, [1.0, 0.0] * 20, model_args={"pretrained": name})
    rows = list(csv.DictReader(io.StringIO(as_csv(make_board(*read_runs([tmp_path]))))))
    assert {row["model"] for row in rows} == {f"'{name}"}


def test_unchecked_is_said_in_every_form(tmp_path, log_run, new_run):
    log_run(tmp_path, new_run())
    board = make_board(*read_runs([tmp_path]))
    line = next(line for line in as_markdown(board).splitlines() if line.startswith("| org"))
    assert line.count("unchecked") == 2  # the mean's and the task's
    assert as_html(board).count("<small>unchecked</small>") == 2
    assert {row["checked"] for row in csv.DictReader(io.StringIO(as_csv(board)))} == {"unchecked"}
    [row] = json.loads(as_json(board))["rows"]
    assert row["mean"]["checked"] == row["scores"]["arc_easy"]["checked"] == "unchecked"


def test_a_contradicted_zero_is_said_in_the_csv(tmp_path, log_answers):
    file = log_answers(tmp_path, [0.0] * 40)
    file.write_text(file.read_text().replace('"acc,none": 0.0', '"acc,none": 0.9'))
    [row] = csv.DictReader(io.StringIO(as_csv(make_board(*read_runs([tmp_path])))))
    assert (row["checked"], row["score"], row["samples give"]) == ("contradicted", "0.9", "0.0")


def test_json_beside_a_folder_is_alone_on_the_standard_output(tmp_path, log_answers):
    log_answers(tmp_path / "in", [1.0, 0.0] * 20)
    words = ["leaderboard", str(tmp_path / "in"), "--output_dir", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(build_app(), words)
    assert len(json.loads(done.stdout)["rows"]) == 1


def test_json_is_json_that_any_reader_takes(hostile):
    def refuse(name):
        raise AssertionError(name)

    values = json.loads(as_json(hostile), parse_constant=refuse)
    assert len(values["rows"]) == 2
    assert [problem["why"][:7] for problem in values["not_taken"]] == ["cut off"]


# ---- nothing of the machine, and no secret


@pytest.mark.parametrize(
    "text",
    [
        "/home/alice/models/final", "file at C:\\Users\\alice\\final", "~/alice/final", "__home__alice__models__final",
        "https://alice:hunter22@intern.example:8000/v1", "api_key=alice-hunter22", "token: hf_alicehunter22abc",
        "sk-alicehunter22alice", "Bearer alice.hunter22.final",
    ],
)  # fmt: skip
def test_paths_addresses_and_keys_are_never_shown(text):
    shown = plain(f"error at {text}, line 3")
    assert not re.search("alice|hunter22|intern", shown)
    assert shown.startswith("error at ")


@pytest.fixture
def new_redactor(monkeypatch):
    """Looks at each text for the secrets of this moment; else a process looks for them once."""
    monkeypatch.setattr(plain_module, "_redactor", plain_module.redactor)


def test_the_names_of_machine_and_user_are_never_shown(monkeypatch, new_redactor):
    monkeypatch.setattr("socket.gethostname", lambda: "buildhost")
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    assert plain("alice@buildhost ran buildhosts alicelike") == "[name]@[name] ran buildhosts alicelike"


def test_paths_of_equal_end_stay_apart_and_ordinary_names_are_left():
    one, other = (plain_settings({"peft": f"/home/{who}/final"})["peft"] for who in ("a", "b"))
    assert one.startswith("…/final #")
    assert one != other
    for name in ("org/model-7B", "meta-llama/Llama-3.1-8B", "../../x", "a/b/c", "bm25 k=3", "1.0"):
        assert plain(name) == name
    assert plain_settings({"api_key": "x", "auth_token": "y", "max_tokens": 5}) == {"max_tokens": "5"}


def test_what_is_planted_in_a_folder_is_in_no_output(tmp_path, log_answers):
    arguments = {
        "base_url": "https://alice:hunter22@intern.example/v1",
        "api_key": "hunter22",
        "pretrained": "/home/alice/m",
    }
    file = log_answers(tmp_path / "__home__alice__m", [1.0, 0.0] * 20, model_args=arguments)
    (file.parent / "results_2.json").write_text("{")
    other = {**arguments, "base_url": "http://other.example"}
    log_answers(tmp_path / "b", [1.0] * 30 + [0.0] * 10, model_args=other)
    board = make_board(*read_runs([tmp_path]))
    for text in map(str, (as_html(board), as_markdown(board), as_csv(board), as_json(board))):
        assert not re.search("alice|hunter22|intern|other.example", text)
        assert str(tmp_path) not in text


# ---- the command


def test_the_command_writes_four_files_and_names_what_it_did_not_take(tmp_path, log_answers):
    log_answers(tmp_path / "in" / "a", [1.0, 0.0] * 20)
    (tmp_path / "in" / "results_2.json").write_text("{")
    done = CliRunner().invoke(build_app(), ["leaderboard", str(tmp_path / "in"), "--output_dir", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "1 row, 1 column" in done.output
    assert "not taken: in/results_2.json: cut off, or no JSON" in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"leaderboard.{form}" for form in ("csv", "html", "json", "md")
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output_dir", "out"], "no results that can be read there"),
        ([], "--output_dir: name the folder of the leaderboard, or ask for --json"),
        (["--json", "--name", "x"], "--name x: expected DIR=LABEL"),
    ],
)
def test_what_the_user_can_mend_is_one_line(tmp_path, capsys, words, said):
    with pytest.raises(SystemExit):
        main(["leaderboard", str(tmp_path), *words])
    assert said in capsys.readouterr().err


def test_the_page_of_the_leaderboard_names_every_option_and_every_word():
    page = (Path(__file__).resolve().parents[4] / "docs" / "leaderboard.md").read_text()
    commands = typer.main.get_command(build_app()).commands
    options = {word for name in ("leaderboard", "export") for one in commands[name].params for word in one.opts}
    missing = [word for word in options if word.startswith("--") and word not in page]
    assert missing == []
    assert [word for word in (CHECKED, SEALED, UNCHECKED, CONTRADICTED, *MARKS[:2]) if word not in page] == []


@pytest.mark.parametrize("secret", [
    "AIzaSyA1234567890abcdefghijklmnopqrstu", "correcthorsebattery", "file:///home/alice/x",
    "Basic dXNlcjpwYXNzd29yZDEyMw==", "sk_live_abcdefghijklmnopqrst", "hf_abcd12345678",
])  # fmt: skip
def test_a_board_shows_no_secret_that_a_report_does_not(monkeypatch, new_redactor, secret):
    monkeypatch.setenv("MY_API_KEY", "correcthorsebattery")
    for shown in (plain(f"with {secret} in"), without_secrets(f"with {secret} in")):
        assert secret not in shown
        assert secret.rpartition(" ")[2] not in shown
    other = plain_settings({"x": f"a {secret}"})["x"], plain_settings({"x": f"a {secret}1"})["x"]
    assert len(set(other)) == 2


def test_a_process_looks_for_secrets_in_its_environment_once(monkeypatch):
    plain("x")
    monkeypatch.setattr(plain_module, "redactor", None)
    assert [plain(f"/home/a/{i}") for i in range(2)] == ["…/0", "…/1"]
