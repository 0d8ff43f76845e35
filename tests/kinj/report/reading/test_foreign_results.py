"""Result files of other people: read, or refused by name; one bad file fails nothing."""

import hashlib
import json
import math
from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj.report.reading import folders, read_runs, samples
from kinj.report.reading.plain import short_hash

SAMPLES = "samples_arc_easy_2026-05-01T10-00-00.000000.jsonl"


def read_one(path):
    """The only run there, of which everything was taken."""
    [run], problems = read_runs([path])
    assert problems == []
    return run


def why_not(path):
    """What is said of a folder from which nothing was taken."""
    runs, problems = read_runs([path])
    assert runs == []
    [problem] = problems
    return str(problem)


def write(folder: Path, name: str, content) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


# ---- layouts of lm-eval


def test_folders_at_any_depth_are_read_with_their_samples(tmp_path, log_answers):
    log_answers(tmp_path / "a" / "b" / "org__small", [1.0] * 30 + [0.0] * 10)
    [result] = read_one(tmp_path).results
    assert (result.task, result.metric, result.value, result.n, result.checked) == (
        "arc_easy",
        "acc",
        0.75,
        40,
        "samples",
    )
    assert len(result.answers.keys) == 40


def test_a_flat_file_finds_the_samples_beside_it(tmp_path, log_answers):
    file = log_answers(tmp_path, [1.0] * 30 + [0.0] * 10)
    file.rename(file.with_name("mine_2026-05-01T10-00-00.000000.json"))
    [result] = read_one(tmp_path).results
    assert result.checked == "samples"


def test_a_standard_error_is_never_a_score(tmp_path, log_run, new_run):
    log_run(tmp_path, new_run())
    assert [result.metric for result in read_one(tmp_path).results] == ["acc"]
    assert read_one(tmp_path).results[0].stderr == 0.08


def test_a_group_is_never_a_task_and_says_which_mean_it_is(tmp_path, log_run, new_run):
    run, other = new_run("a", 0.5, 10), new_run("b", 1.0, 30)
    for key in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples"):
        run[key] |= other[key]
    for name, value in (("pooled", 0.875), ("even", 0.75), ("other", 0.6)):
        run["results"][name] = {"acc,none": value, "acc_stderr,none": 0.1, "alias": name}
        run["group_subtasks"][name] = ["a", "b"]
    run["groups"] = {name: run["results"][name] for name in ("pooled", "even", "other")}
    log_run(tmp_path, run)
    [read], problems = read_runs([tmp_path])
    assert [result.task for result in read.results] == ["a", "b"]
    assert [(group.name, group.over) for group in read.groups] == [
        ("pooled", "questions"),
        ("even", "tasks"),
        ("other", ""),
    ]
    assert [problem.why for problem in problems] == ["group 'other', acc: its tasks' scores do not give 0.6000"]


def test_tasks_among_the_groups_of_older_versions_are_tasks(tmp_path, log_run, new_run):
    run = new_run("a", 0.5, 10)
    run["results"]["g"] = {"acc,none": 0.5}
    run |= {"group_subtasks": {"a": [], "g": ["a"]}, "groups": {"g": {"acc,none": 0.5}}}
    del run["n-samples"]
    log_run(tmp_path, run)
    read = read_one(tmp_path)
    assert [result.task for result in read.results] == ["a"]
    assert [(group.name, group.tasks, group.over) for group in read.groups] == [("g", ("a",), "tasks")]


def test_two_random_words_name_no_model(tmp_path, log_run, new_run):
    log_run(tmp_path, new_run(model_args={}, model_name="brave_otter"))
    assert read_one(tmp_path).model == "hf"


def test_what_is_not_available_is_neither_a_score_nor_an_error(tmp_path, log_run, new_run):
    run = new_run()
    run["results"]["arc_easy"] |= {"acc_stderr,none": "N/A", "acc_calibrated,none": "N/A", "sample_len": 40}
    log_run(tmp_path, run)
    [result] = read_one(tmp_path).results
    assert (result.metric, result.stderr) == ("acc", None)


def test_filters_of_one_file_of_samples_are_kept_apart(tmp_path, log_run, new_run, new_sample):
    run = new_run("gsm8k", 0.5, 40, metric="exact_match")
    run["results"]["gsm8k"] = {"exact_match,strict-match": 0.5, "exact_match,flexible-extract": 1.0}
    rows = [
        new_sample(i, float(of == "flexible-extract" or i % 2), filter_name=of, metric="exact_match")
        for i in range(40)
        for of in ("strict-match", "flexible-extract")
    ]
    log_run(tmp_path, run, {"gsm8k": rows})
    assert [(one.filter, one.value, one.checked) for one in read_one(tmp_path).results] == [
        ("strict-match", 0.5, "samples"),
        ("flexible-extract", 1.0, "samples"),
    ]


