"""Whether a base's prefixes can be shared: what kind of model it is, and a short trial."""

from __future__ import annotations

import logging

import torch
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM

from kinj_models.prefix_sharing.scorer import SharedScorer, TokenRequest

log = logging.getLogger("lm_eval.kinj")


def why_not(base: LM) -> str | None:
    """Why the base's prefixes cannot be shared, or None where they can."""
    if not isinstance(base, HFLM):
        return f"{type(base).__name__} is not computed here but by its own engine or server (docs/prefix-sharing.md)"
    own = any(getattr(type(base), name) is not getattr(HFLM, name) for name in ("_model_call", "_loglikelihood_tokens"))
    if own or base.backend != "causal":
        return f"{type(base).__name__} does not compute as lm-eval's hf does with a decoder-only model"
    if getattr(getattr(base, "accelerator", None), "distributed_type", "NO") in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        return "its weights are spread over processes, which must all compute the same batches"
    config = base.model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    if layers != {"full_attention"}:
        return f"the model has {', '.join(sorted(layers - {'full_attention'}))} layers"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return f"the model attends in a sliding window of {config.sliding_window} tokens"
    if base.model.get_output_embeddings() is None:
        return "the model has no output layer of its own"
    return None if _agrees(base) else "its cache gives other numbers than a whole prompt does"


@torch.no_grad()
def _agrees(base: HFLM) -> bool:
    """Whether two short continuations after a shared, padded prefix score as they do alone: settles every odd cache."""
    size = min(base.model.config.get_text_config().vocab_size, 1000)
    numbers = [(7 * i * i + 3 * i + 1) % size for i in range(40)]
    requests: list[TokenRequest] = [
        (None, numbers[:16], numbers[16:20]),
        (None, numbers[:16], numbers[20:22]),
        (None, numbers[:16] + numbers[22:30], numbers[30:33]),
        (None, numbers[30:40] + numbers[:9], numbers[3:9]),
        (None, numbers[30:40] + numbers[:9], numbers[9:10]),
    ]
    try:
        shared = SharedScorer(base).score(requests, min_saving=1, show_progress=False)
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        log.debug("sharing prefixes failed on a trial: %s", error)
        return False
    plain = base._loglikelihood_tokens(requests, disable_tqdm=True)
    tolerance = 1e-3 if base.model.dtype == torch.float32 else 0.25
    return all(abs(a[0] - b[0]) <= tolerance for a, b in zip(shared, plain, strict=True))
