"""Two runs of one plan: what became better or worse, and an exit code for it."""

import json

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app, main
from kinj.report.board import compare_runs
from kinj.report.reading import read_runs


def answers(right, wrong):
    return [1.0] * right + [0.0] * wrong


def compared(tmp_path, **options):
    (new, _), (old, _) = read_runs([tmp_path / "new"]), read_runs([tmp_path / "old"])
    return compare_runs(new, old, **options)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (answers(100, 200), answers(140, 160), "better"),
        (answers(140, 160), answers(100, 200), "worse"),
        (answers(100, 200), answers(106, 194), "can't tell"),
        (answers(1000, 1000), answers(1000, 1000), "the same"),
    ],
)
def test_each_cell_has_a_word_by_its_paired_difference(tmp_path, log_answers, before, after, word):
    log_answers(tmp_path / "old", before)
    log_answers(tmp_path / "new", after)
    [change], alone, problems = compared(tmp_path)
    assert (change.word, change.paired, alone, problems) == (word, len(before), [], [])
    assert change.interval[0] <= change.difference <= change.interval[1]


def test_the_margin_decides_what_is_the_same(tmp_path, log_answers):
    log_answers(tmp_path / "old", answers(1000, 1000))
    log_answers(tmp_path / "new", answers(1005, 995))
    assert compared(tmp_path)[0][0].word == "the same"
    assert compared(tmp_path, margin=0.003)[0][0].word == "can't tell"


def test_all_cells_are_one_family(tmp_path, log_answers):
    """A change that one cell alone would call is not called among twenty."""
    for i in range(20):
        log_answers(tmp_path / "old" / str(i), answers(100, 200), model_args={"pretrained": f"org/m{i}"})
        after = [0.0, *answers(109, 190)] if i == 0 else answers(100, 200)
        log_answers(tmp_path / "new" / str(i), after, model_args={"pretrained": f"org/m{i}"})
    changes = compared(tmp_path)[0]
    assert min(change.p for change in changes) < 0.05
    assert {change.word for change in changes} <= {"can't tell", "the same"}


def test_other_questions_are_not_compared_and_cells_of_one_run_are_named(tmp_path, log_answers):
    log_answers(tmp_path / "old", answers(20, 20))
    log_answers(tmp_path / "new", answers(20, 20))
    log_answers(tmp_path / "old" / "2", answers(20, 20), task="piqa")
    log_answers(tmp_path / "new" / "2", answers(20, 20), task="piqa", first=5)
    log_answers(tmp_path / "new" / "3", answers(20, 20), model_args={"pretrained": "org/other"})
    changes, alone, _ = compared(tmp_path)
    assert [change.task for change in changes] == ["arc_easy"]
    assert [str(one) for one in alone] == [
        "only in the new one: org/small: piqa",
        "only in the new one: org/other: arc_easy",
        "only in the old one: org/small: piqa",
    ]


def test_the_exit_code_is_one_where_something_became_worse(tmp_path, log_answers):
    log_answers(tmp_path / "a", answers(140, 160))
    log_answers(tmp_path / "b", answers(100, 200))
    words = ["leaderboard", str(tmp_path / "b"), "--against", str(tmp_path / "a")]
    done = CliRunner().invoke(build_app(), words)
    assert done.exit_code == 1
    assert "worse" in done.output
    done = CliRunner().invoke(
        build_app(), ["leaderboard", str(tmp_path / "a"), "--against", str(tmp_path / "b"), "--json"]
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout)["changes"][0]["word"] == "better"


def test_nothing_in_common_is_the_users_mistake(tmp_path, log_answers, capsys):
    log_answers(tmp_path / "a", answers(20, 20))
    log_answers(tmp_path / "b", answers(20, 20), task="piqa")
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", str(tmp_path / "b"), "--against", str(tmp_path / "a")])
    assert ended.value.code == 2
    assert "--against: no cell is in both" in capsys.readouterr().err


@pytest.mark.parametrize("side", ["old", "new"])
@pytest.mark.parametrize("loss", ["contradicted", "claimed"])
def test_the_only_common_cell_being_lost_is_said_and_has_the_exit_code_of_lost_cells(tmp_path, log_answers, loss, side):
    log_answers(tmp_path / {"old": "new", "new": "old"}[side], answers(30, 10))
    file = log_answers(tmp_path / side / "1", answers(30, 10))
    if loss == "claimed":
        log_answers(tmp_path / side / "1", answers(10, 30), stamp="2026-06-01T10-00-00.000000")
    else:
        file.write_text(file.read_text().replace('"acc,none": 0.75', '"acc,none": 0.9'))
    assert asked(tmp_path).exit_code == 3
    values = json.loads(asked(tmp_path, "--json").stdout)
    assert (values["changes"], len(values["alone"]), len(values["not_taken"])) == ([], 1, 1)


