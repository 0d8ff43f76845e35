"""Plans over the tiny collection and the tiny model, and what reads recipes."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kinj.compare.cells import expand
from kinj.compare.plan import make_plan
from kinj.compare.units import Comparison
from kinj_training.recipe import files


@pytest.fixture
def plan_values(collection: Path, tiny_model: Path, tmp_path: Path) -> Callable[..., dict]:
    """The values of a plan: two injection arms, closed book and BM25, on the tiny model; `changes` go over them."""
    recipe = {"arm": "raw", "max_length": 128, "num_train_epochs": 1, "per_device_train_batch_size": 4}
    recipe |= {"model_name_or_path": "none", "output_dir": "none", "use_cpu": True, "learning_rate": 1e-3}
    (tmp_path / "towers.yaml").write_text(yaml.safe_dump(recipe))

    def build(**changes: object) -> dict:
        values: dict = {
            "models": {"tiny": {"pretrained": str(tiny_model), "device": "cpu"}},
            "benchmark": str(collection),
            "tasks": ["kinj_benchmark_option"],
            "splits": ["test"],
            "injection": ["none", {"recipe": str(tmp_path / "towers.yaml")}],
            "reading": ["none", {"retriever": "bm25", "k": [1, 2]}],
            "controls": [],
            "forgetting": [],
            "limit": 3,
            **changes,
        }
        return {key: value for key, value in values.items() if value is not None}

    return build


@pytest.fixture
def comparison(plan_values: Callable[..., dict], tmp_path: Path) -> Callable[..., Comparison]:
    """What the plan of `plan_values` asks for."""
    return lambda **changes: expand(make_plan("plan.yaml", plan_values(**changes)), tmp_path, files)


@pytest.fixture
def start(plan_values: Callable[..., dict], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `kinj compare` on the plan of `plan_values` with changes: `start("out", *words, seeds=[0, 1])`."""

    def run(out: str, *words: str, **changes: object) -> subprocess.Popen[str]:
        file = tmp_path / f"{out}.yaml"
        file.write_text(yaml.safe_dump(plan_values(**changes)))
        kinj = [sys.executable, "-P", "-m", "kinj.cli"]
        command = [*kinj, "compare", str(file), "--output_dir", str(tmp_path / out), *words]
        env = {**os.environ, "KINJ_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, cwd=tmp_path)

    return run


@pytest.fixture
def compare(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str]]:
    """As `start`, to its end: (exit code, all that was said)."""

    def run(out: str, *words: str, **changes: object) -> tuple[int, str]:
        process = start(out, *words, **changes)
        said = process.communicate(timeout=600)
        return process.returncode, "".join(said)

    return run


@pytest.fixture
def told() -> Callable[[Path], dict]:
    """Of each cell of a folder, by id, what must not depend on when it was asked: responses, metrics, passages sent."""

    def read(folder: Path) -> dict:
        cells = {}
        for manifest in folder.glob("cells/*/manifest.json"):
            [samples] = manifest.parent.glob("samples_*.jsonl")
            [results] = manifest.parent.glob("results_*.json")
            metrics = json.loads(results.read_text())["results"]
            trace = (manifest.parent / "trace.jsonl").read_bytes()
            cells[manifest.parent.name] = (samples.read_bytes(), metrics, trace)
        return cells

    return read


@pytest.fixture
def weights() -> Callable[[Path], dict]:
    """SHA-256 of each trained model of a folder, by its unit."""

    def read(folder: Path) -> dict:
        files = folder.glob("units/*/checkpoint/model.safetensors")
        return {file.parts[-3]: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    return read
