"""`python -m kinj_models.evaluate`: many cells of one loaded model, each as the single command gives it."""

import copy
import json
import os
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from lm_eval.loggers import EvaluationTracker

from kinj import claims
from kinj.claims import ClaimLostError
from kinj.compare.cells import expand
from kinj.compare.plan import make_plan
from kinj.errors import UserError
from kinj.jsonl import read_records
from kinj.manifest import sha256_file
from kinj.records import Chunk, Query
from kinj.report import full_arguments, read_scores
from kinj.retrieval import build_index, open_retriever
from kinj_models import evaluate, prefix_sharing, questions
from kinj_models.base import BaseChoice
from kinj_models.rag import RagLM
from kinj_models.rankings import read_rankings
from kinj_models.tasks import Tasks
from kinj_training.recipe import files

#: What no two runs share; `git_hash` is of the working directory.
TIMES = ("date", "start_time", "end_time", "total_evaluation_time_seconds", "git_hash")


@pytest.fixture
def make_units(collection, tmp_path):
    """Writes a comparison's passages and gives the file of each of its units."""

    def make(**values):
        defaults = {"benchmark": str(collection), "splits": ["test"], "limit": 3, "controls": []}
        plan = make_plan("plan", {**defaults, **values})
        comparison = expand(plan, tmp_path, files)
        asked = {p.questions.key: p.questions for p in comparison.cells}
        request = {
            "counts": str(tmp_path / "questions.json"),
            "questions": [
                {"key": key, "task": q.task, "metadata": q.metadata, "limit": q.limit, "of": q.content}
                for key, q in asked.items()
            ],
            "passes": [
                {"folder": str(tmp_path / p.id), "questions": p.questions.key, "split": "test", "settings": p.settings}
                for p in comparison.passes
            ],
            "fits": [],
        }
        (tmp_path / "request.json").write_text(json.dumps(request))
        questions.main(tmp_path / "request.json")
        for unit in comparison.units:
            cells = [
                {
                    "cell": asdict(p.cell),
                    "folder": str(tmp_path / "cells" / p.cell.id),
                    "words": p.words,
                    "reversed": p.is_reversed,
                    "model_args": p.model_args,
                    "passages": p.passages and str(tmp_path / p.passages),
                }
                for p in unit.cells
            ]
            values = {"checkpoint": None, "weights": unit.weights, "batch_size": plan.batch_size, "cells": cells}
            values["general_text"] = comparison.general_text
            (tmp_path / unit.id).mkdir()
            (tmp_path / unit.id / "unit.json").write_text(json.dumps(values))
        return [tmp_path / unit.id / "unit.json" for unit in comparison.units]

    return make


@pytest.fixture
def make_unit(make_units, tiny_model):
    """As `make_units`, of the tiny model alone."""

    def make(**values):
        [file] = make_units(models={"tiny": {"pretrained": str(tiny_model), "device": "cpu"}}, **values)
        return file

    return make


def cells_of(file):
    return [Path(planned["folder"]) for planned in json.loads(file.read_text())["cells"]]


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def without_times(results):
    told = copy.deepcopy({key: value for key, value in results.items() if key not in TIMES})
    del told["config"]["kinj"]["seconds"]
    del told["config"]["kinj"]["per_question"]["seconds"]
    return told


