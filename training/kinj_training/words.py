"""The command line's words: `--key value` and `--key=value`."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def key_of(word: str) -> str | None:
    """The setting that a word names, None for a word that is a value."""
    return word[2:].split("=", 1)[0].replace("-", "_") if word.startswith("--") else None


def keys_of(words: Sequence[str]) -> set[str]:
    """The settings that the words name."""
    return {key for key in map(key_of, words) if key is not None}


def without(words: Sequence[str], keys: Collection[str]) -> list[str]:
    """The words but for those settings and their values."""
    kept: list[str] = []
    is_left = False
    for word in words:
        key = key_of(word)
        is_left = is_left if key is None else key in keys
        if not is_left:
            kept.append(word)
    return kept
