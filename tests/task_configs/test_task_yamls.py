"""Every YAML is a task or group that lm-eval loads by name and that says how it is run."""

from pathlib import Path

import pytest
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks._yaml_loader import load_yaml

TASKS = Path(__file__).resolve().parents[2] / "task_configs"
FILES = sorted(TASKS.glob("*.yaml"))
MMLU = ["anatomy", "astronomy", "college_biology", "prehistory"]
CURRENT_EVENTS = ["kinj_current_events", "kinj_current_events_option", "kinj_current_events_generate"]
FORMS = [f"kinj_current_events_{form}{scored}" for form in ("indirect", "two") for scored in ("", "_option")]
ABSTAIN = ["kinj_current_events_abstain", "kinj_current_events_abstain_option"]
OWN = ["kinj_benchmark", "kinj_benchmark_option", "kinj_benchmark_generate"]
GROUPS = {
    "kinj_mmlu": [f"kinj_mmlu_{subject}" for subject in MMLU],
    "kinj_mmlu_paper": [f"kinj_mmlu_{subject}" for subject in [*MMLU, "college_chemistry"]],
    "kinj": [*(f"kinj_mmlu_{subject}" for subject in MMLU), *CURRENT_EVENTS],
}
LEAVES = [*GROUPS["kinj_mmlu_paper"], *CURRENT_EVENTS, *FORMS, *ABSTAIN, *OWN]


def test_the_folder_holds_the_tasks_and_groups_of_the_brief_and_lm_eval_sees_each(manager):
    assert sorted(path.stem for path in FILES) == sorted([*LEAVES, *GROUPS])
    assert manager().all_tasks == sorted([*LEAVES, *GROUPS])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_yaml_parses_names_itself_and_opens_with_its_command(path):
    config = load_yaml(path)  # functions resolved: lm-eval itself skips a file that fails here, in silence
    assert config.get("task" if "group" not in config else "group") == path.stem
    assert config["metadata"]["version"] == (2.0 if "current_events" in path.stem else 1.0)
    assert "num_fewshot" not in config
    assert path.read_text(encoding="utf-8").startswith(f"# lm_eval --tasks {path.stem} --model kinj_rag")


@pytest.mark.parametrize("name", LEAVES)
def test_a_task_loads_by_name_and_builds_requests_with_and_without_shots(manager, mmlu_dir, collection, name):
    metadata = {"mmlu_dir": str(mmlu_dir)} | ({"benchmark": str(collection)} if name in OWN else {})
    task = manager(**metadata).load([name])["tasks"][name]
    for shots in (0, 1 if name in OWN else 5):  # a folder of the tests has one row to show
        task.set_config("num_fewshot", shots)
        task.build_all_requests(limit=2)
        prompt = task.instances[0].args[0]
        assert prompt.count("Answer:") == shots + 1
        assert prompt.endswith("Answer:")


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_holds_its_tasks(manager, mmlu_dir, name):
    assert list(manager(mmlu_dir=str(mmlu_dir)).load([name])["tasks"]) == GROUPS[name]


def test_the_larger_group_reports_the_smaller_one_too(manager, mmlu_dir):
    results = simple_evaluate(
        "dummy", tasks=["kinj_mmlu_paper"], task_manager=manager(mmlu_dir=str(mmlu_dir)), limit=4, bootstrap_iters=2
    )
    for group in ("kinj_mmlu", "kinj_mmlu_paper"):
        for metric in ("acc,none", "acc_calibrated,none"):
            leaves = [results["results"][name][metric] for name in GROUPS[group]]
            assert results["groups"][group][metric] == pytest.approx(sum(leaves) / len(leaves))


