"""Whether a base's prefixes can be shared: what kind of model it is, and a trial."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from transformers import DynamicCache

from kinj_models.prefix_sharing.scorer import SharedScorer, TokenRequest, is_out_of_memory

log = logging.getLogger("lm_eval.kinj")

#: RoPE whose frequencies follow the longest position of the *pass*, not of the prompt (transformers,
#: modeling_rope_utils.dynamic_rope_update): a prefix computed apart gets others than the whole prompt does.
_ROPE_BY_PASS = ("dynamic", "longrope")
#: Tokens computed before, and as many after, a number of the configuration that could be a threshold of positions.
_BESIDE = 4


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
    if (reason := _unsupported(config)) is not None:
        return reason
    if base.model.get_output_embeddings() is None:
        return "the model has no output layer of its own"
    return _trial(base)


def _unsupported(config: Any) -> str | None:  # Any: each architecture has its own configuration class
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    if layers != {"full_attention"}:
        return f"the model has {', '.join(sorted(layers - {'full_attention'}))} layers"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return f"the model attends in a sliding window of {config.sliding_window} tokens"
    for rope_type in _rope_types(getattr(config, "rope_parameters", None)):
        if any(name in rope_type for name in _ROPE_BY_PASS):
            return f"its positions ({rope_type} RoPE) depend on the longest prompt of a pass"
    return None


def _rope_types(parameters: Any) -> Iterator[str]:  # Any: one set of parameters, or one for each kind of layer
    if not isinstance(parameters, dict):
        return
    if isinstance(rope_type := parameters.get("rope_type"), str):
        yield rope_type
    for value in parameters.values():
        yield from _rope_types(value)


@torch.no_grad()
def _trial(base: HFLM) -> str | None:
    """Why a trial on the model itself says that its prefixes cannot be shared."""
    try:
        if not _cache_agrees(base):
            return "its cache gives other numbers than a whole prompt does"
        if not _positions_agree(base):
            return "its positions depend on the longest prompt of a pass"
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        why = (str(error).splitlines() or [""])[0]
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            return f"a trial of it ran out of memory ({why})"
        log.debug("sharing prefixes failed on a trial", exc_info=error)
        return f"a trial of it failed ({type(error).__name__}: {why})"
    return None


def _cache_agrees(base: HFLM) -> bool:
    """Whether short continuations after a shared, padded prefix score as they do alone: settles every odd cache."""
    numbers = _numbers(base, 40)
    requests: list[TokenRequest] = [
        (None, numbers[:16], numbers[16:20]),
        (None, numbers[:16], numbers[20:22]),
        (None, numbers[:16] + numbers[22:30], numbers[30:33]),
        (None, numbers[30:40] + numbers[:9], numbers[3:9]),
        (None, numbers[30:40] + numbers[:9], numbers[9:10]),
    ]
    shared = SharedScorer(base).score(requests, min_saving=1, show_progress=False)
    alone, together = (base._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=n) for n in (1, 5))
    sizes = [len(continuation) for _, _, continuation in requests]

    def per_token(one: list[tuple[float, bool]], other: list[tuple[float, bool]]) -> list[float]:
        return [abs(a[0] - b[0]) / size for a, b, size in zip(one, other, sizes, strict=True)]

    return max(per_token(shared, alone)) <= _tolerance(base, per_token(alone, together))


def _positions_agree(base: HFLM) -> bool:
    """Whether a few tokens score alike whole and behind a prefix, across each number of the configuration.

    Any of them could be where the model changes how it reads positions (an original window, say). Of a long prompt only
    tokens before the number and far behind it are computed, at the positions that they would have. Differences are held
    against those of splitting where no number lies in between, and of batching.
    """
    scorer = SharedScorer(base)
    numbers = set(_numbers_in(base.model.config.get_text_config().to_dict()))
    thresholds = [number for number in sorted(numbers) if _BESIDE < number <= base.max_length - _BESIDE]
    near = [*range(2 * _BESIDE)]
    limit = _tolerance(base, [_split_difference(scorer, base, near), _batching_difference(scorer, base, near)])
    different = [one for one in thresholds if _split_difference(scorer, base, _across(one, base.max_length)) > limit]
    # A model of that kind may keep what it chose for the longest pass: a short one lets it go back.
    _log_probabilities(scorer, base, near)
    return not different


def _across(threshold: int, max_length: int) -> list[int]:
    """Positions right before a threshold, and others as far behind it again."""
    far = min(2 * threshold, max_length) - _BESIDE
    return [*range(threshold - _BESIDE, threshold), *range(far, far + _BESIDE)]


def _split_difference(scorer: SharedScorer, base: HFLM, positions: list[int]) -> float:
    """The largest difference of a token's log-probability, in nats, between one pass and two."""
    cache = DynamicCache()
    _log_probabilities(scorer, base, positions[:_BESIDE], cache)
    split = _log_probabilities(scorer, base, positions[_BESIDE:], cache, first=_BESIDE)
    whole = _log_probabilities(scorer, base, positions)[:, _BESIDE:]
    return float((whole - split).abs().max())


def _batching_difference(scorer: SharedScorer, base: HFLM, positions: list[int]) -> float:
    """The same between a row alone and beside others."""
    alone = _log_probabilities(scorer, base, positions)
    return float((alone[0] - _log_probabilities(scorer, base, positions, rows=3)[0]).abs().max())


def _log_probabilities(
    scorer: SharedScorer,
    base: HFLM,
    positions: list[int],
    cache: DynamicCache | None = None,
    *,
    first: int = 0,
    rows: int = 1,
) -> torch.Tensor:
    """Of the trial's next tokens, shape (rows, positions), the trial's token number `first` at the first position."""
    count = len(positions)
    tokens = torch.tensor([_numbers(base, rows + first + count + 1)[row + first :][: count + 1] for row in range(rows)])
    logs = scorer.log_probabilities(tokens[:, :-1], torch.tensor([positions] * rows), cache)
    return logs.gather(2, tokens[:, 1:, None].to(logs.device))[:, :, 0]


def _tolerance(base: HFLM, noise: Iterable[float]) -> float:
    """Nats a token: four times the measured noise, at least what rounding in the model's own precision explains."""
    return max(1e-3, 8 * torch.finfo(base.model.dtype).eps, 4 * max(noise))


def _numbers(base: HFLM, count: int) -> list[int]:
    """Tokens without a pattern that a model could know."""
    size = min(base.model.config.get_text_config().vocab_size, 1000)
    return [(7 * i * i + 3 * i + 1) % size for i in range(count)]


def _numbers_in(value: Any) -> Iterator[int]:  # Any: JSON values
    """Every whole number of a configuration."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _numbers_in(inner)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value
