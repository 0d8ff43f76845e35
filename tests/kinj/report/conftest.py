"""Writes result files as lm-eval 0.4.13 does, with the keys of real ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

STAMP = "2026-05-01T10-00-00.000000"


def sample(i: int, value: float, *, filter_name: str = "none", metric: str = "acc", options: int = 4, **more) -> dict:
    doc = {"question": f"Question {i}?", "answer": i % 4, **more.pop("doc", {})}
    return {
        "doc_id": i,
        "doc": doc,
        "target": str(i % 4),
        "arguments": {},
        "resps": [[["-1.0", "False"]]] * options,
        "filtered_resps": [],
        "filter": filter_name,
        "metrics": [metric],
        "doc_hash": hashlib.sha256(json.dumps(doc).encode()).hexdigest(),
        "prompt_hash": "p",
        "target_hash": hashlib.sha256(str(i % 4).encode()).hexdigest(),
        metric: value,
        **more,
    }


def run_of(task: str = "arc_easy", value: float = 0.5, n: int = 40, *, metric: str = "acc", **more) -> dict:
    """The content of a result file with one task."""
    arguments = more.pop("model_args", {"pretrained": "org/small"})
    config = {"model": "hf", "model_args": arguments, "batch_size": "8", "device": "cpu", "gen_kwargs": {}}
    config |= {"fewshot_seed": 1234, **more.pop("config", {})}
    scores = {f"{metric},none": value, f"{metric}_stderr,none": 0.08}
    return {
        "results": {task: {"alias": task, "name": task, "sample_len": n, **scores}},
        "group_subtasks": {},
        "configs": {task: {"task": task, "output_type": "multiple_choice", "doc_to_choice": list("ABCD"),
                           "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True}]}},
        "versions": {task: 1.0},
        "n-shot": {task: 0},
        "higher_is_better": {task: {metric: True}},
        "n-samples": {task: {"original": n, "effective": n}},
        "config": config,
        "date": 1796048006.0,
        "lm_eval_version": "0.4.13",
        "model_name": str(arguments.get("pretrained", "random words")),
        "chat_template": None,
        "system_instruction": None,
        **more,
    }  # fmt: skip


def write_run(folder: Path, run: dict, samples: dict[str, list[dict]] | None = None, stamp: str = STAMP) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"results_{stamp}.json"
    file.write_text(json.dumps(run))
    for task, rows in (samples or {}).items():
        (folder / f"samples_{task}_{stamp}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture(scope="session")
def new_run() -> Callable[..., dict]:
    """Makes the content of a result file."""
    return run_of


@pytest.fixture(scope="session")
def new_sample() -> Callable[..., dict]:
    """Makes a row of samples."""
    return sample


@pytest.fixture(scope="session")
def log_run() -> Callable[..., Path]:
    """Writes a result file, and samples by task."""
    return write_run


@pytest.fixture(scope="session")
def log_answers() -> Callable[..., Path]:
    """Writes a run of one task with these answers: `log_answers(folder, [1, 0, …], task=…, model_args=…)`."""

    def write(
        folder: Path, values: list[float], task: str = "arc_easy", *, first: int = 0, stamp: str = STAMP, **more
    ) -> Path:
        mean = sum(values) / len(values)
        rows = [sample(first + i, value) for i, value in enumerate(values)]
        return write_run(folder, run_of(task, mean, len(values), **more), {task: rows}, stamp)

    return write
