"""The rules by which results become rows, columns, ranks and means: each is a test."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from kinj.errors import UserError
from kinj.report.board import make_board
from kinj.report.reading import read_runs

RIGHT, WRONG = 1.0, 0.0
LATER, LATEST = "2026-05-01T11-00-00.000000", "2026-05-01T12-00-00.000000"


def board_of(path, **options):
    runs, problems = read_runs([path])
    return make_board(runs, problems, **options)


def labels(board):
    return [line.row.label for line in board.lines]


def one(board, label="org/small"):
    [line] = [line for line in board.lines if line.row.label == label]
    return line


# ---- rows


def test_tasks_of_one_model_in_several_files_are_one_row(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20, task="piqa")
    board = board_of(tmp_path)
    assert labels(board) == ["org/small"]
    assert len(board.lines[0].scores) == 2


def test_adapters_and_other_arguments_make_rows_named_by_what_differs(tmp_path, log_answers):
    for i, more in enumerate(({}, {"peft": "me/adapter"}, {"load_in_4bit": True})):
        log_answers(
            tmp_path / str(i), [RIGHT] * (30 + i) + [WRONG] * 10, model_args={"pretrained": "org/small", **more}
        )
    board = board_of(tmp_path)
    assert set(labels(board)) == {"org/small", "org/small · peft=me/adapter", "org/small · load_in_4bit=True"}
    assert one(board, "org/small · peft=me/adapter").row.marks == ("fine-tuned",)
    assert one(board).row.marks == ()


def test_a_retrieving_row_carries_a_mark(tmp_path, log_answers):
    kinj = {"retriever": "bm25", "k": 3, "model_name": "org/small", "base": {}, "tasks": {}}
    log_answers(tmp_path / "rag", [RIGHT, WRONG] * 20, config={"kinj": kinj})
    log_answers(
        tmp_path / "closed", [RIGHT] * 10 + [WRONG] * 30, config={"kinj": {**kinj, "retriever": "none", "k": None}}
    )
    board = board_of(tmp_path)
    assert one(board, "org/small · retriever=bm25 · k=3").row.marks == ("retrieves",)
    assert one(board).row.marks == ()


def test_runs_that_differ_in_their_folder_alone_are_rows_named_by_it(tmp_path, log_answers):
    log_answers(tmp_path / "first", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "second", [RIGHT] * 30 + [WRONG] * 10)
    top = tmp_path.name
    assert set(labels(board_of(tmp_path))) == {f"org/small · folder={top}/{name}" for name in ("first", "second")}


def test_a_batch_size_names_a_row_where_it_alone_differs_and_is_noted(tmp_path, log_answers):
    log_answers(tmp_path, [RIGHT, WRONG] * 20)
    log_answers(tmp_path, [RIGHT] * 30 + [WRONG] * 10, config={"batch_size": "16"}, stamp=LATER)
    board = board_of(tmp_path)
    assert set(labels(board)) == {"org/small · batch_size=8", "org/small · batch_size=16"}
    assert "arc_easy: asked in batches of 16, 8; that alone can move answers a little" in board.notes


def test_two_files_of_one_cell_are_refused_by_name_and_never_averaged(tmp_path, log_answers):
    log_answers(tmp_path, [RIGHT, WRONG] * 20)
    log_answers(tmp_path, [RIGHT] * 30 + [WRONG] * 10, stamp=LATER)
    log_answers(tmp_path, [RIGHT, WRONG] * 20, task="piqa", stamp=LATEST)
    board = board_of(tmp_path)
    assert [board.columns[number].task for number in one(board).scores] == ["piqa"]
    [problem] = board.problems
    assert "several files of one cell, task 'arc_easy' of 'org/small': 0.5000 in" in problem.why
    assert f"0.7500 in {tmp_path.name}/results_{LATER}.json" in problem.why


def test_models_in_folders_of_equal_name_are_not_one(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20, model_args={"pretrained": "/home/a/final"})
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20, task="piqa", model_args={"pretrained": "/home/b/final"})
    found = labels(board_of(tmp_path))
    assert len(found) == 2
    assert all(label.startswith("…/final · path=#") for label in found)


def test_equal_files_of_one_cell_count_as_one(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20)
    board = board_of(tmp_path)
    assert labels(board) == ["org/small"]
    assert board.problems == ()


def test_a_name_can_be_given_to_a_folder(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [RIGHT] * 30 + [WRONG] * 10)
    assert set(labels(board_of(tmp_path, names={tmp_path / "a": "ours"}))) == {"ours", "org/small"}


# ---- columns


def test_a_task_of_another_name_can_be_taken_for_one(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20, task="mine")
    log_answers(tmp_path / "b", [RIGHT] * 30 + [WRONG] * 10, task="mine_v2", model_args={"pretrained": "org/other"})
    assert len(board_of(tmp_path).columns) == 2
    board = board_of(tmp_path, tasks={"mine_v2": "mine"})
    assert [column.label for column in board.columns] == ["mine"]


def test_a_task_taken_for_another_of_the_same_model_names_its_row(tmp_path, log_answers):
    log_answers(tmp_path, [RIGHT, WRONG] * 20, task="mine")
    log_answers(tmp_path, [RIGHT] * 30 + [WRONG] * 10, task="mine_v2", stamp=LATER)
    board = board_of(tmp_path, tasks={"mine_v2": "mine"})
    assert set(labels(board)) == {"org/small", "org/small · task=mine_v2"}


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"n-shot": {"arc_easy": 5}}, "shots 5"),
        ({"versions": {"arc_easy": 2.0}}, "version 2.0"),
        ({"chat_template": "{{ x }}", "chat_template_sha": "ab"}, "chat template applied"),
        ({"system_instruction": "Be brief."}, "system prompt #"),
        ({"config": {"gen_kwargs": {"temperature": 1}}}, "gen_kwargs #"),
        ({"n-shot": {"arc_easy": 5}, "chat_template": "x", "fewshot_as_multiturn": True}, "multiturn yes"),
        ({"config": {"kinj": {"tasks": {"arc_easy": {"split": "dev"}}}}}, "split dev"),
        ({"config": {"kinj": {"tasks": {"arc_easy": {"benchmark": {"sha256": "f" * 64}}}}}}, "benchmark ffffffffffff"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_stands_in_columns_named_by_what_differs(tmp_path, log_answers, change, label):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [RIGHT] * 30 + [WRONG] * 10, model_args={"pretrained": "org/other"}, **change)
    board = board_of(tmp_path)
    assert len(board.columns) == 2
    assert any(label in column.label for column in board.columns)
    assert [score.rank[2] for line in board.lines for score in line.scores.values()] == [1, 1]


def test_another_limit_is_another_column(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 10, model_args={"pretrained": "org/other"})
    columns = board_of(tmp_path).columns
    assert sorted(column.apart["questions asked"] for column in columns) == ["20", "40"]


def test_the_few_shot_seed_parts_columns_only_where_there_are_shots(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [WRONG, RIGHT] * 20, model_args={"pretrained": "b"}, config={"fewshot_seed": 1})
    assert len(board_of(tmp_path).columns) == 1
    for name in "cd":
        more = {"config": {"fewshot_seed": 1}} if name == "d" else {}
        log_answers(
            tmp_path / name, [RIGHT] * 40, model_args={"pretrained": name}, **{"n-shot": {"arc_easy": 5}}, **more
        )
    assert len(board_of(tmp_path).columns) == 3


def test_different_questions_of_equal_number_are_different_columns(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20, first=7, model_args={"pretrained": "org/other"})
    board = board_of(tmp_path)
    assert len(board.columns) == 2
    assert all("questions #" in column.label for column in board.columns)


def test_the_metric_is_chosen_by_its_name_never_by_its_value(tmp_path, log_run, new_run):
    for name, acc, norm in (("a", 0.3, 0.9), ("b", 0.8, 0.1)):
        run = new_run(value=acc, model_args={"pretrained": name})
        run["results"]["arc_easy"] |= {"acc_norm,none": norm}
        log_run(tmp_path / name, run)
    board = board_of(tmp_path)
    assert [column.measure for column in board.columns] == ["acc"]
    assert {line.row.label: line.scores[0].value for line in board.lines} == {"a": 0.3, "b": 0.8}
    asked = board_of(tmp_path, metrics={"arc_easy": "acc_norm"})
    assert {line.row.label: line.scores[0].value for line in asked.lines} == {"a": 0.9, "b": 0.1}
    with pytest.raises(
        UserError, match="--metric arc_easy=acc_nrm: its files have acc, acc_norm; did you mean 'acc_norm'"
    ):
        board_of(tmp_path, metrics={"arc_easy": "acc_nrm"})


def test_a_file_with_another_filter_alone_has_a_column_of_its_own(tmp_path, log_run, new_run):
    for name, of in (("a", "strict-match"), ("b", "strict-match"), ("c", "flexible-extract")):
        run = new_run("gsm8k", 0.5, metric="exact_match", model_args={"pretrained": name})
        run["results"]["gsm8k"] = {f"exact_match,{of}": 0.5}
        log_run(tmp_path / name, run)
    board = board_of(tmp_path)
    assert [column.label for column in board.columns] == [
        "gsm8k · filter strict-match",
        "gsm8k · filter flexible-extract",
    ]
    assert list(one(board, "c").scores) == [1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": {"arc_esy": "x"}}, "--task arc_esy=x: no file has the task arc_esy; did you mean 'arc_easy'"),
        ({"metrics": {"arc": "acc"}}, "--metric arc=acc: no file has the task arc"),
        ({"names": {Path("/nowhere"): "x"}}, "--name /nowhere=x: no results were read there"),
    ],
)
def test_an_option_that_meets_nothing_is_refused(tmp_path, log_answers, options, said):
    log_answers(tmp_path, [RIGHT, WRONG] * 20)
    with pytest.raises(UserError, match=said):
        board_of(tmp_path, **options)


def test_one_chunk_that_holds_many_questions_is_said(tmp_path, log_run, new_run, new_sample):
    chunks = [{"chunk_ids": [f"c{max(i - 20, 0)}"]} for i in range(60)]
    log_run(tmp_path, new_run("t", 0.5, 60), {"t": [new_sample(i, float(i % 2), doc=chunks[i]) for i in range(60)]})
    assert board_of(tmp_path).notes == ("t: one chunk holds 35% of the questions; intervals are less sure there",)


# ---- numbers


def test_samples_pair_rows_that_intervals_cannot_part(tmp_path, log_answers):
    base = [RIGHT] * 120 + [WRONG] * 180
    better = [RIGHT] * 150 + [WRONG] * 150
    log_answers(tmp_path / "a", base)
    log_answers(tmp_path / "b", better, model_args={"pretrained": "org/better"})
    paired = board_of(tmp_path)
    assert (one(paired).scores[0].rank, one(paired, "org/better").scores[0].rank) == ((2, 2, 2), (1, 1, 2))
    for file in tmp_path.rglob("samples*"):
        file.unlink()
    unpaired = board_of(tmp_path)
    low, high = one(unpaired).scores[0].interval[1], one(unpaired, "org/better").scores[0].interval[0]
    assert low > high
    assert {score.rank for line in unpaired.lines for score in line.scores.values()} == {(1, 2, 2)}
    assert {score.checked for line in unpaired.lines for score in line.scores.values()} == {"unchecked"}


def test_a_hole_is_never_zero_and_leaves_no_mean_and_no_rank(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT] * 40)
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20, task="piqa")
    log_answers(tmp_path / "c", [RIGHT] * 10 + [WRONG] * 30, model_args={"pretrained": "org/other"})
    board = board_of(tmp_path)
    whole, part = one(board), one(board, "org/other")
    assert whole.mean.value == 0.75
    assert part.mean is None
    assert [board.columns[number].task for number in board.shared] == ["arc_easy"]
    assert (whole.shared_mean.value, part.shared_mean.value) == (1.0, 0.25)
    assert whole.mean.rank == (1, 1, 1)


def test_a_contradicted_number_is_shown_and_takes_no_part(tmp_path, log_answers):
    file = log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    file.write_text(file.read_text().replace('"acc,none": 0.5', '"acc,none": 0.9'))
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20, model_args={"pretrained": "org/other"})
    board = board_of(tmp_path)
    line = one(board)
    assert (line.scores[0].value, line.scores[0].sampled, line.scores[0].rank, line.mean) == (0.9, 0.5, None, None)
    assert line.scores[0].normalized is None
    assert one(board, "org/other").scores[0].rank == (1, 1, 1)


def test_above_chance_is_a_second_column_and_may_be_below_zero(tmp_path, log_run, new_run):
    log_run(tmp_path / "a", new_run(value=0.1))
    generating = new_run("gen", 0.1, metric="exact_match", model_args={"pretrained": "b"})
    generating["configs"]["gen"]["output_type"] = "generate_until"
    log_run(tmp_path / "b", generating)
    board = board_of(tmp_path)
    assert one(board).scores[0].normalized == pytest.approx((0.1 - 0.25) / 0.75)
    assert one(board, "b").scores[1].normalized == pytest.approx(0.1)


def test_where_settings_do_not_say_the_options_samples_do(tmp_path, log_run, new_run, new_sample):
    run = new_run(value=0.5)
    run["configs"]["arc_easy"]["doc_to_choice"] = "{{choices.text}}"
    log_run(tmp_path, run, {"arc_easy": [new_sample(i, float(i % 2), options=2 + i % 2 * 2) for i in range(40)]})
    assert one(board_of(tmp_path)).scores[0].normalized == pytest.approx((0.5 - 0.375) / 0.625)


def test_the_interval_of_a_mean_counts_clusters_over_tasks_once(tmp_path, log_run, new_run, new_sample):
    run, other = new_run("option", 0.5), new_run("letter", 0.5)
    for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
        run[key] |= other[key]
    chunks = [{"chunk_ids": [f"c{i}"]} for i in range(40)]
    log_run(tmp_path, run, {task: [new_sample(i, float(i % 2), doc={**chunks[i], "task": task}) for i in range(40)]
                            for task in ("option", "letter")})  # fmt: skip
    line = one(board_of(tmp_path))
    width = np.diff(line.mean.interval)[0]
    assert width == pytest.approx(np.diff(line.scores[0].interval)[0], abs=0.02)


def test_a_metric_that_is_no_share_stands_in_no_mean(tmp_path, log_run, new_run):
    run, other = new_run("arc_easy", 0.5), new_run("wikitext", 12.5, metric="word_perplexity")
    other["higher_is_better"]["wikitext"]["word_perplexity"] = False
    for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
        run[key] |= other[key]
    log_run(tmp_path, run)
    board = board_of(tmp_path)
    assert one(board).mean.value == 0.5
    assert [column.higher_is_better for column in board.columns] == [True, False]


def test_a_groups_mean_is_its_tasks_as_lm_eval_defines_it(tmp_path, log_run, new_run):
    run, other = new_run("a", 0.5, 10), new_run("b", 1.0, 30)
    for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
        run[key] |= other[key]
    run["results"]["both"] = {"acc,none": 0.875, "alias": "both"}
    run |= {"groups": {"both": run["results"]["both"]}, "group_subtasks": {"both": ["a", "b"]}}
    log_run(tmp_path, run)
    board = board_of(tmp_path)
    assert [group.label for group in board.groups] == ["both (2 tasks, mean over questions)"]
    assert [(score.value, score.n) for score in one(board).groups.values()] == [(0.875, 40)]
    assert one(board).mean.value == 0.75
    assert json.dumps(board.in_mean) == "[0, 1]"


def test_groups_of_runs_that_cannot_be_compared_are_columns_of_their_own(tmp_path, log_run, new_run):
    for name, value, chat in (("plain", 0.5, None), ("chat", 0.9, "{{ x }}")):
        run, other = new_run("a", value, 10), new_run("b", value, 30)
        for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
            run[key] |= other[key]
        run["results"]["both"] = {"acc,none": value, "alias": "both"}
        run |= {
            "groups": {"both": run["results"]["both"]},
            "group_subtasks": {"both": ["a", "b"]},
            "chat_template": chat,
        }
        log_run(tmp_path / name, run)
    board = board_of(tmp_path)
    assert {group.label: score.value for group, score in one(board).groups.items()} == {
        "both · chat template none (2 tasks, mean over questions)": 0.5,
        "both · chat template applied (2 tasks, mean over questions)": 0.9,
    }


# ---- what must not become one number


@pytest.mark.parametrize(
    "more", [{"max_length": 512}, {"revision": "step9"}, {"commit": "c" * 40}, {"query_field": "q"}]
)
def test_runs_of_kinj_rag_that_differ_in_an_argument_of_the_base_are_two_rows(tmp_path, log_answers, more):
    base = {"base": "hf", "pretrained": "org/small", "dtype": "float32"}
    for name, task, own in (("a", "t1", {}), ("b", "t2", more)):
        kinj = {"retriever": "bm25", "k": 3, "model_name": "org/small", "base": {**base, **own}, "tasks": {}, **own}
        log_answers(tmp_path / name, [RIGHT, WRONG] * 20, task=task, config={"kinj": kinj})
    board = board_of(tmp_path)
    assert len(board.lines) == 2
    assert {line.mean for line in board.lines} == {None}


def test_what_a_base_is_asked_faster_by_parts_no_rows(tmp_path, log_answers):
    for name, task, own in (("a", "t1", {}), ("b", "t2", {"dtype": "bfloat16", "device": "cuda", "batch_size": 8})):
        base = {"base": "hf", "pretrained": "org/small", **own}
        kinj = {"retriever": "none", "k": None, "model_name": "org/small", "base": base, "tasks": {}}
        log_answers(tmp_path / name, [RIGHT, WRONG] * 20, task=task, config={"kinj": kinj})
    assert labels(board_of(tmp_path)) == ["org/small"]


def log_cell(log_answers, folder, task, values, *, base, training=None, seed=None):
    """A cell of `kinj compare` whose plan calls its model `small`."""
    pretrained = {"fingerprint": training or base}
    kinj = {"retriever": "none", "k": None, "model_name": f"/x/{seed}", "base": {"pretrained": pretrained}, "tasks": {}}
    kinj["checkpoint"] = {"base": {"name": "small", "fingerprint": base, "commit": None}} if training else None
    log_answers(folder, values, task=task, config={"kinj": kinj})
    cell = {"model": "small", "injection": "raw" if training else "none", "reading": "none", "seed": seed}
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    (folder / "manifest.json").write_text(
        json.dumps({"made_by": "kinj compare", "cell": {**cell, "role": "main"}, "files": files})
    )


def test_cells_of_comparisons_that_call_other_weights_alike_are_two_rows(tmp_path, log_answers):
    log_cell(log_answers, tmp_path / "a", "t1", [RIGHT, WRONG] * 20, base="a" * 64)
    log_cell(log_answers, tmp_path / "b", "t2", [RIGHT] * 36 + [WRONG] * 4, base="b" * 64)
    assert set(labels(board_of(tmp_path))) == {"small · weights=#aaaaaaaa", "small · weights=#bbbbbbbb"}


def test_trainings_of_one_model_share_its_weights_and_are_named_by_arm_and_seed(tmp_path, log_answers):
    log_cell(log_answers, tmp_path / "a", "t", [RIGHT, WRONG] * 20, base="a" * 64)
    for seed in (0, 1):
        log_cell(log_answers, tmp_path / str(seed), "t", [RIGHT] * 40, base="a" * 64, training="b" * 64, seed=seed)
    board = board_of(tmp_path)
    assert set(labels(board)) == {"small", "small · raw · seed=0", "small · raw · seed=1"}
    assert {line.row.settings["weights"] for line in board.lines} == {"#aaaaaaaa"}


def test_a_metric_for_all_tasks_that_no_file_has_is_refused(tmp_path, log_answers):
    log_answers(tmp_path, [RIGHT, WRONG] * 20)
    with pytest.raises(UserError, match="--metric acc_nrm: the files have acc"):
        board_of(tmp_path, metrics={"": "acc_nrm"})


def test_a_run_without_the_metric_asked_for_is_named(tmp_path, log_answers, log_run, new_run):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    run = new_run(value=0.5, model_args={"pretrained": "org/other"})
    run["results"]["arc_easy"] |= {"acc_norm,none": 0.4}
    log_run(tmp_path / "b", run)
    board = board_of(tmp_path, metrics={"arc_easy": "acc_norm"})
    assert labels(board) == ["org/other"]
    assert [(problem.place.split("/")[1], problem.why) for problem in board.problems] == [
        ("a", "task 'arc_easy': no acc_norm, which --metric asks for; its other metrics are left out")
    ]


def test_of_a_metric_asked_for_every_filter_stays(tmp_path, log_run, new_run):
    for name, of in (("a", "strict-match"), ("b", "flexible-extract")):
        run = new_run("gsm8k", 0.5, metric="exact_match", model_args={"pretrained": name})
        run["results"]["gsm8k"] = {f"exact_match,{of}": 0.5, f"other,{of}": 0.5}
        log_run(tmp_path / name, run)
    board = board_of(tmp_path, metrics={"gsm8k": "exact_match"})
    assert [column.measure for column in board.columns] == [
        "exact_match (strict-match)",
        "exact_match (flexible-extract)",
    ]
    assert (labels(board), board.problems) == (["a", "b"], ())


def test_two_answers_of_equal_score_clash_though_one_without_samples_stands_before(tmp_path, log_answers):
    log_answers(tmp_path, [RIGHT, WRONG] * 20)
    for file in tmp_path.glob("samples*"):
        file.unlink()
    log_answers(tmp_path, [RIGHT, WRONG] * 20, stamp=LATER)
    log_answers(tmp_path, [WRONG, RIGHT] * 20, stamp=LATEST)
    board = board_of(tmp_path)
    assert board.lines == ()
    assert "several files of one cell" in board.problems[0].why


def test_below_twenty_questions_ranks_are_no_surer_without_samples(tmp_path, log_answers):
    log_answers(tmp_path / "a", [WRONG] * 19)
    log_answers(tmp_path / "b", [RIGHT] * 19, model_args={"pretrained": "org/other"})
    for file in (None, *tmp_path.rglob("samples*")):
        if file is not None:
            file.unlink()
        assert {line.scores[0].rank for line in board_of(tmp_path).lines} == {(1, 2, 2)}


def test_a_mean_over_tasks_that_ask_the_same_few_chunks_tells_nothing_apart(tmp_path, log_run, new_run, new_sample):
    tasks = [f"t{k}" for k in range(4)]
    for name, right in (("a", 2), ("b", 8)):
        values = [float(i % 10 < right) for i in range(60)]
        run = new_run(tasks[0], sum(values) / 60, 60, model_args={"pretrained": name})
        for task in tasks[1:]:
            other = new_run(task, sum(values) / 60, 60)
            for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
                run[key] |= other[key]
        log_run(tmp_path / name, run, {
            task: [new_sample(i, one, doc={"chunk_ids": [f"c{i % 12}"], "t": task}) for i, one in enumerate(values)]
            for task in tasks
        })  # fmt: skip
    assert {line.mean.rank for line in board_of(tmp_path).lines} == {(1, 2, 2)}


def test_values_outside_of_shares_with_a_mean_of_one_have_no_sure_interval(tmp_path, log_run, new_run, new_sample):
    rows = [new_sample(i, 0.5 if i % 2 else 1.5) for i in range(40)]
    log_run(tmp_path, new_run(value=1.0, n=40), {"arc_easy": rows})
    assert one(board_of(tmp_path)).scores[0].interval == (0.0, 1.0)


def test_a_share_of_probability_has_no_chance_of_options(tmp_path, log_run, new_run, new_sample):
    run = new_run("truthfulqa_mc2", 0.5)
    rows = [new_sample(i, 0.4 if i % 2 else 0.6) for i in range(40)]
    log_run(tmp_path, run, {"truthfulqa_mc2": rows})
    assert one(board_of(tmp_path)).scores[0].normalized is None


def test_cells_of_plans_that_ask_one_model_otherwise_are_two_rows(tmp_path, log_answers):
    for name, task, length in (("a", "t1", 512), ("b", "t2", 4096)):
        base = {"base": "hf", "pretrained": {"fingerprint": "a" * 64}, "max_length": length}
        kinj = {"retriever": "none", "k": None, "model_name": "m", "base": base, "tasks": {}}
        log_answers(tmp_path / name, [RIGHT, WRONG] * 20, task=task, config={"kinj": kinj})
        cell = {"model": "small", "injection": "none", "reading": "none", "seed": None, "role": "main"}
        files = {path.name: path.stat().st_size for path in (tmp_path / name).iterdir()}
        (tmp_path / name / "manifest.json").write_text(
            json.dumps({"made_by": "kinj compare", "cell": cell, "files": files})
        )
    assert set(labels(board_of(tmp_path))) == {"small · max_length=512", "small · max_length=4096"}


def log_arm(log_answers, folder, task, *, unit="u" * 16, embedder=None, injection="none", right=20):
    """A cell of `kinj compare` of one base model: trained as `unit`, or reading through `embedder`."""
    kinj = {"retriever": "dense", "k": 3, "embedder": embedder, "template": {"sha256": "t"}} if embedder else {}
    base = {"pretrained": {"fingerprint": "a" * 64}}
    kinj = {"retriever": "none", "k": None, "model_name": "m", "base": base, "tasks": {}, **kinj}
    log_answers(folder, [RIGHT] * right + [WRONG] * (40 - right), task=task, config={"kinj": kinj})
    cell = {"model": "small", "injection": injection, "reading": "dense k=3" if embedder else "none", "unit": unit}
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    (folder / "manifest.json").write_text(
        json.dumps({"made_by": "kinj compare", "cell": {**cell, "seed": None, "role": "main"}, "files": files})
    )


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("training", ({"injection": "raw", "unit": "1" * 16}, {"injection": "raw", "unit": "2" * 16})),
        ("retrieval", ({"embedder": "org/one"}, {"embedder": "org/two"})),
    ],
)
def test_arms_of_other_plans_that_are_called_alike_are_two_rows(tmp_path, log_answers, name, arms):
    for place, arm in zip("ab", arms, strict=True):
        log_arm(log_answers, tmp_path / place, f"task_{place}", **arm)
        log_arm(log_answers, tmp_path / f"{place}2", f"task_{place}2", **arm)
    rows = [line.row for line in board_of(tmp_path).lines]
    assert [len(row.results) for row in rows] == [2, 2]
    assert all(f" · {name}=#" in row.label for row in rows)


def test_the_base_of_two_plans_is_one_row(tmp_path, log_answers):
    for place in "ab":
        log_arm(log_answers, tmp_path / place, f"task_{place}", unit=place * 16)
    assert labels(board_of(tmp_path)) == ["small"]


def test_commits_of_a_model_of_the_hub_are_rows_and_a_file_that_names_none_is_of_the_only_one(tmp_path, log_answers):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20, config={"model_sha": "a" * 40})
    log_answers(tmp_path / "b", [RIGHT, WRONG] * 20, task="piqa", config={"model_sha": ""})
    assert labels(board_of(tmp_path)) == ["org/small"]
    log_answers(tmp_path / "c", [RIGHT] * 40, task="boolq", config={"model_sha": "c" * 40})
    assert set(labels(board_of(tmp_path))) == {
        "org/small",
        "org/small · commit=aaaaaaaa",
        "org/small · commit=cccccccc",
    }


def test_where_fewer_than_ten_answers_need_differ_ranks_are_no_surer_without_samples(tmp_path, log_answers):
    log_answers(tmp_path / "a", [WRONG] * 25)
    log_answers(tmp_path / "b", [RIGHT] * 9 + [WRONG] * 16, model_args={"pretrained": "org/other"})
    for file in (None, *tmp_path.rglob("samples*")):
        if file is not None:
            file.unlink()
        assert {line.scores[0].rank for line in board_of(tmp_path).lines} == {(1, 2, 2)}


@pytest.mark.parametrize(("questions", "ranks"), [(12, {(1, 2, 2)}), (400, {(1, 1, 2), (2, 2, 2)})])
def test_where_only_an_error_is_said_it_says_how_many_questions_there_are(tmp_path, questions, ranks):
    for name, share in (("a", 0.1), ("b", 0.9)):
        stderr = (share * (1 - share) / (questions - 1)) ** 0.5
        value = {"config_general": {"model_name": name}, "results": {"t|0": {"acc": share, "acc_stderr": stderr}}}
        (tmp_path / f"results_{name}.json").write_text(json.dumps(value))
    assert {line.scores[0].rank for line in board_of(tmp_path).lines} == ranks


def test_an_accuracy_in_percent_is_said_with_its_file(tmp_path, log_run, new_run):
    log_run(tmp_path / "a", new_run(value=0.5))
    log_run(tmp_path / "b", new_run(value=53.2, model_args={"pretrained": "org/other"}))
    board = board_of(tmp_path)
    assert [line.mean for line in board.lines] == [None, None]
    [note] = board.notes
    assert note.startswith(f"arc_easy: beyond 0 to 1 in {tmp_path.name}/b/results")


def test_of_equal_numbers_the_one_that_a_seal_holds_stays(tmp_path, log_run, new_run):
    for place in ("a", "b", "c"):
        file = log_run(tmp_path / place, new_run(value=0.5))
        cell = {"model": "small", "injection": "none", "reading": "none", "seed": None, "role": "main"}
        manifest = {"made_by": "kinj compare", "cell": cell, "files": {file.name: file.stat().st_size}}
        sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()} if place == "b" else {}
        (tmp_path / place / "manifest.json").write_text(json.dumps({**manifest, "sha256": sums}))
    assert [line.scores[0].checked for line in board_of(tmp_path).lines] == ["seal"]


def test_where_files_disagree_on_what_is_better_they_are_two_columns(tmp_path, log_run, new_run):
    for name, is_higher in (("a", True), ("b", False)):
        run = new_run("t", 0.5, metric="wer", model_args={"pretrained": name})
        log_run(tmp_path / name, {**run, "higher_is_better": {"t": {"wer": is_higher}}})
    assert {column.label for column in board_of(tmp_path).columns} == {"t · better higher", "t · better lower"}


def test_a_task_without_a_name_is_no_column_and_takes_no_metric_of_all(tmp_path, log_answers, log_run, new_run):
    log_answers(tmp_path / "a", [RIGHT, WRONG] * 20)
    log_run(tmp_path / "b", new_run("", 0.5, metric="exact_match"))
    board = board_of(tmp_path, metrics={"": "acc"})
    assert [column.label for column in board.columns] == ["arc_easy"]
    assert [problem.why for problem in board.problems] == ["a task without a name"]
