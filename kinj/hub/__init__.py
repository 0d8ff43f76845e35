"""The Hugging Face hub, and what it may refuse."""

from kinj.hub.errors import hub_errors

__all__ = ["hub_errors"]
