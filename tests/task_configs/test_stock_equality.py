"""kinj_mmlu_* sends what lm-eval's stock mmlu_* sends, byte for byte, and scores it alike, on the same rows."""

import csv
import json
from pathlib import Path

import datasets
import lm_eval
import numpy as np
import pytest
from lm_eval.tasks import TaskManager

SUBJECTS = ("anatomy", "astronomy", "college_biology", "prehistory", "college_chemistry")
STOCK = Path(lm_eval.__file__).parent / "tasks" / "mmlu" / "default"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mmlu"
SIZES = {"anatomy": 135, "astronomy": 152, "college_biology": 144, "prehistory": 324, "college_chemistry": 100}


def chat(messages, add_generation_prompt):
    turns = "".join(f"<{message['role']}>{message['content']}</>" for message in messages)
    return turns + ("<assistant>" if add_generation_prompt else "")


WAYS = {
    "plain": {},
    "chat": {"apply_chat_template": True, "chat_template": chat, "tokenizer_name": "x"},
    "chat_turns": {
        "apply_chat_template": True, "fewshot_as_multiturn": True, "chat_template": chat, "tokenizer_name": "x",
    },
}  # fmt: skip


@pytest.fixture
def hub_stand_in(tmp_path, monkeypatch):
    """Makes a folder cais/mmlu in the working directory, which `datasets` takes before the hub, out of CSV files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.delenv("KINJ_MMLU_DIR", raising=False)

    def make(folder):
        root = tmp_path / "cais" / "mmlu"
        configs = []
        for subject in SUBJECTS:
            (root / subject).mkdir(parents=True)
            files = []
            for ours, hubs in (("dev", "dev"), ("val", "validation"), ("test", "test")):
                with (folder / subject / f"{ours}.csv").open(newline="", encoding="utf-8") as source:
                    rows = [
                        {"question": c[0], "subject": subject, "choices": c[1:5], "answer": "ABCD".index(c[5])}
                        for c in csv.reader(source)
                    ]
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                (root / subject / f"{hubs}.jsonl").write_text(lines, encoding="utf-8")
                files.append({"split": hubs, "path": f"{subject}/{hubs}.jsonl"})
            configs.append({"config_name": subject, "data_files": files})
        (root / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n", encoding="utf-8")

    return make


def stock_task(subject):
    path = str(STOCK / f"mmlu_{subject}.yaml")
    return TaskManager(include_defaults=False).load([path])["tasks"][f"mmlu_{subject}"]


def requests_of(task, shots, way):
    task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(1234)
    task.build_all_requests(**WAYS[way])
    return [(request.request_type, request.idx, request.doc_id, request.args) for request in task.instances]


def assert_same_requests(ours, stock):
    for shots in (0, 5):
        for way in WAYS:
            expected = requests_of(stock, shots, way)
            assert requests_of(ours, shots, way) == expected, (shots, way)
            assert expected


@pytest.mark.parametrize("subject", SUBJECTS)
def test_requests_and_scores_are_the_stock_tasks_from_the_hub_and_from_csv_files(
    subject, mmlu_dir, manager, hub_stand_in
):
    hub_stand_in(mmlu_dir)
    name = f"kinj_mmlu_{subject}"
    stock = stock_task(subject)
    from_hub = manager().load([name])["tasks"][name]
    from_csv = manager(mmlu_dir=str(mmlu_dir)).load([name])["tasks"][name]
    for ours in (from_hub, from_csv):
        assert list(ours.task_docs) == list(stock.task_docs)
        assert_same_requests(ours, stock)
        assert_same_scores(ours, stock)


def assert_same_scores(ours, stock):
    generator = np.random.default_rng(0)
    pairs = []
    for doc in stock.task_docs:
        # Few values, so that equal largest ones occur.
        results = [(float(value), False) for value in generator.integers(-3, 0, size=4)]
        pairs.append((ours.process_results(doc, results), stock.process_results(doc, results)))
    assert [mine["acc"] for mine, _ in pairs] == [theirs["acc"] for _, theirs in pairs]
    assert ours.aggregation()["acc"] is stock.aggregation()["acc"]


def test_dev_is_the_hubs_validation_split(mmlu_dir, manager, hub_stand_in):
    hub_stand_in(mmlu_dir)
    task = manager(split="dev").load(["kinj_mmlu_anatomy"])["tasks"]["kinj_mmlu_anatomy"]
    assert all(question.startswith("val ") for question in task.task_docs["question"])


def test_the_released_rows_give_the_stock_requests_and_the_papers_sizes(manager, hub_stand_in):
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}")
    hub_stand_in(SHARED)
    ours = manager(mmlu_dir=str(SHARED)).load(["kinj_mmlu_paper"])["tasks"]
    for subject, size in SIZES.items():
        task, stock = ours[f"kinj_mmlu_{subject}"], stock_task(subject)
        assert len(task.task_docs) == size
        assert requests_of(task, 5, "plain") == requests_of(stock, 5, "plain")
