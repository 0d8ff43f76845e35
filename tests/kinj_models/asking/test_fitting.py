"""How much of a window a whole collection takes."""

import json

import pytest
from transformers import AutoTokenizer

from kinj.errors import UserError
from kinj.passages import load_template
from kinj.records import Query
from kinj.retrieval import collection_index, open_retriever
from kinj_models.asking.fitting import measure_fit
from kinj_models.tasks import Tasks


@pytest.fixture
def task(collection):
    """Loads one of the tiny collection."""
    return lambda name: Tasks().load(name, {"benchmark": str(collection), "split": "test"})


def fit(task, rows, model, shots=0, system_prompt="", chat_template=False, **args):
    arguments = {"pretrained": str(model), "retriever": "all", **args}
    asked = {"model_args": arguments, "shots": shots, "system_prompt": system_prompt, "chat_template": chat_template}
    return measure_fit(asked, task, rows)


def test_the_tokens_hold_block_and_longest_question_and_the_window_is_the_models(tiny_model, collection, task):
    asked = task("kinj_benchmark_option")
    rows = list(asked.eval_docs)
    told = fit(asked, rows, tiny_model)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    [passages] = open_retriever("all", index=collection_index(collection, None)).search([Query("x")], 100)
    longest = max(rows, key=lambda row: len(row["question"]))
    prompt = load_template(None).render(passages) + f"Question: {longest['question']}\nAnswer: {longest['choices'][0]}"
    assert len(tokenizer(prompt).input_ids) < told["tokens"] < len(tokenizer(prompt).input_ids) + 200
    assert told["window"] == json.loads((tiny_model / "config.json").read_text())["max_position_embeddings"] == 512
    with_shots = fit(asked, rows, tiny_model, shots=2, system_prompt="Be short.", max_length=99)
    assert with_shots["tokens"] > told["tokens"]
    assert with_shots["window"] == 99


def test_no_more_is_sent_than_was_told_whatever_stands_around_the_question(tiny_model, collection, task):
    [passages] = open_retriever("all", index=collection_index(collection, None)).search([Query("x")], 100)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    for name, answer in (("kinj_benchmark", " A"), ("kinj_benchmark_generate", None)):
        asked = task(name)
        rows = list(asked.eval_docs)
        block = load_template(None).render(passages)
        turns = [[{"role": "user", "content": block + asked.doc_to_text(row)}] for row in rows]
        sent = [tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns]
        follows = len(tokenizer(answer).input_ids) if answer else asked.config.generation_kwargs["max_gen_toks"]
        most = max(len(tokenizer(text).input_ids) for text in sent) + follows
        assert most <= fit(asked, rows, tiny_model, chat_template=True)["tokens"] < most + 150


def test_a_model_without_configuration_is_said(tmp_path, task):
    asked = task("kinj_benchmark")
    with pytest.raises(UserError, match="no tokenizer and configuration in this folder"):
        fit(asked, list(asked.eval_docs), tmp_path)
