"""The final weights: a full model that anything loads, and beside it the adapter it was merged from."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from kinj.errors import UserError
from kinj_training.base import Base
from kinj_training.run.limits import room
from kinj_training.run.trainer import BlockTrainer

ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Merger:
    """Adds an adapter's change to the base's weights, in the precision in which the base is trained on."""

    base: Base
    dtype: str | None
    trust_remote_code: bool
    #: token ids on which the merged model is compared with base and adapter
    block: tuple[int, ...]

    def merge(self, adapter: Path, out: Path) -> None:
        """Writes the merged weights into `out`.

        The base is read again: a quantised or sharded one in memory could not take the change exactly.

        Raises:
            UserError: read again, the merged model is another than base and adapter.
        """
        from peft import PeftModel

        adapted: Any = PeftModel.from_pretrained(self._load(self.base.folder), str(adapter))
        expected = self._logits(adapted)
        adapted.merge_and_unload().save_pretrained(out)
        del adapted
        merged = self._load(out)
        moved = (self._logits(merged) - expected).abs().max()
        if not moved <= _tolerance(merged.dtype) * expected.abs().max():
            raise UserError(
                f"{adapter}: merged into the base's weights this adapter is another model (logits move by {moved:.2g}, "
                f"the largest is {expected.abs().max():.2g}): not published; choose other lora_target_modules"
            )

    def _load(self, folder: Path) -> Any:  # Any: each architecture has its own class
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=self.dtype if self.dtype in (None, "auto") else getattr(torch, self.dtype),
            use_safetensors=True,
            trust_remote_code=self.trust_remote_code,
        )

    def _logits(self, model: Any) -> torch.Tensor:  # Any: as `_load`
        with torch.no_grad():
            logits: torch.Tensor = model(torch.tensor([self.block]), use_cache=False).logits.float()
        return logits

    def name_base(self, adapter: Path) -> None:
        """Names the base in an adapter's configuration by what loads it; PEFT knows only its folder."""
        path = adapter / "adapter_config.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        values |= {"base_model_name_or_path": self.base.address, "revision": self.base.commit}
        path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _tolerance(dtype: torch.dtype) -> float:
    """By how much of the largest logit merging may move one: by rounding, which is coarse in half precision."""
    return max(1e-3, 12 * torch.finfo(dtype).eps)


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
    with room(final.parent, "the finished folder", _final_bytes(trainer, merger)):
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


def _final_bytes(trainer: BlockTrainer, merger: Merger | None) -> int:
    """What the model's weights take: as they are trained, or as the base's files are."""
    if merger is not None:
        return sum(path.stat().st_size for path in merger.base.folder.glob("*.safetensors"))
    model: Any = trainer.model
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())
