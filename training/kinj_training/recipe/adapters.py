"""An adapter on a model without weights: whether its modules are there, and whether it can be merged."""

from __future__ import annotations

import re
import warnings
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
            # PEFT asks transformers by an older name, of which each run would warn.
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
            _refuse_absent(model, adapter)
            try:
                model = get_peft_model(model, adapter)
            except (ValueError, re.error) as error:
                why = " ".join(str(error).split())
                targets = getattr(adapter, "target_modules", None)
                raise UserError(f"lora_target_modules: {targets}: {why}; {_choice(model)}") from error
            _refuse_tied(model)
            _refuse_output(model)
    return model


def _choice(model: Any) -> str:  # Any: each architecture has its own class
    """What may be named: the last parts of the names of the linear modules, each once, without the output matrix."""
    output = model.get_output_embeddings()
    linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    names = sorted({name.rpartition(".")[2] for name in linear if model.get_submodule(name) is not output})
    return f"its linear modules are called {', '.join(names)}; all-linear means all of them"


def _refuse_absent(model: torch.nn.Module, adapter: Any) -> None:  # Any: PEFT's configuration of some adapter
    """Refuses names of which the model has none: PEFT passes over them, with or without a warning.

    Raises:
        UserError: the key and the name.
    """
    targets = adapter.target_modules
    for name in sorted(targets) if isinstance(targets, (set, list)) else ():
        if not any(f".{module}".endswith(f".{name}") for module, _ in model.named_modules()):
            raise UserError(f"lora_target_modules: {name}: the model has no such module; {_choice(model)}")
    modules, parameters = ([name for name, _ in named] for named in (model.named_modules(), model.named_parameters()))
    for kind, names in (("modules_to_save", modules), ("target_parameters", parameters)):
        for ending in getattr(adapter, kind, None) or ():
            if not any(name.endswith(ending) for name in names):
                raise UserError(f"lora_{kind}: {ending}: no name in the model ends so; one of them is {names[-1]}")


def _refuse_output(model: Any) -> None:  # Any: PEFT's model
    """Refuses an adapter on the output matrix, as TRL's trainer does, which says so only once the weights are loaded.

    Raises:
        UserError: names what to take instead.
    """
    if isinstance(model.get_output_embeddings(), BaseTunerLayer):
        raise UserError(
            "lora_target_modules: lm_head: TRL's trainer takes no adapter on the output matrix: leave it out, or train "
            "it whole by lora_modules_to_save: [lm_head]"
        )


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
