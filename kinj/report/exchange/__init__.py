"""Results in and out of other forms: Every Eval Ever, a small pack, model cards."""

from kinj.report.exchange.every_eval_ever import read_every_eval_ever, write_every_eval_ever
from kinj.report.exchange.model_card import write_model_cards
from kinj.report.exchange.pack import PackedCell, read_cells, read_pack, write_cells, write_pack

#: What reads the files of these forms, for `kinj.report.reading.read_runs`.
READERS = (read_every_eval_ever, read_pack)

__all__ = [
    "READERS",
    "PackedCell",
    "read_cells",
    "read_every_eval_ever",
    "read_pack",
    "write_cells",
    "write_every_eval_ever",
    "write_model_cards",
    "write_pack",
]