def test_model_args_of_older_versions_are_a_text(tmp_path, log_run, new_run):
    run = new_run()
    run["config"]["model_args"] = "pretrained=org/small,dtype=float16,peft=me/adapter"
    log_run(tmp_path, run)
    read = read_one(tmp_path)
    assert (read.model, read.marks) == ("org/small", ("fine-tuned",))
    assert read.settings == {"back end": "hf", "dtype": "float16", "peft": "me/adapter"}


def test_samples_without_hashes_are_paired_by_the_text_that_lm_eval_hashes(tmp_path, log_answers):
    log_answers(tmp_path / "new", [1.0] * 20 + [0.0] * 20)
    log_answers(tmp_path / "old", [0.0] * 20 + [1.0] * 20)
    for folder in ("new", "old"):
        file = tmp_path / folder / SAMPLES
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            row["doc_hash"] = hashlib.sha256(json.dumps(row["doc"], indent=2, ensure_ascii=False).encode()).hexdigest()
            if folder == "old":
                del row["doc_hash"], row["target_hash"]
        file.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    [file] = (tmp_path / "old").glob("results*")
    old_run = json.loads(file.read_text())
    del old_run["n-samples"]
    file.write_text(json.dumps(old_run))
    (new, old), _ = read_runs([tmp_path])
    assert new.results[0].answers.questions == old.results[0].answers.questions
    assert new.results[0].comparison == old.results[0].comparison
    assert (new.results[0].answers.values + old.results[0].answers.values == 1).all()


# ---- what others write, told by content


def test_lm_eval_before_0_4_is_read_and_unchecked(tmp_path):
    scores = {"acc": 0.3, "acc_stderr": 0.04, "acc_norm": 0.32, "acc_norm_stderr": 0.04}
    old = {
        "results": {"hendrycksTest-anatomy": scores},
        "versions": {"hendrycksTest-anatomy": 1},
        "config": {"model": "gpt2", "model_args": "pretrained=org/old", "num_fewshot": 5, "no_cache": False},
    }  # fmt: skip
    run = read_one(write(tmp_path, "old.json", old))
    assert (run.source, run.model) == ("lm_eval_old", "org/old")
    assert [(one.metric, one.value, one.stderr, one.checked) for one in run.results] == [
        ("acc", 0.3, 0.04, "unchecked"),
        ("acc_norm", 0.32, 0.04, "unchecked"),
    ]
    assert run.results[0].comparison["shots"] == "5"


def test_lightevals_averages_are_no_tasks(tmp_path):
    lighteval = {
        "config_general": {"model_name": "org/light", "model_dtype": "bfloat16", "max_samples": None},
        "results": {
            "leaderboard|arc:challenge|25": {"acc": 0.4, "acc_stderr": 0.01},
            "leaderboard|mmlu:_average|5": {"acc": 0.9},
            "gsm8k|0": {"em": 0.2, "em_stderr": 0.01},
            "all": {"acc": 0.9, "em": 0.9},
        },
        "versions": {"leaderboard|arc:challenge|25": 0},
    }
    run = read_one(write(tmp_path, "results_2024.json", lighteval))
    assert [(one.task, one.metric, one.value, one.comparison["shots"]) for one in run.results] == [
        ("arc:challenge", "acc", 0.4, "25"),
        ("gsm8k", "em", 0.2, "0"),
    ]


def test_inspects_log_is_read_where_it_ended(tmp_path):
    metrics = {"accuracy": {"name": "accuracy", "value": 0.7}, "stderr": {"name": "stderr", "value": 0.05}}
    log = {
        "version": 2,
        "status": "success",
        "eval": {"task": "gpqa", "task_version": 0, "model": "vendor/model"},
        "results": {"total_samples": 80, "completed_samples": 80, "scores": [{"name": "choice", "metrics": metrics}]},
    }
    [result] = read_one(write(tmp_path / "done", "log.json", log)).results
    assert (result.metric, result.filter, result.value, result.n, result.stderr) == (
        "accuracy",
        "choice",
        0.7,
        80,
        0.05,
    )
    assert "the status 'error'" in why_not(write(tmp_path / "failed", "log.json", {**log, "status": "error"}))
    assert "inspect log convert" in why_not(write(tmp_path / "binary", "a.eval", "PK"))


def test_helms_files_are_refused_by_name(tmp_path):
    stats = [{"name": {"name": "exact_match", "split": "test"}, "count": 1, "sum": 0.4, "mean": 0.4}]
    assert "HELM's: convert" in why_not(write(tmp_path, "results.json", stats))


