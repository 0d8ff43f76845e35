"""Intervals and tests: pure functions over numbers, none knows what lm-eval wrote."""

from kinj.statistics.shares import evenness_p, wilson_interval

__all__ = ["evenness_p", "wilson_interval"]
