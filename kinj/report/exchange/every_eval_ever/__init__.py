"""Every Eval Ever's JSON (evalevalai.com), schema 0.3.0: written and read."""

from kinj.report.exchange.every_eval_ever.reading import read_every_eval_ever
from kinj.report.exchange.every_eval_ever.writing import write_every_eval_ever

__all__ = ["read_every_eval_ever", "write_every_eval_ever"]