def asked(tmp_path, *words):
    return CliRunner().invoke(
        build_app(), ["leaderboard", str(tmp_path / "new"), "--against", str(tmp_path / "old"), *words]
    )


def test_the_options_of_columns_are_those_of_the_comparison(tmp_path, log_run, new_run):
    for when, acc, norm in (("old", 0.5, 0.8), ("new", 0.5, 0.2)):
        run = new_run(value=acc, n=400)
        run["results"]["arc_easy"]["acc_norm,none"] = norm
        log_run(tmp_path / when, run)
    assert asked(tmp_path).exit_code == 0
    done = asked(tmp_path, "--metric", "arc_easy=acc_norm", "--task", "arc_easy=arc_easy", "--json")
    assert done.exit_code == 1
    [change] = json.loads(done.stdout)["changes"]
    assert (change["metric"], change["word"]) == ("acc_norm", "worse")
    for words in (["--task", "nosuch=x"], ["--name", "nowhere=x"], ["--output_dir", str(tmp_path / "out")]):
        assert asked(tmp_path, *words).exception is not None
    assert not (tmp_path / "out").exists()


def test_where_nothing_could_be_compared_nothing_passes(tmp_path, log_run, new_run):
    for when, perplexity in (("old", 10.0), ("new", 90.0)):
        log_run(tmp_path / when, new_run("wikitext", perplexity, 60, metric="word_perplexity"))
    assert asked(tmp_path).exit_code == 3


def test_cells_that_are_no_share_are_listed(tmp_path, log_run, new_run):
    for when, perplexity in (("old", 10.0), ("new", 90.0)):
        log_run(tmp_path / when, new_run("arc_easy", 0.5, 400))
        other = new_run("wikitext", perplexity, 60, metric="word_perplexity")
        log_run(tmp_path / when / "2", other)
    _, alone, _ = compared(tmp_path)
    assert [str(one) for one in alone] == ["not compared, word_perplexity is no share of 1: org/small: wikitext"]
    assert asked(tmp_path).exit_code == 0


@pytest.mark.parametrize("loss", ["cut", "contradicted", "gone"])
def test_a_cell_that_was_lost_has_an_exit_code_of_its_own(tmp_path, log_answers, loss):
    for when in ("old", "new"):
        log_answers(tmp_path / when / "1", answers(20, 20))
        file = log_answers(tmp_path / when / "2", answers(30, 10), task="piqa")
    text = file.read_text()
    file.unlink() if loss == "gone" else file.write_text(
        text[:200] if loss == "cut" else text.replace('"acc,none": 0.75', '"acc,none": 0.9')
    )
    done = asked(tmp_path, "--json")
    assert done.exit_code == 3
    values = json.loads(done.stdout)
    assert [line.rpartition(": ")[2] for line in values["alone"]] == ["piqa"]
    assert len(values["not_taken"]) == (loss != "gone")


def test_of_a_few_clusters_no_word_is_said(tmp_path, log_run, new_run, new_sample):
    rows = [new_sample(i, float(i % 2), doc={"chunk_ids": [f"c{i // 300}"]}) for i in range(600)]
    for when in ("old", "new"):
        log_run(tmp_path / when, new_run("t", 0.5, 600), {"t": rows})
    assert compared(tmp_path)[0][0].word == "too few to tell"


def test_an_arm_that_was_trained_anew_is_compared_with_itself_and_other_commits_too(tmp_path, log_answers):
    for when, unit, sha, right in (("old", "1" * 16, "a" * 40, 30), ("new", "2" * 16, "b" * 40, 10)):
        log_answers(tmp_path / when / "hub", answers(right, 40 - right), config={"model_sha": sha})
        folder = tmp_path / when / "cell"
        log_answers(folder, answers(right, 40 - right), model_args={"pretrained": "other"})
        cell = {"model": "small", "injection": "raw", "reading": "none", "unit": unit, "seed": 0, "role": "main"}
        files = {path.name: path.stat().st_size for path in folder.iterdir()}
        (folder / "manifest.json").write_text(json.dumps({"made_by": "kinj compare", "cell": cell, "files": files}))
    changes, alone, _ = compared(tmp_path)
    assert sorted((change.model, change.word) for change in changes) == [("org/small", "worse"), ("small", "worse")]
    assert alone == []


def test_names_are_whole_where_the_table_goes_into_a_log(tmp_path, log_answers):
    model, task = "organization/a-model-of-a-long-name-7b", "a_task_of_a_long_name_too"
    for when in ("old", "new"):
        log_answers(tmp_path / when, answers(20, 20), task=task, model_args={"pretrained": model})
    line = next(line for line in asked(tmp_path).output.splitlines() if "organization" in line)
    assert line.split()[:3] == [model, task, "acc"]
