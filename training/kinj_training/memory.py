"""How much memory a training takes on one device, with its arithmetic; from the configuration, without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kinj.errors import UserError
from kinj_training.base import load_config
from kinj_training.recipe.recipe import Recipe

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: bytes of optimizer state a trained parameter, beside the two float32 moments of AdamW
_STATES = {"adafactor": 4, "sgd": 0, "adamw_8bit": 2, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "lion_8bit": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the sum."""

    name: str
    bytes: int
    arithmetic: str
    #: under FSDP's full sharding: split over the devices, whole on each, or absent
    sharded: Literal["split", "whole", "absent"]


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
        divisors = {"split": self.devices, "whole": 1}
        return sum(part.bytes // divisors[part.sharded] for part in self.parts if part.sharded != "absent")


def estimate_memory(recipe: Recipe, block_length: int, devices: int) -> Memory:
    """The sum of weights, gradients, optimizer states, activations and logits of one device.

    Activations follow Korthikanti et al. 2022 (arXiv 2205.05198), section 4.1: 34 s b h bytes a layer where values are
    16 bits wide, twice that at 32, and only the layer's input, 2 s b h, where activations are recomputed; the term of
    the attention scores, 5 a s / h, is left out, because scaled-dot-product attention does not keep them. They count a
    feed-forward network of 4 h; wider or gated ones take somewhat more. Autocast keeps 16-bit copies of the weights for
    the backward pass: of all, or of the trained ones where activations are recomputed; FSDP casts a layer when it
    gathers it instead. Not counted: the framework itself, gathered layers, buffers of communication, fragmentation.

    Measured on a CPU, SmolLM2-135M, one block of 1,024 tokens: 4.2 GB in bfloat16 and 4.5 GB in float32, 0.4 GB of it
    the framework; this sum says 3.8 and 4.0.
    """
    config = load_config(recipe).get_text_config()
    total, trained = _parameters(recipe)
    weight, kept, width = _weight_bytes(recipe), _BYTES.get(str(recipe.model.dtype), 4), _width(recipe)
    is_recomputed = bool(recipe.training.gradient_checkpointing)
    optimizer = str(getattr(recipe.training.optim, "value", recipe.training.optim))
    state = _STATES.get(optimizer, 2 * kept)
    copied = 0 if width >= kept else trained if is_recomputed else total
    tokens = int(recipe.training.per_device_train_batch_size) * block_length
    hidden, layers, words = config.hidden_size, config.num_hidden_layers, config.vocab_size
    factor = width if is_recomputed else 17 * width
    # The logits at their own width and as float32, their log-softmax and its gradient.
    logit = 12 if width == 4 else 16
    layered = f"{tokens:,} tokens x {hidden:,} wide x {layers} layers x {factor} bytes"
    parts = (
        Part("weights", int(total * weight), f"{total:,} parameters x {weight:g} bytes", "split"),
        Part("gradients", trained * kept, f"{trained:,} trained x {kept} bytes", "split"),
        Part("optimizer states", trained * state, f"{trained:,} trained x {state} bytes ({optimizer})", "split"),
        Part("16-bit weights", copied * width, f"{copied:,} weights x {width} bytes", "absent"),
        Part("activations", tokens * hidden * layers * factor, layered + " (recomputed)" * is_recomputed, "whole"),
        Part("logits", tokens * words * logit, f"{tokens:,} tokens x {words:,} words x {logit} bytes", "whole"),
    )
    return Memory(tuple(part for part in parts if part.bytes), devices)


def _width(recipe: Recipe) -> int:
    """Bytes of a value in the computation."""
    is_half = recipe.training.bf16 or recipe.training.fp16 or recipe.model.dtype in ("bfloat16", "float16")
    return 2 if is_half else 4


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