def test_a_cell_is_what_the_single_command_gives(
    make_units, tiny_model, forked_lm_eval, hub_stand_in, results, samples
):
    """Four cells: closed book and with passages, plain and as a chat, options and generation."""
    model = {"pretrained": str(tiny_model), "device": "cpu"}
    chat = {**model, "chat_template": True, "system_prompt": "Be short.", "multiturn": False}
    first, second = make_units(
        models={"plain": model, "chat": chat},
        tasks=["kinj_benchmark_option", "kinj_benchmark_generate"],
        reading=["none", {"retriever": "bm25", "k": [1, 2], "placement": "question"}],
        shots=[1],
    )
    wanted = (("kinj_benchmark_option", None), ("kinj_benchmark_option", 1), ("kinj_benchmark_generate", 2))
    chosen = []
    for file, kinds in ((first, wanted[:2]), (second, wanted[1:])):
        unit = json.loads(file.read_text())
        unit["cells"] = [one for one in unit["cells"] if (one["cell"]["task"], one["cell"]["k"]) in kinds]
        file.write_text(json.dumps(unit))
        evaluate.main(file)
        chosen += cells_of(file)
    assert len(chosen) == 4
    for folder in chosen:
        told = manifest(folder)
        task, name = told["cell"]["task"], told["cell"]["id"]
        words = shlex.split(told["command"])
        assert words[:2] == ["lm_eval", "run"]
        done = forked_lm_eval(*words[2:])
        assert done.returncode == 0, done.stderr
        for key, value in without_times(results(hub_stand_in / name)).items():
            assert (key, without_times(results(folder))[key]) == (key, value)
        assert set(results(folder)) == set(results(hub_stand_in / name))
        short, full = samples(folder, task), samples(hub_stand_in / name, task)
        for row in short:
            row["arguments"] = full_arguments(row["arguments"])
        assert short == full
        assert (folder / "trace.jsonl").read_text() == (hub_stand_in / f"{name}.trace.jsonl").read_text()


@pytest.fixture
def claim(tmp_path, monkeypatch):
    (tmp_path / "claimed").mkdir()
    with claims.take(tmp_path / "claimed") as claim:
        for name, value in claim.environment.items():
            monkeypatch.setenv(name, value)
        yield claim


def test_a_unit_that_was_taken_over_publishes_nothing_and_leaves_what_the_other_writes(
    make_unit, claim, tmp_path, monkeypatch
):
    file = make_unit(tasks=["kinj_benchmark_option"])
    [folder] = cells_of(file)
    others = folder.with_name(f"{folder.name}.0123456789abcdef.part")
    others.mkdir(parents=True)
    check = evaluate.check_rows

    def lose(*arguments):
        [of_claim] = (tmp_path / "claimed").glob("claim-*")
        os.utime(of_claim, (0, 0))
        claims.take(tmp_path / "claimed")
        return check(*arguments)

    monkeypatch.setattr(evaluate, "check_rows", lose)
    with pytest.raises(ClaimLostError):
        evaluate.main(file)
    assert not folder.exists()
    assert others.is_dir()


def test_a_unit_that_is_asked_to_stop_ends_after_the_cell(make_unit, claim, monkeypatch):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=["none", {"retriever": "bm25", "k": 1}])
    ask = evaluate.Evaluator.ask
    monkeypatch.setattr(evaluate.Evaluator, "ask", lambda *arguments: (ask(*arguments), claim.ask_to_stop()))
    with pytest.raises(SystemExit) as ended:
        evaluate.main(file)
    assert ended.value.code == claims.STOPPED
    assert [(folder / "manifest.json").is_file() for folder in cells_of(file)] == [True, False]


def test_the_model_is_loaded_once_and_prefix_sharing_tried_once(make_unit, monkeypatch):
    reading = ["none", {"retriever": "bm25", "k": [1, 2]}]
    file = make_unit(tasks=["kinj_benchmark_option", "kinj_benchmark"], reading=reading)
    loaded, tried = [], []
    load, why_not = BaseChoice.load, prefix_sharing.why_not
    monkeypatch.setattr(BaseChoice, "load", lambda choice: loaded.append(choice) or load(choice))
    monkeypatch.setattr(prefix_sharing, "why_not", lambda base: tried.append(base) or why_not(base))
    evaluate.main(file)
    assert [manifest(folder)["rows"]["questions"] for folder in cells_of(file)] == [3] * 6
    assert len(loaded) == len(tried) == 1


def test_a_complete_cell_is_left_alone_and_an_unfinished_one_done_again(make_unit):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=["none", {"retriever": "bm25", "k": 1}])
    evaluate.main(file)
    first, second = cells_of(file)
    before = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    (second / "manifest.json").unlink()
    responses = (second / "trace.jsonl").read_text()
    (second.with_name(second.name + ".part")).mkdir()
    evaluate.main(file)
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == before
    assert (second / "trace.jsonl").read_text() == responses
    assert sorted(path.name for path in first.parent.iterdir()) == sorted([first.name, second.name])


