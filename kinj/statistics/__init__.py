"""Intervals and tests: pure functions over numbers, none knows what lm-eval wrote."""

from kinj.statistics.clusters import clustered_interval, clusters_of
from kinj.statistics.detectable import smallest_difference
from kinj.statistics.family import ALPHA, FEWEST_CLUSTERS, FEWEST_DIFFERING, Word, holm, word_for
from kinj.statistics.paired import FEWEST_IN_A_GROUP, Difference, paired_difference
from kinj.statistics.shares import evenness_p, wilson_interval
from kinj.statistics.spread import Prior, Spread

__all__ = [
    "ALPHA", "FEWEST_CLUSTERS", "FEWEST_DIFFERING", "FEWEST_IN_A_GROUP",
    "Difference", "Prior", "Spread", "Word",
    "clustered_interval", "clusters_of", "evenness_p", "holm", "paired_difference",
    "smallest_difference", "wilson_interval", "word_for",
]  # fmt: skip
