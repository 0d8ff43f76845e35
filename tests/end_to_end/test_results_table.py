"""docs/results.md says what a run's results carry: held against three real runs."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from kinj.checkpoint import fingerprint

pytestmark = pytest.mark.long  # a training and three runs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
TASKS = ("kinj_benchmark_option", "kinj_benchmark_generate")
TYPES = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "true or false": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
    "list of texts": lambda value: isinstance(value, list) and all(isinstance(entry, str) for entry in value),
    "list": lambda value: isinstance(value, list),
}
TYPES |= {f"{name} or null": lambda value, check=check: value is None or check(value) for name, check in TYPES.items()}


@dataclass(frozen=True)
class Row:
    """A row of the table; `<…>` stands for any one name."""

    path: tuple[str, ...]
    type: str
    unit: str
    absent: str

    def begins(self, path):
        """Whether the row is about this path or about something inside it."""
        names = [re.sub("<[a-z]+>", ".+", re.escape(name)) for name in self.path]
        return len(names) >= len(path) and all(map(re.fullmatch, names, path))

    def describes(self, path):
        return len(self.path) == len(path) and self.begins(path)


def read_rows():
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            key, kind, unit, _, absent = (cell.strip() for cell in line.strip("|").split("|"))
            yield Row(tuple(key.strip("`").split(".")), kind, unit, absent)


ROWS = list(read_rows())


def leaves(value, before=()):
    """(path, value) of all that a result carries, down to where the table has no row any more."""
    for key, inside in value.items():
        path = (*before, key)
        if isinstance(inside, dict) and any(row.begins(path) and not row.describes(path) for row in ROWS):
            yield from leaves(inside, path)
        else:
            yield path, inside


@pytest.fixture(scope="module")
def trained(collection, tiny_model, kinj_cache, tmp_path_factory):
    """A checkpoint of `kinj train`."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = {"arm": "raw", "collection": str(collection), "model_name_or_path": str(tiny_model), "max_length": 128}
    recipe |= {"output_dir": str(folder / "out"), "num_train_epochs": 1, "per_device_train_batch_size": 4}
    (folder / "towers.yaml").write_text(yaml.safe_dump(recipe))
    code = "from kinj.cli import main; main()"
    command = [sys.executable, "-c", code, "train", str(folder / "towers.yaml"), "--use_cpu", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def runs(lm_eval, collection, tiny_model, trained, tmp_path_factory, results):
    """The whole result files of a closed-book run, a BM25 run and a run on a trained checkpoint."""
    arguments = {
        "closed": f"pretrained={tiny_model},retriever=none",
        "bm25": f"pretrained={tiny_model},k=2",
        "trained": f"pretrained={trained},k=2",
    }
    found = {}
    for name, given in arguments.items():
        output = tmp_path_factory.mktemp(name)
        done = lm_eval(
            "--tasks", ",".join(TASKS), "--metadata", json.dumps({"benchmark": str(collection)}), "--limit", "2",
            "--gen_kwargs", "max_gen_toks=2", "--model", "kinj_rag", "--model_args", f"{given},dtype=float32",
            output=output,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[name] = results(output)
    return found


@pytest.mark.parametrize("name", ["closed", "bm25", "trained"])
def test_every_key_of_a_run_stands_in_the_table_with_its_type_and_unit(runs, name):
    for path, value in leaves(runs[name]["config"]["kinj"]):
        row = next((row for row in ROWS if row.describes(path)), None)
        assert row is not None, f"not in the table: {path}"
        assert TYPES[row.type](value), (path, row.type, value)
        if row.unit == "64 hex digits":
            assert re.fullmatch("[0-9a-f]{64}", value), (path, value)


@pytest.mark.parametrize("name", ["closed", "bm25", "trained"])
def test_keys_are_absent_where_the_table_says_so_and_only_there(runs, name):
    paths = [path for path, _ in leaves(runs[name]["config"]["kinj"])]
    for row in ROWS:
        is_there = any(row.describes(path[: len(row.path)]) for path in paths)
        if row.absent.startswith("closed book"):
            assert is_there == (name != "closed"), row
        elif row.absent == "null" or (row.absent.startswith("null") and name != "trained"):
            assert is_there == (name == "trained"), row
        elif row.absent == "-":
            assert is_there, row


def test_a_run_says_which_training_made_its_model(runs, trained):
    manifest = json.loads((trained / "manifest.json").read_text())
    checkpoint = runs["trained"]["config"]["kinj"]["checkpoint"]
    for key in ("arm", "training", "tokens", "steps", "seconds", "seeds"):
        assert checkpoint[key] == manifest[key]
    assert checkpoint["arm"] == "raw"
    assert runs["bm25"]["config"]["kinj"]["checkpoint"] is None


def test_a_run_says_whether_its_questions_are_about_trained_texts(runs):
    told = {name: run["config"]["kinj"]["questions_about_trained_texts"] for name, run in runs.items()}
    assert told == {"closed": None, "bm25": None, "trained": True}


def test_a_run_says_which_benchmark_was_asked_closed_book_too(runs):
    sources = [run["config"]["kinj"]["tasks"][task] for run in runs.values() for task in TASKS]
    assert {source["benchmark"]["name"] for source in sources} == {"towers"}
    assert len({source["benchmark"]["sha256"] for source in sources}) == 1
    assert {source["split"] for source in sources} == {"test"}


def test_a_run_tells_the_folder_of_its_model_by_the_one_fingerprint(runs, tiny_model, trained):
    for name, folder in (("closed", tiny_model), ("bm25", tiny_model), ("trained", trained)):
        assert runs[name]["config"]["kinj"]["base"]["pretrained"] == {"fingerprint": fingerprint(folder)}
        assert runs[name]["config"]["kinj"]["model_name"] == runs[name]["model_name"] == str(folder)


def test_a_run_says_what_it_took(runs):
    for name, run in runs.items():
        took = run["config"]["kinj"]
        assert took["processes"] == 1
        assert 0 < took["tokens"]["computed"] < took["tokens"]["asked"]
        assert 0 < took["seconds"]["scoring"] < float(run["total_evaluation_time_seconds"])
        assert (took["seconds"]["retrieving"] == 0) == (name == "closed")