def test_the_manifest_tells_equal_responses_and_questions(make_unit):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=["none", {"retriever": "bm25", "k": 1}])
    evaluate.main(file)
    closed, read = map(manifest, cells_of(file))
    assert closed["questions_sha256"] == read["questions_sha256"]
    assert closed["responses_sha256"] != read["responses_sha256"]
    for told, folder in zip((closed, read), cells_of(file), strict=True):
        assert told["files"] == {p.name: p.stat().st_size for p in folder.iterdir() if p.name != "manifest.json"}
        assert told["sha256"] == {name: sha256_file(folder / name) for name in told["files"]}


def test_kinj_table_reads_a_cell(make_unit):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=["none"])
    evaluate.main(file)
    scores = read_scores(cells_of(file), ("acc",))
    assert [(score.task, score.n, score.clusters) for score in scores] == [("kinj_benchmark_option", 3, 3)]


def test_samples_that_were_not_written_whole_are_no_cell(make_unit, monkeypatch):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=["none"])

    def save_some(self, task_name, samples):
        plain(self, task_name, samples[:-1])

    plain = EvaluationTracker.save_results_samples
    monkeypatch.setattr(EvaluationTracker, "save_results_samples", save_some)
    with pytest.raises((UserError, ValueError)):
        evaluate.main(file)
    assert not cells_of(file)[0].exists()


def test_a_training_that_has_not_ended_is_not_asked(tmp_path):
    with pytest.raises(UserError, match="its training has to end first"):
        evaluate.trained_model(str(tmp_path))


def test_the_chosen_training_of_a_search_is_asked(tmp_path):
    chosen = tmp_path / "search" / "best"
    chosen.mkdir(parents=True)
    (chosen / "manifest.json").write_text("{}")
    (tmp_path / "search.json").write_text(json.dumps({"chosen": {"folder": str(chosen)}}))
    assert evaluate.trained_model(str(tmp_path)) == chosen
    assert evaluate.trained_model(None) is None


def test_another_model_is_not_answered_for(tiny_model, make_tiny_model):
    one, other = (RagLM(pretrained=str(model), retriever="none") for model in (tiny_model, make_tiny_model(seed=2)))
    with pytest.raises(ValueError, match="is loaded, not"):
        other.share_base(one)


def test_unknown_tasks_and_groups_are_refused_by_name():
    with pytest.raises(UserError, match="kinj_mmlu is a group: name its tasks, each of which is a cell"):
        Tasks().manager_of("kinj_mmlu", {})


def test_a_kept_ranking_gives_the_head_and_refuses_what_was_not_asked(make_unit, tmp_path):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=[{"retriever": "bm25", "k": [1, 3]}])
    [folder] = {planned["passages"] for planned in json.loads(file.read_text())["cells"]}
    [(source, kept)] = read_rankings(Path(folder)).items()
    assert source.startswith("towers@")
    [query] = [q for q in kept._passages if "Arvada" in q.text]
    assert [len(kept.search([query], k)[0]) for k in (1, 3)] == [1, 3]
    with pytest.raises(RuntimeError, match="was not asked"):
        kept.search([Query("another", id="q9")], 1)


def test_weights_that_changed_after_the_plan_are_not_asked(make_units, tiny_model, tmp_path):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    [file] = make_units(models={"m": {"pretrained": str(model)}}, tasks=["kinj_benchmark_option"], reading=["none"])
    (model / "generation_config.json").write_text("{}")
    with pytest.raises(UserError, match="has changed since this was planned"):
        evaluate.main(file)


