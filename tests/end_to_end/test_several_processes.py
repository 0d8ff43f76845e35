"""Two processes, each with its part of the questions (a gloo base, since stock `hf` splits work on GPUs only)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long


def test_each_process_scores_its_part_and_results_and_traces_are_whole(tiny_model, collection, kinj_cache, tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", script]
    env = {**os.environ, "KINJ_CACHE": str(kinj_cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    arguments = [tiny_model, collection, tmp_path]
    done = subprocess.run(
        list(map(str, command + arguments)),
        capture_output=True,
        text=True,
        env=env,
        check=False,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    # five questions of four options: three for the first process, two and lm-eval's padding for the second
    assert (first["scored"], second["scored"]) == (12, 12)
    assert sorted(row["doc_id"] for row in first["samples"]) == [0, 1, 2, 3, 4]
    counts = first["kinj"]["tasks"]["kinj_benchmark_option"]
    assert (counts["questions"], counts["recall@1"]) == (5, 1.0)
    assert first["kinj"]["processes"] == 2
    assert first["kinj"]["seconds"]["scoring"] >= first["seconds"] + second["seconds"]
    traces = {
        name: [json.loads(line)["doc_id"] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("trace.jsonl", "trace.rank1.jsonl")
    }
    assert traces == {"trace.jsonl": [0, 2, 4], "trace.rank1.jsonl": [1, 3]}
