"""How many requests of a plan a model can compute together."""

import json

import pytest

from kinj_models.asking import batch_size
from kinj_models.asking.batch_size import detect, find_batch_size


@pytest.fixture
def cells(tiny_model, collection):
    """Two cells of the tiny model: closed book, and with two passages."""
    metadata = json.dumps({"benchmark": str(collection), "split": "test"})
    words = ["--tasks", "kinj_benchmark_option", "--num_fewshot", "0", "--metadata", metadata, "--limit", "2"]
    arms = ({"retriever": "none"}, {"retriever": "bm25", "k": 2})
    return [
        {
            "cell": {"id": "0", "task": "kinj_benchmark_option"},
            "words": [*words, "--device", "cpu"],
            "model_args": {"pretrained": str(tiny_model), **arm},
            "passages": None,
        }
        for arm in arms
    ]


def test_it_is_found_on_the_longest_prompt_of_all_cells_in_smaller_batches_until_memory_suffices(cells, monkeypatch):
    tried = []

    def find(base, longest):
        shapes = []

        def call(batch, **_):
            shapes.append(tuple(batch.shape))
            if len(batch) > 8:
                raise RuntimeError("CUDA out of memory.")
            return plain(batch)

        plain = base._model_call
        monkeypatch.setattr(base, "_model_call", call)
        monkeypatch.setattr(base, "max_batch_size", 32)
        size = detect(base, longest)
        tried.extend(dict.fromkeys(shapes))
        return size

    monkeypatch.setattr(batch_size, "detect", find)
    monkeypatch.setattr(batch_size, "CANNOT_RUN_OUT", ())
    found = find_batch_size(cells)
    assert found["batch_size"] == 8
    assert [rows for rows, _ in tried if rows in (32, 9, 8)] == [32, 9, 8]
    assert {length + 1 for _, length in tried} == {found["longest_prompt"]}


def test_where_nothing_can_be_tried_it_is_said_why(cells):
    assert find_batch_size(cells[:1])["because"].startswith("on a CPU memory that runs out ends the process")
    engine = {**cells[0], "model_args": {"base": "vllm"}}
    assert find_batch_size([engine]) == {"batch_size": "auto", "because": "vllm decides while it runs"}
