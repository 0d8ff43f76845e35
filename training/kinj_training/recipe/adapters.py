"""An adapter on a model without weights: whether its modules are there, and whether it can be merged."""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import AutoModelForCausalLM

from kinj.errors import UserError


def bare_model(  # Any: each architecture has its own class, of model and of configuration
    config: Any, adapter: PeftConfig | None, *, trust_remote_code: bool
) -> Any:
    """The model without its weights, with the adapter on it where there is one.

    Raises:
        UserError: the model lacks a module that the adapter names, or shares the weights of one with another module.
    """
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]  # transformers' own
            config, trust_remote_code=trust_remote_code
        )
        if adapter is not None:
            try:
                model = get_peft_model(model, adapter)
            except ValueError as error:
                raise UserError(f"lora_target_modules: {' '.join(str(error).split())}") from error
            _refuse_tied(model)
    return model


def _refuse_tied(model: Any) -> None:  # Any: PEFT's model
    """Refuses an adapter on weights that two modules share: merged, its change would be in both, trained it is in one.

    Raises:
        UserError: names the module, and what to take instead.
    """
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    for name, module in model.named_modules():
        if not isinstance(module, BaseTunerLayer):
            continue
        weight = getattr(module.get_base_layer(), "weight", None)
        if len(names.get(id(weight), ())) > 1:
            raise UserError(
                f"lora_target_modules: {name.removeprefix('base_model.model.')} shares its weights with another module "
                "(tie_word_embeddings), so that the adapter cannot be merged: leave it out, or train it whole by "
                "lora_modules_to_save"
            )