@pytest.mark.parametrize("content", ["[1, 2]", '{"model_type": "llama"}', '"results"'])
def test_json_that_is_no_results_is_passed_over_unless_it_is_called_results(tmp_path, content):
    write(tmp_path / "there", "config.json", content)
    assert read_runs([tmp_path / "there"]) == ([], [])
    assert "no results of lm-eval" in why_not(write(tmp_path / "named", "results_1.json", content))


def test_a_path_that_is_not_there_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no such file or folder; name one that `lm_eval --output_path` wrote"):
        read_runs([tmp_path / "nothing"])


# ---- broken and hostile


def test_one_bad_file_does_not_fail_the_folder(tmp_path, log_answers):
    whole = log_answers(tmp_path / "good", [1.0, 0.0] * 20).read_text()
    write(tmp_path / "cut", "results_1.json", whole[: len(whole) // 2])
    write(tmp_path / "deep", "results_1.json", '{"results":' * 100_000)
    runs, problems = read_runs([tmp_path])
    assert len(runs) == 1
    assert [problem.place.split("/", 1)[1] for problem in problems] == ["cut/results_1.json", "deep/results_1.json"]
    assert all("cut off, or no JSON" in problem.why for problem in problems)


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None, True, [0.5], 10**400])
def test_a_score_that_is_no_finite_number_is_refused_with_its_task(tmp_path, log_run, new_run, value):
    run = new_run("good", 0.5)
    run["results"]["bad"] = {"acc,none": value}
    log_run(tmp_path, run)
    [read], problems = read_runs([tmp_path])
    assert [result.task for result in read.results] == ["good"]
    assert [problem.why for problem in problems] == ["task 'bad', acc,none: no finite number"]


def test_samples_of_another_number_than_the_results_say_are_not_used(tmp_path, log_answers):
    log_answers(tmp_path, [1.0, 0.0] * 20)
    file = tmp_path / SAMPLES
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[:-1]))
    [run], [problem] = read_runs([tmp_path])
    assert "39 rows for filter 'none', the results say 40 questions; they are not used" in problem.why
    assert (run.results[0].answers, run.results[0].checked) == (None, "unchecked")


def test_a_cut_sample_is_named_with_its_line(tmp_path, log_answers):
    log_answers(tmp_path, [1.0, 0.0] * 20)
    file = tmp_path / SAMPLES
    file.write_text(file.read_text()[:-20])
    [run], [problem] = read_runs([tmp_path])
    assert "line 40 is cut off or no JSON" in problem.why
    assert run.results[0].checked == "unchecked"


def test_a_score_that_the_samples_do_not_give_is_said(tmp_path, log_answers):
    file = log_answers(tmp_path, [1.0, 0.0] * 20)
    file.write_text(file.read_text().replace('"acc,none": 0.5', '"acc,none": 0.9'))
    [run], [problem] = read_runs([tmp_path])
    assert problem.why == "task 'arc_easy', acc,none: the results say 0.9, the samples give 0.5"
    assert (run.results[0].checked, run.results[0].sampled) == ("contradicted", 0.5)


@pytest.mark.parametrize(("stated", "checked"), [("0.333", "samples"), ("0.3333", "samples"), ("0.33", "contradicted"),
                                                 ("0.334", "contradicted"), ("0.4", "contradicted")])  # fmt: skip
def test_a_rounded_score_is_not_contradicted(tmp_path, log_answers, stated, checked):
    file = log_answers(tmp_path, [1.0, 0.0, 0.0] * 20)
    file.write_text(file.read_text().replace('"acc,none": 0.3333333333333333', f'"acc,none": {stated}'))
    [run], _ = read_runs([tmp_path])
    assert run.results[0].checked == checked


def test_results_too_large_to_be_any_are_refused_unread_and_a_line_too_long_too(tmp_path, log_answers, monkeypatch):
    log_answers(tmp_path, [1.0, 0.0] * 20)
    monkeypatch.setattr(samples, "LONGEST_LINE", 100)
    [_], [problem] = read_runs([tmp_path])
    assert "line 1 is longer than" in problem.why
    monkeypatch.setattr(folders, "LARGEST", 100)
    assert "results of at most 0 MB are read" in why_not(tmp_path)


@pytest.mark.parametrize("task", ["../../x", "<script>alert(1)</script>", "a\nb", "\ud800", "x" * 5000, "/etc/passwd"])
def test_names_are_data(tmp_path, log_run, new_run, task):
    log_run(tmp_path / "in", new_run(task, model_args={"pretrained": "../../x"}))
    (tmp_path / "x.jsonl").write_text("{}")
    run = read_one(tmp_path / "in")
    assert run.model == "../../x"
    [result] = run.results
    assert result.answers is None
    assert len(result.task) <= 160
    assert result.task.isprintable()