@pytest.mark.parametrize("retriever", ["bm25", "dense", "hybrid", "gold", "gold+distractors", "distractors"])
def test_a_kept_ranking_says_and_gives_what_its_retriever_does(
    make_unit, collection, tiny_embedder, tmp_path, retriever
):
    build_index(list(read_records(collection / "chunks.jsonl", Chunk)), tmp_path / "index", str(tiny_embedder))
    reading = {"retriever": retriever, "index": str(tmp_path / "index"), "k": [1, 3]}
    file = make_unit(tasks=["kinj_benchmark_option"], reading=[reading])
    opened = open_retriever(retriever, index=tmp_path / "index")
    for planned in json.loads(file.read_text())["cells"]:
        [(source, kept)] = read_rankings(Path(planned["passages"])).items()
        assert source == planned["model_args"]["index"] == str(tmp_path / "index")
        assert (kept.describe(), kept.fingerprint) == (opened.describe(), opened.fingerprint)
        queries, k = list(kept._passages), planned["cell"]["k"]
        assert len(queries) == 3
        assert kept.search(queries, k) == opened.search(queries, k)


def test_a_cell_asked_in_reversed_order_has_the_same_prompts_and_other_batches(make_unit, samples, monkeypatch):
    sizes = []
    plain = RagLM._answer

    def answer(self, attr, requests):
        sizes.append(self.base.batch_size_per_gpu)
        return plain(self, attr, requests)

    monkeypatch.setattr(RagLM, "_answer", answer)
    file = make_unit(tasks=["kinj_benchmark_option"], reading=["none"], controls=["reversed"], batch_size=2)
    evaluate.main(file)
    main, again = cells_of(file)
    assert (manifest(again)["cell"]["role"], manifest(again)["cell"]["reading"]) == ("noise", "none, reversed")
    assert sizes == [2, 4]
    asked, reasked = ([json.loads(line) for line in (f / "trace.jsonl").open()] for f in (main, again))
    assert reasked == asked[::-1]
    rows, again_rows = (samples(folder, "kinj_benchmark_option") for folder in (main, again))
    for row, other in zip(rows, again_rows, strict=True):
        assert row["doc_hash"] == other["doc_hash"]
        scores, others = ([float(resp[0][0]) for resp in one["resps"]] for one in (row, other))
        assert others == pytest.approx(scores, abs=1e-4)


@pytest.fixture
def short_of_memory(monkeypatch):
    """Asks nothing: leaves a cell's manifest, and has memory for closed-book prompts alone in batches over this."""

    def limit(size):
        def ask(self, planned):
            if self._batch_size > size and planned["cell"]["k"] is not None:
                raise RuntimeError("CUDA out of memory. Tried to allocate memory")
            Path(planned["folder"]).mkdir(parents=True, exist_ok=True)
            told = json.dumps({"batch_size": self._batch_size})
            Path(planned["folder"], "manifest.json").write_text(told)

        monkeypatch.setattr(evaluate.Evaluator, "ask", ask)

    return limit


def test_a_unit_that_runs_out_of_memory_is_asked_anew_in_batches_of_half_the_size(make_unit, short_of_memory, caplog):
    reading = ["none", {"retriever": "bm25", "k": 1}]
    file = make_unit(tasks=["kinj_benchmark_option"], reading=reading, batch_size=8)
    short_of_memory(2)
    evaluate.main(file)
    assert [manifest(folder)["batch_size"] for folder in cells_of(file)] == [2, 2]
    assert json.loads((file.parent / "batch_size.json").read_text()) == {"batch_size": 2, "planned": 8}
    assert [record.args for record in caplog.records if "out of memory" in record.msg] == [(8,), (4,)]
    short_of_memory(100)  # an interrupted unit goes on with the size that it has come to
    shutil.rmtree(cells_of(file)[0])
    evaluate.main(file)
    assert [manifest(folder)["batch_size"] for folder in cells_of(file)] == [2, 2]


def test_no_memory_for_one_request_is_said(make_unit, short_of_memory):
    file = make_unit(tasks=["kinj_benchmark_option"], reading=[{"retriever": "bm25", "k": 1}])
    short_of_memory(0)
    with pytest.raises(UserError, match="out of memory in batches of 1: take a smaller model"):
        evaluate.main(file)
