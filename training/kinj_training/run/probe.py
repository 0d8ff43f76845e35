"""Whether a model really keeps packed texts apart, tried on the model itself."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from kinj.errors import UserError
from kinj_training.blocks.block import Block
from kinj_training.blocks.collator import COLUMNS, BlockCollator

#: of the largest logit; texts that are kept apart differ by exactly nothing
_TOLERANCE = 1e-5
_TOKENS = 12


def refuse_leaking(model: PreTrainedModel, *, flat: bool) -> None:
    """Returns if no text of a packed row reads another.

    Two packed rows are computed twice, the second time with another first text in each; what the model says about the
    other texts must stay the same. The mask that separates them is made inside transformers out of the positions, and
    not every model's code makes it.

    Args:
        model: as it will be trained.
        flat: whether a batch is one row.

    Raises:
        UserError: the model lets one text read another; names the layout that any model can learn from.
    """
    training = model.training
    model.train(False)
    with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=flat):
        before, after = (model(**_batch(model, seed, flat=flat), use_cache=False).logits.float() for seed in (1, 2))
    model.train(training)
    # Whatever the shape of the batch, its texts lie one after another; every second one was left as it was.
    moved = (before - after).reshape(4, _TOKENS, -1)[1::2].abs().max()
    if moved > _TOLERANCE * before.abs().max():
        raise UserError(
            f"{model.config.model_type} models let packed texts read each other (logits move by {moved:.2g}): "
            "take `layout: single`"
        )


def _batch(model: PreTrainedModel, seed: int, *, flat: bool) -> dict[str, torch.Tensor]:
    vocabulary = model.config.get_text_config().vocab_size
    rows = []
    for row in range(2):
        first = torch.randint(vocabulary, (_TOKENS,), generator=torch.Generator().manual_seed(seed * 10 + row))
        second = torch.randint(vocabulary, (_TOKENS,), generator=torch.Generator().manual_seed(row))
        ids = tuple([*first.tolist(), *second.tolist()])
        rows.append(Block(("first", "second"), ids, ids, (_TOKENS, _TOKENS)))
    batch = BlockCollator(flat)([{name: getattr(row, name) for name in COLUMNS} for row in rows])
    return {name: batch[name].to(model.device) for name in ("input_ids", "position_ids")}
