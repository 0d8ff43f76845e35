"""Which branches of the tree run together, and what such a batch is to the model."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from kinj_models.prefix_sharing.tree import Node

#: A node, and the row of its parent in the batch that the parent was computed in.
Branch = tuple[Node, int]


@dataclass(slots=True)
class Budget:
    """How much one forward pass and one level of the tree may take."""

    #: tokens of one forward pass, padding included; an accelerator wants more of them at once
    pass_tokens: int
    #: tokens that could be computed in the time that a forward pass takes before its first
    pass_cost: int
    #: bytes of keys and values that one level of the tree may hold
    cache_bytes: int

    @classmethod
    def of(cls, device: torch.device) -> Budget:
        """The budget of a device: for keys and values a sixth of what is free there."""
        cache_bytes = torch.cuda.mem_get_info(device)[0] // 6 if device.type == "cuda" else 1 << 30
        if device.type == "cpu":
            return cls(1024, 32, cache_bytes)
        return cls(16384, 1024, cache_bytes)

    def halve(self) -> None:
        """For a device that has run out of memory."""
        self.pass_tokens = max(1, self.pass_tokens // 2)
        self.cache_bytes //= 2


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Keys and values of a batch of prefixes. `mask` is 1 where a position is a token, 0 where it is padding."""

    cache: DynamicCache
    #: (rows, positions)
    mask: Tensor


@dataclass(frozen=True, slots=True)
class BatchInput:
    """What the model reads for a batch; all three have a row for each branch, padded on the right."""

    #: (rows, longest)
    ids: Tensor
    #: (rows, positions of the prefixes + longest)
    mask: Tensor
    #: (rows, longest)
    positions: Tensor


def cut_batches(branches: Sequence[Branch], budget: Budget, past: int, bytes_per_position: int) -> list[list[Branch]]:
    """The branches in batches of like length, within the budget, longest first when popped.

    Args:
        branches: in any order.
        budget: tokens of one pass, and memory for keys and values.
        past: positions that the branches' prefixes have.
        bytes_per_position: of the keys and values of one position.
    """
    most_positions = max(1, budget.cache_bytes // bytes_per_position)
    ordered = sorted(branches, key=lambda branch: -branch[0].length)
    # The cheapest cut of the ordered branches into runs: a run costs its padded tokens and one pass. `best[i]` is the
    # cost of the first i branches, `cut[i]` where the last run of that cut begins.
    best, cut = [0.0], [0]
    for end in range(1, len(ordered) + 1):
        choice = (math.inf, end - 1)
        for start in range(end - 1, -1, -1):
            rows, longest = end - start, ordered[start][0].length
            if rows > 1 and (rows * longest > budget.pass_tokens or rows * (past + longest) > most_positions):
                break
            choice = min(choice, (best[start] + rows * longest + budget.pass_cost, start))
        best.append(choice[0])
        cut.append(choice[1])
    batches, end = [], len(ordered)
    while end:
        batches.append(ordered[cut[end] : end])
        end = cut[end]
    return batches


def pad(batch: Sequence[Branch], prefixes: Prefixes | None) -> BatchInput:
    """The batch's own tokens behind their prefixes."""
    longest = max(node.length for node, _ in batch)
    ids, mask, positions = (torch.zeros(len(batch), longest, dtype=torch.long) for _ in range(3))
    for row, (node, _) in enumerate(batch):
        ids[row, : node.length] = torch.tensor(node.tokens[node.start : node.end])
        mask[row, : node.length] = 1
        positions[row, : node.length] = torch.arange(node.start, node.end)
    if prefixes is not None:
        mask = torch.cat([prefixes.mask[_parents(batch)], mask], dim=1)
    return BatchInput(ids, mask, positions)


def cache_of(batch: Sequence[Branch], prefixes: Prefixes | None) -> DynamicCache:
    """A cache of the batch's own that holds its prefixes; a prefix may be there for several branches.

    Raises:
        TypeError: a layer keeps something else than the keys and values of all positions.
    """
    chosen = DynamicCache()
    if prefixes is None:
        return chosen
    rows = _parents(batch)
    same = bool((rows == rows[0]).all())
    for layer in prefixes.cache.layers:
        if not isinstance(layer, DynamicLayer) or layer.keys is None or layer.values is None:
            raise TypeError(f"prefixes cannot be shared through a {type(layer).__name__}")
        own = copy.copy(layer)
        # Set, not `update`d: that would copy once more. Siblings view their one parent; the forward pass, which puts
        # their own keys behind, is then the only copy.
        own.keys, own.values = (_take(tensor, rows, same) for tensor in (layer.keys, layer.values))
        chosen.layers.append(own)
    return chosen


def _parents(batch: Sequence[Branch]) -> Tensor:
    return torch.tensor([row for _, row in batch])


def _take(tensor: Tensor, rows: Tensor, same: bool) -> Tensor:
    """The rows of keys or values; `same` says that all are one row, of which a view will do."""
    if same:
        return tensor[int(rows[0])].expand(len(rows), *tensor.shape[1:])
    return tensor.index_select(0, rows.to(tensor.device))
