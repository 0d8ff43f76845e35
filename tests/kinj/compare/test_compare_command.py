"""`kinj compare` as a person uses it: undisturbed, killed again and again, and with a unit that fails."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinj.cache import cache_folder

pytestmark = pytest.mark.long

KINJ = [sys.executable, "-P", "-m", "kinj.cli"]


def processes_of(folder):
    """The ids of all processes whose command names the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder).encode() in command:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_killed_at_any_moment_it_ends_with_the_bytes_of_an_undisturbed_run(start, compare, told, weights, tmp_path):
    plan = {"seeds": [0, 1], "reading": ["none", {"retriever": "bm25", "k": [1, 2]}], "shots": [0, 1]}
    code, said = compare("undisturbed", **plan)
    assert code == 0, said
    assert "18 of 18 cells are complete" in said
    assert len(weights(tmp_path / "undisturbed")) == 2
    draw, complete = random.Random(0), 0
    for number in range(6):
        process = start("killed", **plan)
        time.sleep(draw.uniform(1, 14))
        process.send_signal(signal.SIGINT if number % 3 == 2 else signal.SIGKILL)
        process.communicate(timeout=60)
        end = time.monotonic() + 20
        while processes_of(tmp_path / "killed"):
            assert time.monotonic() < end, "its processes outlived it"
            time.sleep(0.1)
        now = len(told(tmp_path / "killed"))
        assert now >= complete, "a complete cell was lost"
        complete = now
    code, said = compare("killed", **plan)
    assert code == 0, said
    assert told(tmp_path / "killed") == told(tmp_path / "undisturbed")
    assert weights(tmp_path / "killed") == weights(tmp_path / "undisturbed")
    assert not list((tmp_path / "killed").rglob("*.part"))
    assert not list((tmp_path / "killed").glob("units/*/checkpoint/checkpoint-*"))


def test_a_unit_that_fails_is_kept_with_its_log_and_the_others_go_on(compare, comparison, tmp_path):
    plan = {"injection": [{"recipe": str(tmp_path / "towers.yaml")}, "none"], "reading": ["none"]}
    [trained, _] = comparison(**plan).units
    in_the_way = tmp_path / "out" / "units" / trained.id / "checkpoint" / "thesis.tex"
    assert compare("out", **{**plan, "injection": ["none"]})[0] == 0
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    (tmp_path / "out" / "cells" / comparison(**plan).units[1].cells[0].cell.id / "manifest.json").unlink()
    code, said = compare("out", **plan)
    assert code == 1
    assert "1 of 2 cells are complete" in said
    assert said.count("tiny, towers, seed 0: failed, time") == 2
    [failed] = [line for line in said.splitlines() if line.startswith("failed: tiny, towers, seed 0: ")]
    assert "was not made by kinj train" in failed
    [log] = [line.removeprefix("  log: ") for line in said.splitlines() if line.startswith("  log: ")]
    assert Path(log).read_text().count("was not made by kinj train") == 2
    [alone] = [line.removeprefix("  alone: ") for line in said.splitlines() if line.startswith("  alone: ")]
    in_the_way.unlink()
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # where `kinj` is, as typed
    done = subprocess.run(alone, shell=True, check=False, cwd=tmp_path, capture_output=True, env=env)  # noqa: S602
    assert done.returncode == 0, done.stderr
    code, said = compare("out", **plan)
    assert code == 0
    assert "2 of 2 cells are complete" in said


def test_an_unknown_task_ends_before_anything_is_trained(compare, tmp_path):
    code, said = compare("out", tasks=["kinj_benchmark_optoin"])
    assert code == 2
    reason = "kinj: kinj_benchmark_optoin: lm-eval has no such task; did you mean 'kinj_benchmark_option'"
    assert said.splitlines()[-1].startswith(reason)
    assert not list((tmp_path / "out" / "units").iterdir())


def test_a_finished_comparison_starts_nothing(compare, tmp_path):
    plan = {"injection": ["none"], "reading": ["none"]}
    assert compare("out", **plan)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "units").rglob("*")}
    code, said = compare("out", **plan)
    assert code == 0
    assert "unit 1" not in said
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "units").rglob("*")} == before


def test_the_dry_run_says_what_there_is_to_do_and_writes_nothing(compare, tmp_path):
    code, said = compare("out", "--dry-run", "--json", seeds=[0, 1], limit=None)
    assert code == 0, said
    shown = json.loads(said)
    assert not (tmp_path / "out").exists()
    assert [(one["seed"], one["trainings"], one["seconds"], one["is_there"]) for one in shown["trainings"]] == [
        (0, 1, None, False), (1, 1, None, False),
    ]  # fmt: skip
    assert all(one["tokens"] > 200 and one["memory"] > 0 and one["disk_peak"] > 0 for one in shown["trainings"])
    assert {(one["injection"], one["cells"], one["questions"]) for one in shown["cells"]} == {
        ("none", 1, 6), ("towers", 2, 6),
    }  # fmt: skip
    assert shown["total"]["cells"] == 9
    assert shown["total"]["not_measured"] == 2 + 6
    assert {"what": "forgetting", "why": "the plan leaves it out"} in shown["not_measured"]
    [detectable] = shown["smallest_difference_points"]
    assert (detectable["questions"], detectable["clusters"]) == (6, 6)
    assert detectable["without"][0] < detectable["without"][1]


