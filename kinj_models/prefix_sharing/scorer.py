"""Scores the requests of a Hugging Face base with every distinct token computed once.

lm-eval's `hf` computes each prompt in full. Here the prompts form a tree: a shared prefix (few-shot block, passages,
the context of four options) is computed once and its keys and values are reused by all that follow it.
"""

from __future__ import annotations

import copy
import inspect
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from kinj_models.prefix_sharing.tree import Node, build_tree, count_tokens

log = logging.getLogger("lm_eval.kinj")

#: A request as lm-eval tokenises it: (prompt and continuation as text, prompt tokens, continuation tokens).
TokenRequest = tuple[tuple[str, str] | None, list[int], list[int]]


@dataclass(slots=True)
class Work:
    """Tokens that lm-eval's `hf` would compute for the requests, equal inputs once, and tokens computed here."""

    asked: int = 0
    computed: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Keys and values of a batch of prefixes. `mask` is 1 where a position is a token, 0 where it is padding."""

    cache: DynamicCache
    #: (rows, positions)
    mask: Tensor


def why_not(base: LM) -> str | None:
    """Why the base's prefixes cannot be shared, or None where they can."""
    if not isinstance(base, HFLM):
        return f"{type(base).__name__} is not computed here but by its own engine or server (docs/prefix-sharing.md)"
    own = any(getattr(type(base), name) is not getattr(HFLM, name) for name in ("_model_call", "_loglikelihood_tokens"))
    if own or base.backend != "causal":
        return f"{type(base).__name__} does not compute as lm-eval's hf does with a decoder-only model"
    if getattr(getattr(base, "accelerator", None), "distributed_type", "NO") in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        return "its weights are spread over processes, which must all compute the same batches"
    config = base.model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    if layers != {"full_attention"}:
        return f"the model has {', '.join(sorted(layers - {'full_attention'}))} layers"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return f"the model attends in a sliding window of {config.sliding_window} tokens"
    if base.model.get_output_embeddings() is None:
        return "the model has no output layer of its own"
    return None if _agrees(base) else "its cache gives other numbers than a whole prompt does"


@torch.no_grad()
def _agrees(base: HFLM) -> bool:
    """Whether two short continuations after a shared, padded prefix score as they do alone: settles every odd cache."""
    size = min(base.model.config.get_text_config().vocab_size, 1000)
    numbers = [(7 * i * i + 3 * i + 1) % size for i in range(40)]
    requests: list[TokenRequest] = [
        (None, numbers[:16], numbers[16:20]),
        (None, numbers[:16], numbers[20:22]),
        (None, numbers[:16] + numbers[22:30], numbers[30:33]),
        (None, numbers[30:40] + numbers[:9], numbers[3:9]),
        (None, numbers[30:40] + numbers[:9], numbers[9:10]),
    ]
    try:
        shared = SharedScorer(base).score(requests, min_saving=1, show_progress=False)
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        log.debug("sharing prefixes failed on a trial: %s", error)
        return False
    plain = base._loglikelihood_tokens(requests, disable_tqdm=True)
    tolerance = 1e-3 if base.model.dtype == torch.float32 else 0.25
    return all(abs(a[0] - b[0]) <= tolerance for a, b in zip(shared, plain, strict=True))


def sharing_copy(base: HFLM, work: Work) -> HFLM:
    """The base with its log-likelihoods computed over shared prefixes; the given object stays as it is."""
    scorer = SharedScorer(base, work)

    def score(requests: list[TokenRequest], disable_tqdm: bool = False, **_: Any) -> list[tuple[float, bool]]:
        return scorer.score(requests, show_progress=not disable_tqdm and base.rank == 0)

    copied = copy.copy(base)
    copied._loglikelihood_tokens = score
    return copied


