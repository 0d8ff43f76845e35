"""Plans over the tiny collection and the tiny model, and what reads recipes."""

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
