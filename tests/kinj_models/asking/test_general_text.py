"""The loss on a general text."""

import math

import pytest
import torch

from kinj_models import RagLM
from kinj_models.asking.general_text import is_measured, measure_loss, write_loss

TEXT = "The water tower of Arvada was painted amber in May 2031. Nobody asked why, and nobody was told."


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "general.txt"
    file.write_text(TEXT)
    return file


def test_it_is_the_mean_of_what_the_model_gives_each_token(tiny_model, text):
    model = RagLM(pretrained=str(tiny_model), retriever="none", device="cpu")
    told = measure_loss(model, text)
    base = model.base
    tokens = base.tok_encode(TEXT)
    with torch.no_grad():
        logits = base.model(torch.tensor([[base.prefix_token_id, *tokens[:-1]]])).logits[0]
    nats = torch.nn.functional.cross_entropy(logits, torch.tensor(tokens), reduction="sum").item()
    assert told["tokens"] == len(tokens)
    assert told["nats_per_token"] == pytest.approx(nats / len(tokens), rel=1e-5)
    assert told["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(TEXT.encode()), rel=1e-5)


def test_a_model_that_scores_no_text_is_said_and_another_text_is_measured_anew(recorder, text, tmp_path, monkeypatch):
    def refuse(requests):
        raise NotImplementedError

    monkeypatch.setattr(recorder, "loglikelihood_rolling", refuse)
    file = tmp_path / "loss.json"
    write_loss(RagLM(recorder, retriever="none"), text, file)
    assert is_measured(file, text)
    assert "gives no log-probabilities of a text" in file.read_text()
    text.write_text("another")
    assert not is_measured(file, text)