class SharedScorer:
    """Log-likelihoods of token requests on one Hugging Face model."""

    def __init__(self, base: HFLM, work: Work | None = None) -> None:
        self._base = base
        self._model = base.model
        self._work = work or Work()
        self._takes = set(inspect.signature(base.model.forward).parameters)
        on_cpu = base.device.type == "cpu"
        #: tokens of one forward pass, padding included; an accelerator wants more of them at once
        self._pass_tokens = 1024 if on_cpu else 16384
        #: tokens that could be computed in the time that a forward pass takes before its first
        self._pass_cost = 32 if on_cpu else 1024
        self._cache_bytes = _memory_budget(base.device)

    @torch.no_grad()
    def score(
        self, requests: Sequence[TokenRequest], *, min_saving: int | None = None, show_progress: bool = True
    ) -> list[tuple[float, bool]]:
        """(log-probability, is_greedy) of each continuation, in order, as `HFLM._loglikelihood_tokens` defines them."""
        limit = self._base.max_length
        inputs, continuations = [], []
        for _, context, continuation in requests:
            if not context or not continuation or len(continuation) > limit:
                raise ValueError(
                    f"a request needs a prompt and 1 to {limit} tokens to score, "
                    f"got {len(context)} and {len(continuation)}"
                )
            # As lm-eval cuts too long a prompt: from the left, one token more than the window, the last one unread.
            inputs.append(tuple((context + continuation)[-(limit + 1) :][:-1]))
            continuations.append(tuple(continuation))
        tops = build_tree(inputs, continuations, **({} if min_saving is None else {"min_saving": min_saving}))
        self._work.asked += sum(map(len, set(inputs)))
        self._work.computed += count_tokens(tops)
        sums = [0.0] * len(requests)
        greedy = [True] * len(requests)
        left = [len(c) for c in continuations]
        with tqdm(total=len(requests), disable=not show_progress, desc="Running loglikelihood requests") as bar:
            for position_scores in self._walk([(node, 0) for node in tops], None):
                for number, value, is_best in position_scores:
                    sums[number] += value
                    greedy[number] = greedy[number] and is_best
                    left[number] -= 1
                    if left[number] == 0:
                        bar.update(1)
                        if (text := requests[number][0]) is not None:
                            self._base.cache_hook.add_partial("loglikelihood", text, (sums[number], greedy[number]))
        return list(zip(sums, greedy, strict=True))

    def _walk(self, nodes: list[tuple[Node, int]], parents: Rows | None) -> Iterator[list[tuple[int, float, bool]]]:
        """Depth first: computes the nodes in batches, and after each batch what hangs on it."""
        waiting = self._batches(nodes, parents)
        while waiting:
            batch = waiting.pop()
            try:
                rows, scores = self._forward(batch, parents)
            except RuntimeError as error:
                if len(batch) == 1 or not _is_out_of_memory(error):
                    raise
                self._halve(error)
                waiting += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                continue
            yield scores
            children = [(child, row) for row, (node, _) in enumerate(batch) for child in node.children]
            if children:
                yield from self._walk(children, rows)
            del rows

    def _batches(self, nodes: list[tuple[Node, int]], parents: Rows | None) -> list[list[tuple[Node, int]]]:
        """The nodes in batches of like length, within the budgets of tokens and memory, longest first when popped."""
        past = parents.mask.shape[1] if parents is not None else 0
        most_positions = max(1, self._cache_bytes // self._bytes_per_position())
        ordered = sorted(nodes, key=lambda one: -one[0].length)
        # The cheapest cut of the ordered nodes into runs: a run costs its padded tokens and one pass. `best[i]` is the
        # cost of the first i nodes, `cut[i]` where the last run of that cut begins.
        best, cut = [0.0], [0]
        for end in range(1, len(ordered) + 1):
            choice = (math.inf, end - 1)
            for start in range(end - 1, -1, -1):
                rows, longest = end - start, ordered[start][0].length
                if rows > 1 and (rows * longest > self._pass_tokens or rows * (past + longest) > most_positions):
                    break
                choice = min(choice, (best[start] + rows * longest + self._pass_cost, start))
            best.append(choice[0])
            cut.append(choice[1])
        batches, end = [], len(ordered)
        while end:
            batches.append(ordered[cut[end] : end])
            end = cut[end]
        return batches

    def _forward(
        self, batch: list[tuple[Node, int]], parents: Rows | None
    ) -> tuple[Rows | None, list[tuple[int, float, bool]]]:
        device = self._base.device
        longest = max(node.length for node, _ in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        positions = torch.zeros(len(batch), longest, dtype=torch.long)
        for i, (node, _) in enumerate(batch):
            ids[i, : node.length] = torch.tensor(node.tokens[node.start : node.end])
            mask[i, : node.length] = 1
            positions[i, : node.length] = torch.arange(node.start, node.end)
        cache = DynamicCache()
        if parents is not None:
            chosen = torch.tensor([row for _, row in batch])
            cache = _select(parents.cache, chosen)
            mask = torch.cat([parents.mask[chosen], mask], dim=1)
        has_children = any(node.children for node, _ in batch)
        uses_cache = has_children or parents is not None
        given: dict[str, Any] = {  # Any: arguments of a model's forward
            "input_ids": ids.to(device),
            "attention_mask": None if bool(mask.all()) else mask.to(device),
            "position_ids": positions.to(device),
            "past_key_values": cache if uses_cache else None,
            "use_cache": uses_cache,
        }
        places: dict[tuple[int, int], int] = {}
        for row, (node, _) in enumerate(batch):
            for position, _, _ in node.wanted:
                places.setdefault((row, position - node.start), len(places))
        logits = self._logits(given, list(places) or [(0, 0)])
        logs = functional.log_softmax(logits, dim=-1, dtype=self._base.softmax_dtype)
        best = logs.argmax(dim=-1).tolist()
        wanted = [(places[row, p - node.start], t, n) for row, (node, _) in enumerate(batch) for p, t, n in node.wanted]
        values = logs[[place for place, _, _ in wanted], [t for _, t, _ in wanted]].float().tolist()
        scores = [(n, value, best[place] == t) for (place, t, n), value in zip(wanted, values, strict=True)]
        return (Rows(cache, mask) if has_children else None), scores

    def _logits(self, given: dict[str, Any], places: list[tuple[int, int]]) -> Tensor:
        """The logits at these (row, position), shape (places, vocabulary): they are a fifth of a small model's work."""
        rows, positions = zip(*places, strict=True)

        def pick(_: torch.nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
            return (args[0][list(rows), list(positions)].unsqueeze(0),)

        kind = self._base.mixed_precision_dtype
        hook = self._model.get_output_embeddings().register_forward_pre_hook(pick)
        try:
            with torch.autocast(device_type=self._base.device.type, dtype=kind, enabled=kind is not None):
                logits: Tensor = self._model(**{k: v for k, v in given.items() if k in self._takes}).logits
        finally:
            hook.remove()
        return logits[0]

    def _bytes_per_position(self) -> int:
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * width * self._model.dtype.itemsize)

    def _halve(self, error: RuntimeError) -> None:
        self._pass_tokens = max(1, self._pass_tokens // 2)
        self._cache_bytes //= 2
        if self._base.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("kinj_rag: out of memory (%s): going on with half the batch", str(error).splitlines()[0])


def _select(cache: DynamicCache, rows: Tensor) -> DynamicCache:
    """A cache of its own for the chosen rows (a row may be chosen several times).

    Raises:
        TypeError: a layer keeps something else than the keys and values of all positions.
    """
    chosen = DynamicCache()
    same = bool((rows == rows[0]).all())
    for layer in cache.layers:
        if not isinstance(layer, DynamicLayer) or layer.keys is None or layer.values is None:
            raise TypeError(f"prefixes cannot be shared through a {type(layer).__name__}")
        kept = copy.copy(layer)
        # Set, not `update`d: that would copy once more. Siblings view their one parent; the forward pass, which puts
        # their own keys behind, is then the only copy.
        kept.keys, kept.values = (_rows_of(part, rows, same) for part in (layer.keys, layer.values))
        chosen.layers.append(kept)
    return chosen


def _rows_of(part: Tensor, rows: Tensor, same: bool) -> Tensor:
    if same:
        return part[int(rows[0])].expand(len(rows), *part.shape[1:])
    return part.index_select(0, rows.to(part.device))


def _memory_budget(device: torch.device) -> int:
    """Bytes of keys and values that one level of the tree may hold: a part of what is free."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] // 6)
    return 1 << 30


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