def test_a_link_out_of_the_folder_is_not_followed_into_another(tmp_path, log_answers):
    log_answers(tmp_path / "elsewhere", [1.0, 0.0] * 20)
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "link").symlink_to(tmp_path / "elsewhere")
    assert read_runs([tmp_path / "given"]) == ([], [])


# ---- seals


@pytest.fixture
def sealed(tmp_path, log_answers):
    """A cell as `kinj compare` leaves it."""
    log_answers(tmp_path, [1.0, 0.0] * 20)
    files = [path for path in tmp_path.iterdir()]
    manifest = {
        "made_by": "kinj compare",
        "cell": {"model": "demo", "injection": "raw", "reading": "bm25 k=3", "seed": 1, "role": "main"},
        "files": {path.name: path.stat().st_size for path in files},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_sealed_cell_is_named_by_its_arms(sealed):
    run = read_one(sealed)
    assert (run.model, run.settings) == ("demo", {
        "injection": "raw", "reading": "bm25 k=3", "seed": "1", "weights": f"#{short_hash('org/small')}",
    })  # fmt: skip
    assert run.marks == ("fine-tuned",)


def test_without_samples_a_sealed_number_is_not_unchecked(sealed):
    manifest = json.loads((sealed / "manifest.json").read_text())
    del manifest["files"][SAMPLES]
    (sealed / SAMPLES).unlink()
    (sealed / "manifest.json").write_text(json.dumps(manifest))
    assert read_one(sealed).results[0].checked == "seal"


@pytest.mark.parametrize("name", [SAMPLES, "results_2026-05-01T10-00-00.000000.json"])
def test_every_change_of_a_sealed_file_is_found(sealed, name):
    content = (sealed / name).read_bytes()
    for changed in (content.replace(b"acc", b"acd", 1), content + b" ", None):
        (sealed / name).unlink() if changed is None else (sealed / name).write_bytes(changed)
        if changed is None and name != SAMPLES:
            continue  # no results are left there
        assert f"changed since kinj compare sealed it: {name}" in why_not(sealed)


def test_a_seal_of_sizes_alone_checks_no_number(sealed):
    manifest = json.loads((sealed / "manifest.json").read_text())
    del manifest["files"][SAMPLES], manifest["sha256"]
    (sealed / SAMPLES).unlink()
    (sealed / "manifest.json").write_text(json.dumps(manifest))
    assert read_one(sealed).results[0].checked == "unchecked"


def test_a_task_of_two_suites_of_lighteval_is_not_one(tmp_path):
    suites = []
    for suite in ("helm", "leaderboard"):
        key = f"{suite}|mmlu:x|5"
        value = {"config_general": {"model_name": "m"}, "results": {key: {"acc": 0.4}}, "versions": {key: 0}}
        suites.append(read_one(write(tmp_path / suite, "results_1.json", value)).results[0].comparison)
    assert suites[0] != suites[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"generation_parameters": {"temperature": 1.0, "seed": None}}, "gen_kwargs"),
        ({"use_chat_template": True}, "chat template"),
        ({"system_prompt": "Be brief."}, "system prompt"),
    ],
)
def test_lightevals_ways_of_asking_part_columns(tmp_path, change, field):
    value = {"config_general": {"model_name": "m"}, "results": {"lighteval|t|5|0": {"acc": 0.4}}}
    plain = read_one(write(tmp_path / "a", "results_1.json", value)).results[0].comparison
    value["config_general"] = {"model_config": {"model_name": "m", **change}}
    changed = read_one(write(tmp_path / "b", "results_1.json", value)).results[0].comparison
    assert plain["shots"] == "5"
    assert changed.keys() - plain.keys() == {field}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"task_args": {"fewshot": 5}}, "task arguments"),
        ({"config": {"epochs": 4}}, "epochs"),
        ({"config": {"epochs": 1}}, None),
        ({"model_generate_config": {"temperature": 1.0, "max_connections": 3}}, "gen_kwargs"),
        ({"model_generate_config": {"max_connections": 3}}, None),
    ],
)
def test_inspects_ways_of_asking_part_columns(tmp_path, change, field):
    scores = [{"name": "choice", "metrics": {"accuracy": {"value": 0.7}}}]
    log = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}, "results": {"scores": scores}}
    plain = read_one(write(tmp_path / "a", "log.json", log)).results[0].comparison
    log["eval"] = {**log["eval"], **change}
    changed = read_one(write(tmp_path / "b", "log.json", log)).results[0].comparison
    assert changed.keys() - plain.keys() == ({field} if field else set())


@pytest.mark.parametrize("content", [b'{"made_by": ', b"\xff", b'{"a":' * 100_000])
def test_a_manifest_that_is_cut_off_is_named_and_not_its_results(sealed, content):
    (sealed / "manifest.json").write_bytes(content)
    assert "the manifest beside it is cut off, or no JSON" in why_not(sealed)
