"""The command line's words: `--key value` and `--key=value`."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def without(words: Sequence[str], keys: Collection[str]) -> list[str]:
    """The words but for those keys and their values."""
    kept: list[str] = []
    leaving = False
    for word in words:
        if word.startswith("--"):
            leaving = word[2:].split("=", 1)[0].replace("-", "_") in keys
        if not leaving:
            kept.append(word)
    return kept
