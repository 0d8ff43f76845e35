"""What is asked beside a plan's tasks unless it leaves that out."""

import json
import shutil

import pytest

from kinj.compare.ahead.settling import is_counted, questions_of
from kinj.compare.fitting import fit_requests, with_contrasts, without_what_does_not_fit
from kinj.compare.identity import benchmark_sha256
from kinj.compare.plan import make_plan
from kinj.errors import UserError
from kinj.records import CONTRASTS, OF_EVERYTHING


@pytest.fixture(autouse=True)
def no_mmlu(monkeypatch, tmp_path):
    monkeypatch.delenv("KINJ_MMLU_DIR", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def of_role(made, role):
    return [planned for planned in made.cells if planned.cell.role == role]


def unmeasured(made, beginning):
    return [one.why for one in made.unmeasured if one.what.startswith(beginning)]


def test_forgetting_is_asked_of_current_events_where_other_texts_are_trained(comparison):
    made = comparison(forgetting=None, splits=["test"])
    cells = [planned.cell for planned in of_role(made, "forgetting")]
    assert {(cell.injection, cell.reading, cell.task, cell.split) for cell in cells} == {
        (arm, "none", "kinj_current_events_option", "dev") for arm in ("none", "towers")
    }
    assert unmeasured(made, "forgetting") == []


def test_nothing_is_forgotten_where_nothing_is_trained(comparison):
    assert of_role(comparison(forgetting=None, injection=["none"]), "forgetting") == []


def test_where_current_events_are_trained_forgetting_is_asked_of_mmlu_if_that_is_here(
    comparison, monkeypatch, tmp_path
):
    events = {"benchmark": "current_events", "tasks": ["kinj_current_events_option"], "forgetting": None}
    events |= {"injection": ["none", {"recipe": "raw", "search": False}]}
    made = comparison(**events)
    assert of_role(made, "forgetting") == []
    assert "MMLU is not here: bring it" in unmeasured(made, "forgetting")[0]
    (tmp_path / "hub" / "datasets--cais--mmlu" / "refs").mkdir(parents=True)  # as a refused download leaves it
    assert of_role(comparison(**events), "forgetting") == []
    monkeypatch.setenv("KINJ_MMLU_DIR", str(tmp_path / "mmlu"))
    (tmp_path / "mmlu" / "anatomy").mkdir(parents=True)
    assert of_role(comparison(**events), "forgetting") == []
    (tmp_path / "mmlu" / "anatomy" / "test.csv").touch()
    cells = [planned.cell for planned in of_role(comparison(**events), "forgetting")]
    assert {cell.task.removeprefix("kinj_mmlu_") for cell in cells} == {
        "anatomy", "astronomy", "college_biology", "prehistory",
    }  # fmt: skip
    named = comparison(**{**events, "forgetting": []})
    assert unmeasured(named, "forgetting") == ["the plan leaves it out"]


def test_the_untrained_model_is_asked_in_four_other_orders_where_the_prompt_shows_the_options(comparison):
    made = comparison(controls=["orders"], tasks=["kinj_benchmark", "kinj_benchmark_option"], splits=["dev", "test"])
    planned = of_role(made, "orders")
    assert [(one.cell.injection, one.cell.split, one.cell.reading, one.cell.task) for one in planned] == [
        ("none", "test", f"none, order {order}", "kinj_benchmark") for order in (1, 2, 3, 4)
    ]
    words = planned[1].words
    assert json.loads(words[words.index("--metadata") + 1])["option_order"] == 2
    assert len({one.questions.key for one in planned}) == 4
    assert unmeasured(made, "kinj_benchmark_option") == ["its prompts do not show the options"]


def test_the_untrained_model_is_asked_without_options(comparison):
    tasks = ["kinj_benchmark", "kinj_benchmark_option"]
    made = comparison(controls=["withheld"], tasks=tasks, splits=["dev", "test"], shots=[0, 1])
    [one] = of_role(made, "withheld")
    cell = one.cell
    assert (cell.injection, cell.task, cell.split, cell.num_fewshot) == ("none", "kinj_benchmark_generate", "test", 0)
    assert one.words[:2] == ("--tasks", "kinj_benchmark_generate")
    assert of_role(comparison(controls=["withheld"], tasks=[*tasks, "kinj_benchmark_generate"]), "withheld") == []


def test_the_whole_collection_is_read_by_the_untrained_model(comparison):
    made = comparison(controls=["everything"])
    [planned] = [planned for planned in made.cells if planned.cell.retriever == "all"]
    assert (planned.cell.injection, planned.cell.reading, planned.cell.k) == ("none", "everything", None)
    assert planned.cell.role == "everything"
    assert planned.model_args["retriever"] == "all"
    assert "k" not in planned.model_args
    assert planned.passages is None


def test_what_does_not_fit_is_left_out_with_its_tokens_and_is_no_contrast(comparison, plan_values):
    made = comparison(controls=["everything"])
    plan = make_plan("p", plan_values(controls=["everything"]))
    [request] = fit_requests(made)
    assert request["model_args"]["pretrained"].endswith(made.units[0].untrained_args["pretrained"])
    fits = without_what_does_not_fit(made, {request["key"]: {"tokens": 500, "window": 512}})
    assert len(fits.cells) == len(made.cells)
    assert with_contrasts(plan, fits).contrasts == (*CONTRASTS, *OF_EVERYTHING)
    short = without_what_does_not_fit(made, {request["key"]: {"tokens": 5_000, "window": 512}})
    assert len(short.cells) == len(made.cells) - 1
    why = "5,000 tokens with its longest question, the window has 512"
    assert unmeasured(short, "everything, tiny, kinj_benchmark_option") == [why]
    assert with_contrasts(plan, short).contrasts == CONTRASTS


@pytest.mark.parametrize(("said", "measured"), [({}, False), ({"chat_template": True, "system_prompt": "S"}, True)])
def test_what_a_whole_collection_takes_is_measured_in_the_chat_that_is_sent(comparison, tiny_model, said, measured):
    made = comparison(models={"tiny": {"pretrained": str(tiny_model), **said}}, controls=["everything"])
    [request] = fit_requests(made)
    assert (request["chat_template"], request["system_prompt"]) == (measured, said.get("system_prompt", ""))


def test_a_plan_that_asks_for_the_whole_collection_is_refused_where_it_does_not_fit(comparison):
    made = comparison(reading=["none", "all"])
    [request] = fit_requests(made)
    with pytest.raises(UserError, match=r"tiny cannot read the whole collection .* 5,000 tokens .* window has 512"):
        without_what_does_not_fit(made, {request["key"]: {"tokens": 5_000, "window": 512}})


def test_what_the_plan_leaves_out_is_said_by_name(comparison):
    left = [one.what for one in comparison(controls=["gold"]).unmeasured if one.why == "the plan leaves it out"]
    for name in ("distractors", "everything", "reversed", "orders", "withheld"):
        assert any(what.endswith(f"({name})") for what in left)
    assert unmeasured(comparison(), "loss on general text") == ["the plan names none (general_text: FILE)"]


def test_mmlu_is_here_once_every_subject_is_in_the_cache(comparison, tmp_path):
    events = {"benchmark": "current_events", "tasks": ["kinj_current_events_option"], "forgetting": None}
    events |= {"injection": ["none", {"recipe": "raw", "search": False}]}
    asked = []
    for subject in ("anatomy", "astronomy", "college_biology", "prehistory"):
        file = tmp_path / "hub" / "datasets--cais--mmlu" / "snapshots" / "c" / subject / "test.parquet"
        file.parent.mkdir(parents=True)
        file.touch()
        asked.append(len(of_role(comparison(**events), "forgetting")))
    assert asked == [0, 0, 0, 8]


ALL = ("gold", "distractors", "everything", "reversed", "orders", "withheld")


@pytest.mark.parametrize(
    ("changes", "lacking", "why"),
    [
        ({"injection": ["towers.yaml"]}, ALL, "no arm asks the untrained model"),
        ({"injection": [{"name": "none", "tasks": []}]}, ("orders", "withheld"), "no arm asks the untrained model"),
        ({"reading": ["bm25"]}, ("reversed",), "is not asked closed book"),
        ({"reading": ["none"]}, ("gold", "distractors", "everything"), "no arm of the plan reads"),
        ({}, (), ""),
    ],
)
def test_a_control_that_no_cell_asks_is_said_with_the_reason(comparison, changes, lacking, why):
    made = comparison(controls=ALL, tasks=["kinj_benchmark"], **changes)
    said = {name: one.why for one in made.unmeasured for name in ALL if one.what.endswith(f"({name})")}
    assert set(lacking) <= set(said)
    assert all(why in said[name] for name in lacking)
    asked = {planned.cell.role for planned in made.cells} | {planned.cell.retriever for planned in made.cells}
    called = {"everything": "all", "reversed": "noise"}
    assert all((name in said) != (called.get(name, name) in asked) for name in ALL)


def test_an_arm_that_no_question_hangs_on_is_said_and_not_trained(comparison, tiny_model):
    made = comparison(
        tasks=["kinj_benchmark", "kinj_benchmark_option"],
        injection=[
            "none",
            {"recipe": "towers.yaml", "tasks": ["kinj_benchmark"]},
            {"name": "theirs", "checkpoint": str(tiny_model), "tasks": ["kinj_benchmark"]},
        ],
        reading=[{"retriever": "bm25", "k": 1, "tasks": ["kinj_benchmark_option"]}],
        forgetting=[],
    )
    assert [unit.injection for unit in made.units if not unit.cells] == ["towers", "theirs"]
    assert unmeasured(made, "tiny, theirs") == ["no reading arm is asked any of its tasks"]
    assert unmeasured(made, "tiny, towers, seed 0") == ["it is not trained: no reading arm is asked any of its tasks"]


def test_a_general_text_must_be_there(comparison, tmp_path):
    (tmp_path / "empty.txt").touch()
    for name, message in (("nowhere.txt", "cannot be read"), ("empty.txt", "is empty")):
        with pytest.raises(UserError, match=f"general_text: .*{name} {message}"):
            comparison(general_text=str(tmp_path / name))


def test_counts_and_fits_of_a_benchmark_that_changed_are_not_taken(comparison, collection, tmp_path):
    folder = shutil.copytree(collection, tmp_path / "towers")
    plan = {"benchmark": str(folder), "controls": ["everything"], "limit": None}
    made = comparison(**plan)
    counts = {key: {"of": one.content} for key, one in questions_of(made).items()}
    counts |= {one["key"]: {"tokens": 5, "window": 512} for one in fit_requests(made)}
    assert is_counted(made, counts)
    (folder / "questions.jsonl").write_text((folder / "questions.jsonl").read_text().replace("color", "colour"))
    benchmark_sha256.cache_clear()  # as in another process
    changed = comparison(**plan)
    assert questions_of(changed).keys() == questions_of(made).keys()
    assert not is_counted(changed, counts)
    assert not {one["key"] for one in fit_requests(changed)} & set(counts)
