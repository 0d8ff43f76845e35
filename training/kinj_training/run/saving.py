"""The final weights: a full model that anything loads, and beside it the adapter it was merged from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from kinj_training.base import Base
from kinj_training.recipe.recipe import Recipe
from kinj_training.run.trainer import BlockTrainer

ADAPTER = "adapter"


def save_final(trainer: BlockTrainer, recipe: Recipe, base: Base) -> Path:
    """The folder, inside the training's own, that holds model, tokenizer and adapter, not yet published.

    Every process must call it; where weights are sharded each gives its part.
    """
    part = Path(str(trainer.args.output_dir), "final.part")
    if trainer.is_world_process_zero():
        shutil.rmtree(part, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    adapted = recipe.model.use_peft
    trainer.save_model(str(part / ADAPTER if adapted else part))
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        if adapted:
            _name_base(part / ADAPTER / "adapter_config.json", base)
            merge(part / ADAPTER, recipe, base, part)
            tokenizer: Any = trainer.processing_class
            tokenizer.save_pretrained(part)
        for path in part.rglob("training_args.bin"):  # pickled settings; the manifest says them readably
            path.unlink()
    return part


def merge(adapter: Path, recipe: Recipe, base: Base, out: Path) -> None:
    """Writes the base's weights with an adapter's change added, in the precision that the recipe loads the base in.

    The base is read again: a quantised or sharded one in memory could not take the change exactly.
    """
    from peft import PeftModel

    dtype = recipe.model.dtype
    model = AutoModelForCausalLM.from_pretrained(
        base.folder,
        dtype=dtype if dtype in (None, "auto") else getattr(torch, dtype),
        use_safetensors=True,
        trust_remote_code=recipe.training.trust_remote_code,
    )
    merged: Any = PeftModel.from_pretrained(model, str(adapter))
    merged.merge_and_unload().save_pretrained(out)


def _name_base(path: Path, base: Base) -> None:
    """Names the base as the recipe does; PEFT knows only the folder that it was loaded from."""
    values = json.loads(path.read_text(encoding="utf-8"))
    values |= {"base_model_name_or_path": base.name, "revision": base.commit}
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
