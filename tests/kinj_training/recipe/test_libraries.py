"""What a library refuses about a setting is a line; what it stumbles over, or we do wrong, keeps its traceback."""

import peft
import pytest
import torch
from peft import LoraConfig
from transformers.utils.import_utils import requires_backends

from kinj.errors import UserError
from kinj_training.recipe.libraries import refused_by_libraries


def test_a_value_that_a_library_refuses_and_a_library_that_it_misses_are_lines():
    with pytest.raises(UserError, match="use_peft: Invalid task type: 'FOO'"), refused_by_libraries("use_peft"):
        LoraConfig(task_type="FOO")

    class Absent:
        __name__ = "Absent"

    with pytest.raises(UserError, match="optim: "), refused_by_libraries("optim"):
        requires_backends(Absent(), ["detectron2"])


def test_errors_of_ours_and_from_below_the_library_keep_their_kind(monkeypatch):
    with pytest.raises(ValueError, match="ours"), refused_by_libraries("settings"):
        raise ValueError("ours")
    with pytest.raises(ImportError, match="no_such_module"), refused_by_libraries("settings"):
        import no_such_module  # noqa: F401

    def broken(*_, **__):
        return torch.zeros(2).reshape(3)

    monkeypatch.setattr(peft.LoraConfig, "__post_init__", broken)
    with pytest.raises(RuntimeError), refused_by_libraries("settings", ValueError, RuntimeError):
        LoraConfig()