def test_lm_eval_refuses_two_groups_that_hold_one_task_so_the_larger_is_asked_for(manager, mmlu_dir):
    tasks = manager(mmlu_dir=str(mmlu_dir))
    with pytest.raises(ValueError, match=r"Duplicate task 'kinj_mmlu_anatomy'"):
        tasks.load(["kinj_mmlu", "kinj_mmlu_paper"])
    shipped = len(LEAVES) - len([*OWN, *FORMS, *ABSTAIN])
    assert len(tasks.load(["kinj", "kinj_mmlu_college_chemistry"])["tasks"]) == shipped
    assert len(tasks.load(["kinj_mmlu_paper", *CURRENT_EVENTS])["tasks"]) == shipped


@pytest.mark.parametrize("name", CURRENT_EVENTS)
def test_results_record_the_benchmark_and_the_split(manager, name):
    task = manager(split="dev", pretrained="gpt2").load([name])["tasks"][name]
    assert set(task.task_docs["split"]) == {"dev"}
    metadata = task.dump_config()["metadata"]
    assert (metadata["benchmark"], metadata["split"]) == ("current_events", "dev")


@pytest.mark.parametrize(("name", "shipped"), list(zip(OWN, CURRENT_EVENTS, strict=True)))
def test_a_folder_of_ones_own_is_asked_and_scored_as_current_events_are(manager, name, shipped):
    own = manager(benchmark="current_events").load([name])["tasks"][name]
    ours = manager().load([shipped])["tasks"][shipped]
    for shots in (0, 5):
        for task in (own, ours):
            task.set_config("num_fewshot", shots)
            task.build_all_requests(limit=3)
        assert [request.args for request in own.instances] == [request.args for request in ours.instances]
    assert own.aggregation() == ours.aggregation()
    results = ["Biden"] if own.OUTPUT_TYPE == "generate_until" else [(-2.0, False), (-1.0, True), (-3.0, False)] * 2
    results = results[:4]
    assert own.process_results(own.task_docs[0], results) == ours.process_results(ours.task_docs[0], results)


def test_option_text_is_scored_behind_one_space_and_options_are_not_shown(manager):
    task = manager().load(["kinj_current_events_option"])["tasks"]["kinj_current_events_option"]
    task.build_all_requests(limit=1)
    doc = task.task_docs[0]
    assert [request.args for request in task.instances] == [
        (f"Question: {doc['question']}\nAnswer:", f" {choice}") for choice in doc["choices"]
    ]
    assert set(task.aggregation()) == {"acc", "acc_norm", "acc_bytes"}


def test_an_open_answer_is_short_greedy_and_one_line(manager):
    task = manager().load(["kinj_current_events_generate"])["tasks"]["kinj_current_events_generate"]
    task.build_all_requests(limit=1)
    (request,) = task.instances
    assert request.args[1] == {"until": ["\n"], "do_sample": False, "max_gen_toks": 32}
    assert task.process_results(request.doc, [request.doc["accepted_answers"][-1]]) == {
        "exact_match": 1.0,
        "token_f1": 1.0,
    }


@pytest.mark.parametrize("name", FORMS)
def test_a_form_has_its_own_questions_and_the_shots_of_the_direct_one(manager, name):
    direct = name.replace("_indirect", "").replace("_two", "")
    tasks = {one: manager().load([one])["tasks"][one] for one in (name, direct)}
    asked = {one: set(task.task_docs["form"]) for one, task in tasks.items()}
    assert asked == {name: {"two" if "_two" in name else "indirect"}, direct: {"direct"}}
    assert list(tasks[name].fewshot_docs()) == list(tasks[direct].fewshot_docs())
    assert tasks[name].aggregation() == tasks[direct].aggregation()


def test_the_unanswerable_half_is_right_only_by_saying_unknown(manager):
    task = manager().load(["kinj_current_events_abstain_option"])["tasks"]["kinj_current_events_abstain_option"]
    halves = [[doc for doc in task.task_docs if doc["answerable"] is answerable] for answerable in (True, False)]
    assert len(halves[0]) == len(halves[1]) == 100
    assert {(len(doc["choices"]), doc["choices"][-1]) for half in halves for doc in half} == {(5, "unknown")}
    assert {doc["answer"] for doc in halves[1]} == {4}
    assert not any(doc["answer"] == 4 for doc in halves[0])
