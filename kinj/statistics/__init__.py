"""Intervals and tests: pure functions over numbers, none knows what lm-eval wrote."""

from kinj.statistics.clusters import clustered_interval, clusters_of
from kinj.statistics.detectable import Prior, smallest_difference
from kinj.statistics.shares import evenness_p, wilson_interval

__all__ = ["Prior", "clustered_interval", "clusters_of", "evenness_p", "smallest_difference", "wilson_interval"]
