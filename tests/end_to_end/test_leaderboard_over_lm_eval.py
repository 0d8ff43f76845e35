"""A leaderboard over files that lm-eval itself wrote: folders, a flat file, a group, chats and shots."""

import json

import pytest

from kinj.report.board import make_board
from kinj.report.reading import read_runs

pytestmark = pytest.mark.long

TASKS = "mmlu_anatomy,arc_easy"
GROUP = """group: {name}
task: [mmlu_anatomy, arc_easy]
aggregate_metric_list:
  - metric: acc
    weight_by_size: {by_size}
"""


@pytest.fixture(scope="module")
def results(forked_lm_eval, make_tiny_model, tmp_path_factory):
    """Two models by folder and by file, a group of either mean, a chat and five shots."""
    folder, groups = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("groups")
    for name, by_size in (("pooled", "true"), ("even", "false")):
        (groups / f"{name}.yaml").write_text(GROUP.format(name=name, by_size=by_size))

    def ask(output, model, *words, tasks=TASKS):
        arguments = [
            "--model",
            "hf",
            "--model_args",
            f"pretrained={model},dtype=float32",
            "--device",
            "cpu",
            "--tasks",
            tasks,
        ]
        done = forked_lm_eval(*arguments, *words, output=output)
        assert done.returncode == 0, done.stderr

    one, other = make_tiny_model(), make_tiny_model(seed=1)
    ask(folder / "one", one, "--include_path", str(groups), tasks="pooled")
    ask(folder / "flat" / "other.json", other, "--include_path", str(groups), tasks="even")
    ask(folder / "chat", one, "--apply_chat_template")
    ask(folder / "shots", other, "--num_fewshot", "2", tasks="arc_easy")
    return folder


@pytest.fixture(scope="module")
def board(results):
    runs, problems = read_runs([results])
    assert [str(problem) for problem in problems] == []
    assert len(runs) == 4
    return make_board(runs)


def test_every_number_is_what_its_samples_give(board):
    assert {score.checked for line in board.lines for score in line.scores.values()} == {"samples"}
    assert {score.n for line in board.lines for score in line.scores.values()} == {4, 8}


def test_models_are_rows_and_settings_columns(board):
    assert len(board.lines) == 2
    labels = sorted(column.label for column in board.columns)
    assert [label.split(" · ")[0] for label in labels] == ["arc_easy"] * 3 + ["mmlu_anatomy"] * 2
    assert [("chat template applied" in label, "shots 2" in label) for label in labels].count((True, False)) == 2
    assert [("chat template applied" in label, "shots 2" in label) for label in labels].count((False, True)) == 1


def test_groups_are_the_means_that_lm_eval_wrote(board, results):
    files = [*(results / "one").rglob("results*.json"), *(results / "flat").glob("other*.json")]
    stated = {name: of for file in files for name, of in json.loads(file.read_text())["groups"].items()}
    shown = {group.name: (group.over, score.value) for line in board.lines for group, score in line.groups.items()}
    assert shown == {
        "pooled": ("questions", stated["pooled"]["acc,none"]),
        "even": ("tasks", stated["even"]["acc,none"]),
    }


def test_chance_is_one_in_four(board):
    for line in board.lines:
        for score in line.scores.values():
            assert score.normalized == pytest.approx((score.value - 0.25) / 0.75)
