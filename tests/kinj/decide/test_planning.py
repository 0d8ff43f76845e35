"""What `kinj decide` plans of what a benchmark holds, and what a budget leaves of it."""

import json
import shutil

import pytest
import yaml

from kinj.benchmark import open_benchmark
from kinj.cli.decide import seconds
from kinj.compare.plan import Plan
from kinj.decide.planning import LEAST_SEEDS, Extent, Texts, as_text, cuts, plan, recipe
from kinj.decide.stages import Request
from kinj.errors import UserError

ALL = Texts(of_chunks=(10, 10), qa_share=0.05, held_out=True)


def request(tmp_path, **more):
    return Request((tmp_path / "docs",), None, tmp_path / "out", **more)


def test_a_budget_cuts_numbers_of_passages_then_paraphrases_then_trainings_down_to_two():
    steps = list(cuts(Extent()))
    assert [said for _, said in steps] == [
        "k=1",
        "paraphrases 6 to 10 of a chunk",
        "paraphrases 3 to 5 of a chunk",
        "training 3 of each recipe",
    ]
    least, _ = steps[-1]
    assert least == Extent(k=(3,), paraphrases=2, seeds=LEAST_SEEDS)


def test_what_is_not_there_is_not_cut():
    assert [said for _, said in cuts(Extent(k=(3,), paraphrases=2, seeds=2))] == []


@pytest.mark.parametrize(
    ("texts", "arm", "searches"),
    [
        (ALL, "mix", True),
        (Texts((10, 10), 0.0, held_out=True), "paraphrase", True),
        (Texts((10, 10), 0.0, held_out=False), "paraphrase", False),
        (Texts((0, 0), 0.03, held_out=False), "mix", False),
        (Texts((0, 0), 0.0, held_out=False), "raw", False),
    ],
)
def test_the_recipe_is_the_best_that_the_texts_allow(texts, arm, searches):
    values = recipe(texts, Extent())
    assert values["arm"] == arm
    assert ("search" in values) == searches


def test_a_recipe_never_asks_for_more_paraphrases_than_any_chunk_has():
    values = recipe(Texts((3, 3), 0.0, held_out=False), Extent())
    assert (values["paraphrases"], values.get("fewer")) == (3, None)
    assert recipe(Texts((3, 2), 0.0, held_out=False), Extent())["fewer"] == "take"
    assert "fewer" not in recipe(Texts((3, 2), 0.0, held_out=False), Extent(paraphrases=2))


def test_the_plan_is_one_that_compare_takes_and_that_a_person_can_read(tmp_path):
    asked = request(tmp_path)
    text = as_text(asked, plan(asked, Extent()))
    assert text.startswith(f"# kinj compare {asked.plan} --output_dir {asked.comparison}")
    taken = Plan.model_validate(yaml.safe_load(text))
    assert [arm.retriever for arm in taken.reading] == ["none", "bm25"]
    assert (taken.reading[1].k, taken.seeds) == ((1, 3), (0, 1, 2))


def test_a_chunk_that_nothing_was_written_about_leaves_the_others_their_paraphrases(collection, tmp_path):
    without = Texts.of(open_benchmark(collection))
    assert (without.paraphrases, without.qa_share, without.held_out) == (0, 0.0, False)
    folder = shutil.copytree(collection, tmp_path / "towers")
    chunks = [json.loads(line)["id"] for line in (folder / "chunks.jsonl").read_text().splitlines()]
    ids = [(chunk, number) for chunk in chunks[1:] for number in (1, 2, 3)]
    rows = [{"id": f"{c}.p{n}", "chunk_id": c, "text": f"{c} {n}", "use": "train", "number": n} for c, n in ids]
    (folder / "paraphrases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = Texts.of(open_benchmark(folder))
    assert (found.paraphrases, found.chunks_with_fewer(3)) == (3, 1)


@pytest.mark.parametrize(("said", "meant"), [("2h", 7200), ("90m", 5400), ("1.5 h", 5400), ("30", 30), ("1d", 86400)])
def test_a_budget_is_a_time(said, meant):
    assert seconds(said) == meant


@pytest.mark.parametrize("said", ["", "0h", "soon", "-1h", "2 weeks"])
def test_what_is_no_time_is_refused_with_an_example(said):
    with pytest.raises(UserError, match="expected a time, as 90m"):
        seconds(said)
