"""What a plan may say, and how a mistake in it is answered."""

import pytest
import yaml

from kinj.compare.files import as_yaml, find_plan, load_plan, shipped_plans
from kinj.compare.plan import CONTROLS, make_plan
from kinj.errors import UserError

SMALL = {"models": {"demo": None}, "tasks": ["t"]}


def test_a_plan_comes_back_from_the_file_with_every_default_written_out(plan_values):
    plan = make_plan("p", plan_values(shots=[0, 5], seeds=[3, 4], forgetting=["mmlu_anatomy"]))
    written = yaml.safe_load(as_yaml(plan))
    assert make_plan("q", written) == plan
    assert written["same_within"] == 3.0
    assert written["spread_prior"] == {"scale": 3.0, "degrees_of_freedom": 3}
    assert written["contrasts"] is None
    assert make_plan("r", SMALL).controls == CONTROLS
    assert written["models"]["tiny"]["chat_template"] is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": [1]}, "seed: no such key; did you mean 'seeds'"),
        ({"models": {"m": {"pretraned": "x"}}}, "models.m.pretraned: no such key; did you mean 'pretrained'"),
        ({"reading": [{"retriver": "bm25"}]}, "reading.0.retriver: no such key; did you mean 'retriever'"),
        ({"injection": [{"recipe": "raw", "seting": {}}]}, "no such key; did you mean 'settings'"),
        ({"models": {}}, "models: Dictionary should have at least 1 item"),
        ({"tasks": ["t", "t"]}, "tasks: a value stands twice"),
        ({"shots": [-1]}, "shots.0: -1: Input should be greater"),
        ({"limit": 0}, "limit: 0: Input should be greater"),
        ({"reading": [{"retriever": "bm25", "k": 0}]}, "each k is at least 1"),
        ({"reading": [{"retriever": "bm52"}]}, "reading.0.retriever: 'bm52': Input should be 'none', 'bm25'"),
        ({"reading": ["bm25", "bm25"]}, "two reading arms are called 'bm25 k=3': give each a `name`"),
        ({"reading": [{"retriever": "all", "k": 3}]}, "the whole collection, retriever all, ranks nothing: remove k"),
        ({"reading": [{"retriever": "none", "index": "x"}]}, "the closed book, retriever none, reads nothing"),
        ({"injection": ["raw", "raw"]}, "two injection arms are called 'raw'"),
        ({"injection": [{"name": "mine"}]}, "arm 'mine' has no recipe"),
        ({"injection": [{"recipe": "raw", "settings": {"seed": 1}}]}, "seed is not for an arm"),
        ({"injection": [{"recipe": "raw", "tasks": ["u"]}]}, "arm raw: u is none of the plan's tasks"),
        ({"injection": [{"recipe": "raw", "adapter": "a"}]}, "arm 'raw' has recipe and adapter: name one"),
        ({"injection": [{"results": "a", "model": "other"}]}, "arm a: other is none of the plan's models"),
        ({"injection": [{"recipe": "raw", "model": "demo"}]}, "`model` is for `results` alone"),
        (
            {"injection": [{"results": "a"}], "models": {"m": None, "n": None}},
            "say by `model` which of m, n its",
        ),
        ({"injection": [{"adapter": "a", "settings": {"x": 1}}]}, "arm 'a' has settings of a training, but no recipe"),
        ({"contrasts": ["RAG-base"]}, "'RAG-base': write it as `RAG - base`"),
        ({"forgetting": ["t"]}, "t stands under tasks and under forgetting"),
        ({"models": {"m": {"multiturn": True}}}, "multiturn: true needs a chat_template"),
        ({"models": {"m": {"arguments": {"token": "hf_secret"}}}}, "give secrets by the environment"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(changes, message):
    with pytest.raises(UserError) as error:
        make_plan("mine.yaml", {**SMALL, **changes})
    assert message in str(error.value)
    assert str(error.value).startswith("mine.yaml: ")
    assert len(str(error.value).splitlines()) == 1
    assert "hf_secret" not in str(error.value)


def test_a_missing_key_is_named():
    with pytest.raises(UserError, match="no `models`: a plan needs it"):
        make_plan("mine.yaml", {"tasks": ["t"]})


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "p.yaml").write_text("tasks: [t]\ntasks: [u]\n")
    with pytest.raises(UserError, match="the key 'tasks' stands twice"):
        load_plan(str(tmp_path / "p.yaml"))


def test_what_is_no_mapping_or_no_yaml_is_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "broken.yaml").write_text("tasks: [t\n")
    with pytest.raises(UserError, match="expected a mapping"):
        load_plan(str(tmp_path / "list.yaml"))
    with pytest.raises(UserError, match="not YAML"):
        load_plan(str(tmp_path / "broken.yaml"))


def test_an_unknown_plan_names_the_nearest():
    with pytest.raises(UserError, match="smok: no such file, and no plan that ships; did you mean 'smoke'"):
        find_plan("smok")


@pytest.mark.parametrize("name", shipped_plans())
def test_a_plan_that_ships_is_valid_and_opens_with_its_command(name):
    load_plan(name)
    assert shipped_plans()[name].read_text().startswith(f"# kinj compare {name} --output_dir OUT\n")


def test_the_plans_that_were_asked_for_ship():
    assert set(shipped_plans()) == {"paper", "repetition", "instruct", "forgetting", "retrieval", "smoke"}


def test_the_control_of_each_number_of_paraphrases_has_its_number():
    arms = {arm.name: arm for arm in load_plan("repetition").injection}
    for count in (1, 2, 5, 10):
        name = f"{count} paraphrase{'s' if count > 1 else ''}"
        assert arms[name].settings["paraphrases"] == arms[f"steps of {count}"].settings["paraphrases"] == count
        assert arms[f"steps of {count}"].recipe == "repeat"
