"""How much memory a training takes on one device, with its arithmetic; from the configuration, without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from peft import PeftConfig
from trl import ModelConfig, SFTConfig, get_peft_config  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj_training.base import load_config
from kinj_training.recipe.adapters import bare_model
from kinj_training.recipe.recipe import ModelSource

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: bytes of optimizer state a trained parameter, beside the two float32 moments of AdamW
_STATES = {"adafactor": 4, "sgd": 0, "adamw_8bit": 2, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "lion_8bit": 1}


@dataclass(frozen=True, slots=True)
class MemoryItem:
    """One line of the sum."""

    name: str
    bytes: int
    arithmetic: str
    #: under FSDP's full sharding: split over the devices, whole on each, or absent
    sharded: Literal["split", "whole", "absent"]


@dataclass(frozen=True, slots=True)
class Memory:
    """An estimate for one device."""

    items: tuple[MemoryItem, ...]
    devices: int
    #: bytes on disk of the finished folder's weights, an adapter and what it is merged into; and of a checkpoint
    finished: int
    checkpoint: int
    #: bytes on disk of the adapter alone; 0 where the weights themselves are trained
    adapter: int = 0

    @property
    def alone(self) -> int:
        """Bytes on each device without sharding: one device, or DDP."""
        return sum(item.bytes for item in self.items)

    @property
    def sharded(self) -> int:
        """Bytes on each device under FSDP's full sharding over all devices."""
        divisors = {"split": self.devices, "whole": 1}
        return sum(item.bytes // divisors[item.sharded] for item in self.items if item.sharded != "absent")


def estimate_memory(
    source: ModelSource, training: SFTConfig, model: ModelConfig, block_length: int, devices: int
) -> Memory:
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
    config = load_config(source)
    total, trained = _parameters(config, get_peft_config(model), trust_remote_code=source.trust_remote_code)
    config = config.get_text_config()
    weight, stored, width = _weight_bytes(model), _BYTES.get(str(model.dtype), 4), _width(training, model)
    is_recomputed = bool(training.gradient_checkpointing)
    optimizer = str(getattr(training.optim, "value", training.optim))
    state = _STATES.get(optimizer, 2 * stored)
    copied = 0 if width >= stored else trained if is_recomputed else total
    tokens = int(training.per_device_train_batch_size) * block_length
    hidden, layers, words = config.hidden_size, config.num_hidden_layers, config.vocab_size
    factor = width if is_recomputed else 17 * width
    # The logits at their own width and as float32, their log-softmax and its gradient.
    logit = 12 if width == 4 else 16
    layered = f"{tokens:,} tokens x {hidden:,} wide x {layers} layers x {factor} bytes"
    layered += " (recomputed)" * is_recomputed
    items = (
        MemoryItem("weights", int(total * weight), f"{total:,} parameters x {weight:g} bytes", "split"),
        MemoryItem("gradients", trained * stored, f"{trained:,} trained x {stored} bytes", "split"),
        MemoryItem("optimizer states", trained * state, f"{trained:,} trained x {state} bytes ({optimizer})", "split"),
        MemoryItem("16-bit weights", copied * width, f"{copied:,} weights x {width} bytes", "absent"),
        MemoryItem("activations", tokens * hidden * layers * factor, layered, "whole"),
        MemoryItem("logits", tokens * words * logit, f"{tokens:,} tokens x {words:,} words x {logit} bytes", "whole"),
    )
    is_adapter = trained < total
    finished, saved = (total + trained, trained) if is_adapter else (total, total)
    needed = tuple(item for item in items if item.bytes)
    adapter = trained * stored if is_adapter else 0
    checkpoint = saved * stored + trained * state
    return Memory(needed, devices, finished=finished * stored, checkpoint=checkpoint, adapter=adapter)


def _width(training: SFTConfig, model: ModelConfig) -> int:
    """Bytes of a value in the computation."""
    is_half = training.bf16 or training.fp16 or model.dtype in ("bfloat16", "float16")
    return 2 if is_half else 4


def _weight_bytes(model: ModelConfig) -> float:
    """Bytes a weight: the quantised ones of bitsandbytes with one float32 scale for 64 weights."""
    if model.load_in_4bit:
        return 0.5 + 4 / 64
    if model.load_in_8bit:
        return 1.0
    return _BYTES.get(str(model.dtype), 4)


def _parameters(  # Any: each architecture has its own class
    config: Any, adapter: PeftConfig | None, *, trust_remote_code: bool
) -> tuple[int, int]:
    """(all, trained) parameters, counted on the model without its weights."""
    model = bare_model(config, adapter, trust_remote_code=trust_remote_code)
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(count for count, _ in counts), sum(count for count, is_trained in counts if is_trained)
