"""How much memory a training takes on one device, with its arithmetic; from the configuration, without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinj.errors import UserError
from kinj_training.base_model import load_config
from kinj_training.recipe import Recipe

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: bytes of optimizer state a trained parameter, beside the two float32 moments of AdamW
_STATES = {"adafactor": 4, "sgd": 0, "adamw_8bit": 2, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "lion_8bit": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the sum."""

    name: str
    bytes: int
    arithmetic: str
    #: divided by the number of devices under FSDP's full sharding
    is_sharded: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """An estimate for one device."""

    parts: tuple[Part, ...]
    devices: int

    @property
    def alone(self) -> int:
        """Bytes on each device without sharding: one device, or DDP."""
        return sum(part.bytes for part in self.parts)

    @property
    def sharded(self) -> int:
        """Bytes on each device under FSDP's full sharding over all devices."""
        return sum(part.bytes // self.devices if part.is_sharded else part.bytes for part in self.parts)


def estimate_memory(recipe: Recipe, block_length: int, devices: int) -> Memory:
    """The sum of weights, gradients, optimizer states, activations and logits of one device.

    Activations follow Korthikanti et al. 2022 (arXiv 2205.05198), section 4.1: 34 s b h bytes a layer where values are
    16 bits wide, twice that at 32, and only the layer's input, 2 s b h, where activations are recomputed; the term of
    the attention scores, 5 a s / h, is left out, because scaled-dot-product attention does not keep them. They count a
    feed-forward network of 4 h; wider or gated ones take somewhat more. Not counted: the framework itself, buffers of
    communication, and fragmentation, together about 1 to 2 GB on a GPU.
    """
    config = load_config(recipe).get_text_config()
    total, trained = _parameters(recipe)
    training, model = recipe.training, recipe.model
    weight = _weight_bytes(recipe)
    is_half = bool(training.bf16 or training.fp16 or model.dtype in ("bfloat16", "float16"))
    width = 2 if is_half else 4
    kept = _BYTES.get(str(model.dtype), 4)
    state = _STATES.get(str(getattr(training.optim, "value", training.optim)), 2 * kept)
    tokens = int(training.per_device_train_batch_size) * block_length
    hidden, layers, words = config.hidden_size, config.num_hidden_layers, config.vocab_size
    factor = width if training.gradient_checkpointing else 17 * width
    # The logits at their own width and as float32, their log-softmax and its gradient.
    logit = 12 if width == 4 else 16
    return Memory(
        (
            Part("weights", int(total * weight), f"{total:,} parameters x {weight:g} bytes", True),
            Part("gradients", trained * kept, f"{trained:,} trained x {kept} bytes", True),
            Part(
                "optimizer states", trained * state, f"{trained:,} trained x {state} bytes ({_optimizer(recipe)})", True
            ),
            Part(
                "activations",
                tokens * hidden * layers * factor,
                f"{tokens:,} tokens x {hidden:,} wide x {layers} layers x {factor} bytes"
                + (" (recomputed)" if training.gradient_checkpointing else ""),
                False,
            ),
            Part(
                "logits and loss", tokens * words * logit, f"{tokens:,} tokens x {words:,} words x {logit} bytes", False
            ),
        ),
        devices,
    )


def _optimizer(recipe: Recipe) -> str:
    return str(getattr(recipe.training.optim, "value", recipe.training.optim))


def _weight_bytes(recipe: Recipe) -> float:
    """Bytes a weight: the quantised ones of bitsandbytes with one float32 scale for 64 weights."""
    if recipe.model.load_in_4bit:
        return 0.5 + 4 / 64
    if recipe.model.load_in_8bit:
        return 1.0
    return _BYTES.get(str(recipe.model.dtype), 4)


def _parameters(recipe: Recipe) -> tuple[int, int]:
    """(all, trained) parameters, counted on the model without its weights."""
    import torch
    from transformers import AutoModelForCausalLM
    from trl import get_peft_config  # type: ignore[attr-defined]  # trl loads its names lazily

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]  # transformers' own
            load_config(recipe), trust_remote_code=recipe.training.trust_remote_code
        )
        adapter = get_peft_config(recipe.model)
        if adapter is not None:
            from peft import get_peft_model

            try:
                model = get_peft_model(model, adapter)
            except ValueError as error:
                raise UserError(f"lora_target_modules: {' '.join(str(error).split())}") from error
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(count for count, _ in counts), sum(count for count, is_trained in counts if is_trained)
