"""A base that cannot be made: a user's mistake is one line with the way out, everything else keeps its traceback."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from kinj.errors import UserError
from kinj_models import RagLM
from kinj_models.base import BaseChoice, choose_base
from kinj_models.loading import plain_errors


def load(**arguments: object) -> RagLM:
    lm = RagLM(retriever="none", device="cpu", **arguments)
    lm.base  # noqa: B018  # loads it
    return lm


@pytest.fixture
def without_template(tiny_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "plain"
    shutil.copytree(tiny_model, folder)
    (folder / "chat_template.jinja").unlink()
    return folder


@pytest.fixture
def with_token(tiny_model: Path, tmp_path: Path) -> Callable[..., Path]:
    """Saves the tokenizer with one token more than the tiny model has rows."""

    def save(folder: Path) -> Path:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        tokenizer.add_tokens(["<extra>"])
        tokenizer.save_pretrained(folder)
        return folder

    return save


CHAT = [{"role": "user", "content": "Which?"}]


def test_a_checkpoint_without_a_chat_template_is_named_with_its_base(without_template, tiny_model):
    with pytest.raises(UserError, match=rf"tokenizer of {without_template} has no chat template: .* tokenizer=DIR"):
        load(pretrained=str(without_template)).apply_chat_template(CHAT)
    manifest = {"made_by": "kinj train", "base": {"name": "owner/base"}}
    (without_template / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="by tokenizer=owner/base, or leave --apply_chat_template away"):
        load(pretrained=str(without_template)).apply_chat_template(CHAT)
    taken = load(pretrained=str(without_template), tokenizer=str(tiny_model)).apply_chat_template(CHAT)
    assert taken == load(pretrained=str(tiny_model)).apply_chat_template(CHAT)


def test_an_adapter_with_a_token_more_is_named_with_its_base_and_loads_with_its_tokenizer(
    tiny_model, with_token, tmp_path
):
    import peft
    from transformers import AutoModelForCausalLM

    folder = with_token(tmp_path / "adapter")
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.resize_token_embeddings(model.config.vocab_size + 1)
    settings = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    adapted = peft.get_peft_model(model, settings)
    adapted.peft_config["default"].base_model_name_or_path = str(tiny_model)
    adapted.save_pretrained(folder)
    message = rf"peft={folder}: .* other shapes than those of pretrained={tiny_model}, .* tokenizer={folder}"
    with pytest.raises(UserError, match=message):
        load(pretrained=str(tiny_model), peft=str(folder))
    rows = load(pretrained=str(tiny_model), peft=str(folder), tokenizer=str(folder)).base.model.get_input_embeddings()
    assert len(rows.weight) == model.config.vocab_size


def test_a_checkpoint_whose_weights_do_not_fit_its_configuration_is_said_in_one_line(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"vocab_size": config["vocab_size"] + 1}))
    with pytest.raises(UserError, match=r"pretrained=.*model: its weights have other shapes than its config"):
        load(pretrained=str(tmp_path / "model"))


def test_a_token_without_a_row_of_embeddings_is_warned_of(tiny_model, with_token, tmp_path, caplog):
    load(pretrained=str(tiny_model))
    assert "rows of embeddings" not in caplog.text
    shutil.copytree(tiny_model, tmp_path / "model")
    load(pretrained=str(with_token(tmp_path / "model")))
    assert "rows of embeddings: a text that holds '<extra>' stops the run" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "flot32"}, "base=hf: AttributeError: module 'torch' has no attribute 'flot32'"),
        ({"ef": 3}, "base=hf: TypeError: .* unexpected keyword argument 'ef'"),
        ({"peft": "nowhere"}, "base=hf: ValueError: Can't find 'adapter_config.json' at 'nowhere'"),
    ],
)
def test_an_argument_that_the_base_does_not_take_is_said_in_one_line(tiny_model, arguments, message):
    with pytest.raises(UserError, match=message):
        load(pretrained=str(tiny_model), **arguments)


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'NoneType' object has no attribute 'shape'", name="shape", obj=None),
        TypeError("unsupported operand type(s) for +: 'int' and 'str'"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        ModuleNotFoundError("No module named 'json.nothing'", name="json.nothing"),
        ImportError("libtorch.so: undefined symbol"),
        KeyError("weight"),
    ],
)
def test_what_a_library_got_wrong_keeps_its_traceback(error):
    with pytest.raises(type(error)) as caught, plain_errors("hf", {"pretrained": "model"}):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'nothing_here'", name="nothing_here.part"), "needs nothing_here"),
        (ModuleNotFoundError("please install via `pip install lm-eval[x]`"), r"base=x: please install .*lm-eval\[x\]"),
        (OSError(28, "No space left on device"), r"\[Errno 28\] No space left on device$"),
        (OSError("owner/name is no folder\nmore"), "owner/name is no folder; give a folder or a reachable name"),
    ],
)
def test_what_a_person_can_mend_is_one_line(error, message):
    with pytest.raises(UserError, match=message), plain_errors("x", {"pretrained": "owner/name"}):
        raise error


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_a_base_whose_library_is_not_installed_is_said_in_one_line():
    with pytest.raises(UserError, match="base=vllm: needs vllm, which is not installed"):
        choose_base("vllm", {"pretrained": "model"})


def test_a_base_behind_a_silent_hub_is_refused_before_it_is_loaded(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr("kinj.hub.find.HUB_SECONDS", 0.3)
        choice: BaseChoice = choose_base("hf", {"pretrained": "owner/name"})
        with pytest.raises(UserError, match=r"owner/name: the hub does not answer .* HF_HUB_OFFLINE=1"):
            choice.load()