def test_what_plain_lm_eval_has_computed_is_an_arm(compare, tiny_model, collection, tmp_path):
    metadata = json.dumps({"benchmark": str(collection), "split": "test"})
    command = [
        sys.executable,
        "-P",
        "-m",
        "lm_eval",
        "run",
        "--model",
        "hf",
        "--model_args",
        f"pretrained={tiny_model}",
    ]
    command += ["--tasks", "kinj_benchmark_option", "--device", "cpu", "--metadata", metadata, "--log_samples"]
    for name, limit in (("same", "3"), ("more", "5")):
        output = ["--limit", limit, "--output_path", str(tmp_path / name)]
        subprocess.run([*command, *output], check=True, capture_output=True, cwd=tmp_path)
    plan = {"reading": ["none"], "injection": ["none", {"name": "plain", "results": str(tmp_path / "same")}]}
    code, said = compare("out", **plan)
    assert code == 0, said
    assert "2 of 2 cells are complete" in said
    more = {"name": "plain", "results": str(tmp_path / "more")}
    code, said = compare("out", **{**plan, "injection": ["none", more]})
    assert code == 1
    assert "other questions than the plan's: it has 5, the plan 3, both 3: not paired" in said


def test_speeds_are_measured_for_the_dry_run(compare, tmp_path):
    plan = {"reading": ["none", {"retriever": "bm25", "k": 1}], "limit": None}
    code, said = compare("out", "--measure", **plan)
    assert code == 0, said
    assert "tiny: kinj_benchmark_option, 0 shots, bm25, k 1: " in said
    assert " s (towers, a few texts)" in said, said
    assert not (tmp_path / "out").exists()
    code, said = compare("out", "--dry-run", "--json", **plan)
    shown = json.loads(said)
    assert shown["total"]["not_measured"] == 0
    assert all(one["seconds"] > 0 and one["tokens"] > 0 for one in shown["cells"])


def test_controls_and_a_general_text_are_measured_and_merged_weights_made_again_where_the_plan_grows(
    compare, told, tmp_path
):
    (tmp_path / "general.txt").write_text("Rain fell on the hills all night. By morning the road was gone.\n" * 9)
    lora = {"use_peft": True, "lora_r": 4, "lora_target_modules": ["q_proj", "v_proj"]}
    plan = {
        "tasks": ["kinj_benchmark"],
        "injection": ["none", {"recipe": str(tmp_path / "towers.yaml"), "settings": lora}],
        "reading": ["none", {"retriever": "bm25", "k": [1]}],
        "controls": None,
        "forgetting": None,
        "general_text": "general.txt",
        "batch_size": "auto",
    }
    code, said = compare("out", **plan)
    assert code == 0, said
    assert "tiny: asked in batches of 1: on a CPU" in said
    out = tmp_path / "out"
    cells = [json.loads(line) for line in (out / "cells.jsonl").read_text().splitlines()]
    assert sorted((cell.get("injection"), cell.get("role", "main"), cell["reading"]) for cell in cells) == [
        ("none", "control", "distractors k=1"),
        ("none", "control", "gold k=1"),
        ("none", "forgetting", "none"),
        ("none", "main", "bm25 k=1"),
        ("none", "main", "none"),
        ("none", "noise", "none, reversed"),
        *(("none", "orders", f"none, order {order}") for order in (1, 2, 3, 4)),
        ("none", "withheld", "none, options withheld"),
        ("towers", "forgetting", "none"),
        ("towers", "main", "bm25 k=1"),
        ("towers", "main", "none"),
    ]
    assert "not measured: everything, tiny, kinj_benchmark@test:3: " in said
    assert "the window has 512" in said
    losses = {json.loads(file.read_text())["bits_per_byte"] for file in out.glob("units/*/general_text.json")}
    assert len(losses) == 2
    [trained] = out.glob("units/*/checkpoint")
    assert (trained / "adapter" / "adapter_model.safetensors").is_file()
    assert not (trained / "model.safetensors").exists()
    before = told(out)
    code, said = compare("out", **{**plan, "reading": ["none", {"retriever": "bm25", "k": [1, 2]}]})
    assert code == 0, said
    assert before.items() <= told(out).items()
    assert "merged again from its adapter, byte for byte" in (trained.parent / "log.txt").read_text()
    assert not (trained / "model.safetensors").exists()


@pytest.mark.real_model
def test_the_smoke_plan_runs(tmp_path):
    if not (cache_folder() / "models" / "SmolLM2-135M-Instruct").is_dir():
        pytest.skip(f"no demo model in {cache_folder()}: `kinj demo-model` puts it there")
    command = [*KINJ, "compare", "smoke", "--output_dir", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 cells are complete" in done.stdout
    assert "changed nothing" not in done.stdout
