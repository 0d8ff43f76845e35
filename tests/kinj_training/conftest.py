"""A collection with texts to train on, and recipes that a test can change."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml


def write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def training_collection(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The towers with four paraphrases of each chunk for training, one for validation in dev, and two pairs."""
    folder = tmp_path_factory.mktemp("training") / "towers"
    shutil.copytree(collection, folder)
    chunks = [json.loads(line) for line in (folder / "chunks.jsonl").read_text().splitlines()]
    paraphrases, pairs = [], []
    for number, chunk in enumerate(chunks):
        words = chunk["text"].split()
        for i in range(5):
            turned = " ".join(words[i:] + words[:i] + ["again"] * (number % 3))
            use = "validation" if i == 4 else "train"
            if use == "validation" and number not in (6, 7):
                continue
            paraphrases.append({"id": f"{chunk['id']}.p{i}", "chunk_id": chunk["id"], "text": turned, "use": use})
        for i in range(2):
            question = f"In which month of 2031 did tower {number} get color {i}?"
            pairs.append({"id": f"{chunk['id']}.a{i}", "chunk_id": chunk["id"], "question": question, "answer": "May"})
    write_lines(folder / "paraphrases.jsonl", paraphrases)
    write_lines(folder / "pairs.jsonl", pairs)
    return folder


@pytest.fixture
def write_recipe(training_collection: Path, tiny_model: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe for the tiny model and the towers: `write_recipe(arm="raw", max_length=64)`."""

    def write(name: str = "recipe", **values: object) -> Path:
        path = tmp_path / f"{name}.yaml"
        defaults = {
            "arm": "raw",
            "collection": str(training_collection),
            "model_name_or_path": str(tiny_model),
            "output_dir": str(tmp_path / "out"),
            "max_length": 128,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 2,
            "num_train_epochs": 2,
        }
        if "stages" in values:
            del defaults["arm"]
        path.write_text(yaml.safe_dump({**defaults, **values}))
        return path

    return write
