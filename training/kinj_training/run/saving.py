"""The final weights: a full model that anything loads, and beside it the adapter it was merged from."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from kinj_training.base import Base
from kinj_training.run.trainer import BlockTrainer

ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Merger:
    """Adds an adapter's change to the base's weights, in the precision in which the base is trained on."""

    base: Base
    dtype: str | None
    trust_remote_code: bool

    def merge(self, adapter: Path, out: Path) -> None:
        """Writes the merged weights into `out`.

        The base is read again: a quantised or sharded one in memory could not take the change exactly.
        """
        from peft import PeftModel

        model = AutoModelForCausalLM.from_pretrained(
            self.base.folder,
            dtype=self.dtype if self.dtype in (None, "auto") else getattr(torch, self.dtype),
            use_safetensors=True,
            trust_remote_code=self.trust_remote_code,
        )
        merged: Any = PeftModel.from_pretrained(model, str(adapter))
        merged.merge_and_unload().save_pretrained(out)

    def name_base(self, adapter: Path) -> None:
        """Names the base in an adapter's configuration as the recipe does; PEFT knows only its folder."""
        path = adapter / "adapter_config.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        values |= {"base_model_name_or_path": self.base.name, "revision": self.base.commit}
        path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_final(trainer: BlockTrainer, merger: Merger | None) -> Path:
    """The folder, inside the training's own, that holds model, tokenizer and adapter, not yet published.

    Every process must call it; where weights are sharded each gives its part.

    Args:
        trainer: after training.
        merger: of the adapter that was trained; None: the weights themselves were.
    """
    final = Path(str(trainer.args.output_dir), "final.part")
    if trainer.is_world_process_zero():
        shutil.rmtree(final, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    trainer.save_model(str(final if merger is None else final / ADAPTER))
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        if merger is not None:
            merger.name_base(final / ADAPTER)
            merger.merge(final / ADAPTER, final)
            tokenizer: Any = trainer.processing_class
            tokenizer.save_pretrained(final)
        for path in final.rglob("training_args.bin"):  # pickled settings; the manifest says them readably
            path.unlink()
    return final
