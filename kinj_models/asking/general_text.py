"""The loss of a model on a general text: what a training costs in language as a whole."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

from lm_eval.api.instance import Instance

from kinj.manifest import sha256_file, write_whole
from kinj_models.rag import RagLM
from kinj_models.settings import Json

log = logging.getLogger("lm_eval.kinj")


def is_measured(file: Path, text: Path) -> bool:
    """Whether the file tells of this very text."""
    return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["text_sha256"] == sha256_file(text)


def measure_loss(model: RagLM, text: Path) -> Json:
    """What the file of a unit says: `bits_per_byte` and `nats_per_token`, or `because` where there is none.

    Every token is predicted once, from the text before it as far as the window goes: lm-eval's rolling windows.
    """
    content = text.read_text(encoding="utf-8")
    told: Json = {"text": str(text), "text_sha256": sha256_file(text), "bytes": len(content.encode())}
    request = Instance("loglikelihood_rolling", {}, (content,), 0, metadata=("general text", 0, 1))
    try:
        [nats] = model.base.loglikelihood_rolling([request])
    except NotImplementedError:
        return {**told, "because": f"base={model.choice.name} gives no log-probabilities of a text"}
    tokens = len(model.base.tok_encode(content)) if hasattr(model.base, "tok_encode") else None
    bits = -nats / math.log(2) / told["bytes"]
    return {**told, "tokens": tokens, "bits_per_byte": bits, "nats_per_token": -nats / tokens if tokens else None}


def write_loss(model: RagLM, text: Path, file: Path) -> None:
    """Writes it, and says it in the log."""
    told = measure_loss(model, text)
    write_whole(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    log.info("loss on %s: %s", text, told.get("because") or f"{told['bits_per_byte']:.4f} bits per byte")
