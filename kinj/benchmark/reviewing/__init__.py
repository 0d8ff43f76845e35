"""A person's look at what was written: a page to decide on, and the decisions applied."""

from kinj.benchmark.reviewing.deciding import Applied, Decision, apply_decisions, merge_decisions, read_decisions
from kinj.benchmark.reviewing.items import DECISIONS, REVIEW, Item, read_items
from kinj.benchmark.reviewing.page import review_page

__all__ = [
    "DECISIONS",
    "REVIEW",
    "Applied",
    "Decision",
    "Item",
    "apply_decisions",
    "merge_decisions",
    "read_decisions",
    "read_items",
    "review_page",
]
