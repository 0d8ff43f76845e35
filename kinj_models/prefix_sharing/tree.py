"""The distinct prefixes of many token sequences, as a tree. No model, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Tokens = tuple[int, ...]

#: A branching that saves fewer tokens than this costs more in an extra forward pass than it saves.
MIN_SAVING = 12


@dataclass(slots=True, eq=False)
class Node:
    """A run of tokens that the same sequences share: `tokens[start:end]` of any of them."""

    #: one of the sequences that pass through, whole
    tokens: Tokens
    start: int
    end: int
    children: list[Node] = field(default_factory=list)
    #: (position in the sequence, token to score there, number of the request), positions in [start, end)
    wanted: list[tuple[int, int, int]] = field(default_factory=list)
    #: whether a sequence ends with this node
    is_end: bool = False

    @property
    def length(self) -> int:
        """How many tokens the node itself has."""
        return self.end - self.start


def build_tree(inputs: Sequence[Tokens], continuations: Sequence[Tokens], min_saving: int = MIN_SAVING) -> list[Node]:
    """The top nodes of the tree over all inputs, each token of a shared prefix in one node.

    Args:
        inputs: what the model reads for each request; its last `len(continuation)` positions predict the continuation.
        continuations: the tokens to score, at least one each, not more than the input has.
        min_saving: a node is kept apart only where it saves at least so many tokens.
    """
    distinct = sorted(set(inputs))
    tops: list[Node] = []
    paths: dict[Tokens, list[Node]] = {}
    open_path: list[Node] = []
    before: Tokens = ()
    for tokens in distinct:
        shared = common_length(before, tokens)
        while open_path and open_path[-1].start >= shared:
            open_path.pop()
        if open_path and open_path[-1].end > shared:
            _split(open_path[-1], shared)
        leaf = Node(tokens, shared, len(tokens), is_end=True)
        (open_path[-1].children if open_path else tops).append(leaf)
        open_path.append(leaf)
        before = tokens
    tops = _merge_small(tops, min_saving)
    _find_paths(tops, paths)
    for number, (tokens, continuation) in enumerate(zip(inputs, continuations, strict=True)):
        _want(paths[tokens], len(tokens) - len(continuation), continuation, number)
    return tops


def common_length(a: Tokens, b: Tokens) -> int:
    """How many tokens two sequences have in common from the start."""
    shortest = min(len(a), len(b))
    differs = np.asarray(a[:shortest], dtype=np.int64) != np.asarray(b[:shortest], dtype=np.int64)
    return int(differs.argmax()) if differs.any() else shortest


def count_tokens(tops: Sequence[Node]) -> int:
    """How many tokens the tree has: what has to be computed."""
    total, stack = 0, list(tops)
    while stack:
        node = stack.pop()
        total += node.length
        stack.extend(node.children)
    return total


def _split(node: Node, at: int) -> None:
    """Turns the node into its part before `at`, with the rest as its only child so far."""
    rest = Node(node.tokens, at, node.end, node.children, is_end=node.is_end)
    node.end, node.children, node.is_end = at, [rest], False


def _merge_small(nodes: list[Node], min_saving: int) -> list[Node]:
    merged: list[Node] = []
    for node in nodes:
        node.children = _merge_small(node.children, min_saving)
        if node.is_end or not node.children or node.length * (len(node.children) - 1) >= min_saving:
            merged.append(node)
            continue
        for child in node.children:
            child.start = node.start
            merged.append(child)
    return merged


def _find_paths(nodes: Sequence[Node], paths: dict[Tokens, list[Node]]) -> None:
    stack: list[tuple[Node, list[Node]]] = [(node, [node]) for node in nodes]
    while stack:
        node, path = stack.pop()
        if node.is_end:
            paths[node.tokens] = path
        stack.extend((child, [*path, child]) for child in node.children)


def _want(path: Sequence[Node], first: int, continuation: Tokens, number: int) -> None:
    for offset, token in enumerate(continuation):
        position = first + offset
        node = next(candidate for candidate in reversed(path) if candidate.start <= position)
        node.wanted.append((position, token, number))
