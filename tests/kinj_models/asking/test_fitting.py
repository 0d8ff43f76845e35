"""How much of a window a whole collection takes."""

import json

import pytest
from transformers import AutoTokenizer

from kinj.errors import UserError
from kinj.passages import load_template
from kinj.records import Query
from kinj.retrieval import collection_index, open_retriever
from kinj_models.asking.fitting import measure_fit
from kinj_tasks.benchmark import load


def test_the_tokens_hold_block_and_longest_question_and_the_window_is_the_models(tiny_model, collection):
    rows = list(load(str(collection))["test"])
    args = {"pretrained": str(tiny_model), "retriever": "all", "dtype": "float32"}
    told = measure_fit({"model_args": args, "shots": 0, "system_prompt": ""}, "kinj_benchmark", rows)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    [passages] = open_retriever("all", index=collection_index(collection, None)).search([Query("x")], 100)
    longest = max(rows, key=lambda row: len(row["question"]))
    prompt = load_template(None).render(passages) + f"Question: {longest['question']}\nAnswer: {longest['choices'][0]}"
    assert len(tokenizer(prompt).input_ids) < told["tokens"] < len(tokenizer(prompt).input_ids) + 200
    assert told["window"] == json.loads((tiny_model / "config.json").read_text())["max_position_embeddings"] == 512
    with_shots = measure_fit(
        {"model_args": {**args, "max_length": 99}, "shots": 2, "system_prompt": "Be short."}, "kinj_benchmark", rows
    )
    assert with_shots["tokens"] > told["tokens"]
    assert with_shots["window"] == 99


def test_a_model_without_configuration_is_said(tmp_path, collection):
    rows = list(load(str(collection))["test"])
    with pytest.raises(UserError, match="no tokenizer and configuration in this folder"):
        measure_fit(
            {"model_args": {"pretrained": str(tmp_path), "retriever": "all"}, "shots": 0, "system_prompt": ""},
            "t",
            rows,
        )
