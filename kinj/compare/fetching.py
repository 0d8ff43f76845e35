"""`kinj compare PLAN --fetch`: brings every model of a plan here, and says at once what cannot be had."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from kinj.compare.plan import Plan
from kinj.errors import UserError
from kinj.hub.find import find_model, hub_errors
from kinj.hub.packaged import DEMO

log = logging.getLogger(__name__)

_MODEL = ("config.json", "*.safetensors")
_ADAPTER = ("adapter_config.json", "*.safetensors")
_EMBEDDER = ("modules.json", "*.safetensors")
#: What transformers, PEFT and sentence-transformers read of a folder on the hub: no other weights, no code.
_FETCHED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*/*.json", "*/*.safetensors")


def fetch(plan: Plan) -> None:
    """Returns once every model, adapter and embedder that the plan names is on this machine.

    Raises:
        UserError: some could not be had; one line names each, with the hub's reason.
    """
    from huggingface_hub.errors import HFValidationError

    failures: tuple[type[Exception], ...] = (*hub_errors(), HFValidationError)
    lacking = []
    for name, revision, needed in dict.fromkeys(_named(plan)):
        try:
            found = find_model(name, needed, revision=revision, fetched=_FETCHED)
        except failures as error:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            lacking.append(f"{name}: {reason}")
        else:
            log.info("%s: %s", name, found.label)
    if lacking:
        gated = "a gated one wants its licence accepted and HF_TOKEN set"
        raise UserError(f"not to be had ({gated}): {'; '.join(lacking)}")


def _named(plan: Plan) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, revision, files it must have) of everything that is not a folder here already."""
    for model in plan.models.values():
        if model.base == "hf" or model.pretrained is not None:
            yield model.pretrained or DEMO.hub_name, model.revision or "main", _MODEL
    for arm in plan.injection:
        if arm.checkpoint is not None:
            yield arm.checkpoint, "main", _MODEL
        if arm.adapter is not None:
            yield arm.adapter, "main", _ADAPTER
    for reading in plan.reading:
        if reading.embedder is not None and not Path(reading.embedder).is_dir():
            yield reading.embedder, "main", _EMBEDDER
