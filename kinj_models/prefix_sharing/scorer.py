"""Scores the requests of a Hugging Face base with every distinct token computed once.

lm-eval's `hf` computes each prompt in full. Here the prompts form a tree: a shared prefix (few-shot block, passages,
the context of four options) is computed once and its keys and values are reused by all that follow it.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import DynamicCache

from kinj_models.prefix_sharing.batches import BatchInput, Branch, Budget, Prefixes, cache_of, cut_batches, pad
from kinj_models.prefix_sharing.tree import build_tree, count_tokens

log = logging.getLogger("lm_eval.kinj")

#: A request as lm-eval tokenises it: (prompt and continuation as text, prompt tokens, continuation tokens).
TokenRequest = tuple[tuple[str, str] | None, list[int], list[int]]

#: One scored token: the number of its request, its log-probability, whether it is the most likely one.
TokenScore = tuple[int, float, bool]


@dataclass(slots=True)
class TokenCount:
    """Tokens that lm-eval's `hf` would compute for the requests, equal inputs once, and tokens computed here."""

    asked: int = 0
    computed: int = 0

    def take(self) -> tuple[int, int]:
        """Both, since they were last taken."""
        taken = self.asked, self.computed
        self.asked = self.computed = 0
        return taken


def sharing_copy(base: HFLM, count: TokenCount) -> HFLM:
    """The base with its log-likelihoods computed over shared prefixes; the given object stays as it is."""
    scorer = SharedScorer(base, count)

    def score(requests: list[TokenRequest], disable_tqdm: bool = False, **_: Any) -> list[tuple[float, bool]]:
        return scorer.score(requests, show_progress=not disable_tqdm and base.rank == 0)

    copied = copy.copy(base)
    copied._loglikelihood_tokens = score
    return copied


class SharedScorer:
    """Log-likelihoods of token requests on one Hugging Face model."""

    def __init__(self, base: HFLM, count: TokenCount | None = None) -> None:
        self._base = base
        self._model = base.model
        self._count = count or TokenCount()
        # PEFT's own forward names few arguments and hands the others on.
        inner = base.model.get_base_model() if hasattr(base.model, "get_base_model") else base.model
        self._arguments = set(inspect.signature(inner.forward).parameters)
        self._budget = Budget.of(base.device)

    @torch.no_grad()
    def score(
        self, requests: Sequence[TokenRequest], *, min_saving: int | None = None, show_progress: bool = True
    ) -> list[tuple[float, bool]]:
        """(log-probability, is_greedy) of each continuation, in order, as `HFLM._loglikelihood_tokens` defines them."""
        inputs, continuations = self._cut_to_window(requests)
        tops = build_tree(inputs, continuations, **({} if min_saving is None else {"min_saving": min_saving}))
        self._count.asked += sum(map(len, set(inputs)))
        self._count.computed += count_tokens(tops)
        sums = [0.0] * len(requests)
        greedy = [True] * len(requests)
        left = [len(c) for c in continuations]
        with tqdm(total=len(requests), disable=not show_progress, desc="Running loglikelihood requests") as bar:
            for token_scores in self._walk([(node, 0) for node in tops], None):
                for number, value, is_best in token_scores:
                    sums[number] += value
                    greedy[number] = greedy[number] and is_best
                    left[number] -= 1
                    if left[number] == 0:
                        bar.update(1)
                        if (text := requests[number][0]) is not None:
                            self._base.cache_hook.add_partial("loglikelihood", text, (sums[number], greedy[number]))
        return list(zip(sums, greedy, strict=True))

    def log_probabilities(self, ids: Tensor, positions: Tensor, cache: DynamicCache | None = None) -> Tensor:
        """Those of every next token, shape (rows, tokens, vocabulary), for tokens read at these positions.

        Args:
            ids: (rows, tokens), none of them padding.
            positions: (rows, tokens).
            cache: keys and values of what stands before them, to which theirs are added.
        """
        past = cache.get_seq_length() if cache is not None else 0
        mask = torch.ones(ids.shape[0], past + ids.shape[1], dtype=torch.long)
        arguments = self._model_arguments(BatchInput(ids, mask, positions), cache)
        # Without a mask transformers takes a jump of positions for the border between packed texts.
        arguments["attention_mask"] = mask.to(self._base.device)
        places = [(row, token) for row in range(ids.shape[0]) for token in range(ids.shape[1])]
        logs = functional.log_softmax(self._logits(arguments, places), dim=-1, dtype=self._base.softmax_dtype)
        return logs.float().reshape(*ids.shape, -1)

    def _cut_to_window(self, requests: Sequence[TokenRequest]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """What the model reads for each request, and the tokens to score."""
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
        return inputs, continuations

    def _walk(self, branches: list[Branch], parents: Prefixes | None) -> Iterator[list[TokenScore]]:
        """Depth first: computes the branches in batches, and after each batch what hangs on it."""
        past = parents.mask.shape[1] if parents is not None else 0
        waiting = cut_batches(branches, self._budget, past, self._bytes_per_position())
        while waiting:
            batch = waiting.pop()
            try:
                prefixes, token_scores = self._forward(batch, parents)
            except RuntimeError as error:
                if len(batch) == 1 or not is_out_of_memory(error):
                    raise
                self._halve(error)
                waiting += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                continue
            yield token_scores
            children = [(child, row) for row, (node, _) in enumerate(batch) for child in node.children]
            if children:
                yield from self._walk(children, prefixes)
            del prefixes

    def _forward(self, batch: list[Branch], parents: Prefixes | None) -> tuple[Prefixes | None, list[TokenScore]]:
        """The batch's keys and values where something hangs on it, and the scores of its tokens."""
        cache = cache_of(batch, parents)
        inputs = pad(batch, parents)
        has_children = any(node.children for node, _ in batch)
        places: dict[tuple[int, int], int] = {}
        for row, (node, _) in enumerate(batch):
            for position, _, _ in node.wanted:
                places.setdefault((row, position - node.start), len(places))
        kept = cache if has_children or parents is not None else None
        logits = self._logits(self._model_arguments(inputs, kept), list(places) or [(0, 0)])
        logs = functional.log_softmax(logits, dim=-1, dtype=self._base.softmax_dtype)
        best = logs.argmax(dim=-1).tolist()
        wanted = [(places[row, p - node.start], t, n) for row, (node, _) in enumerate(batch) for p, t, n in node.wanted]
        values = logs[[place for place, _, _ in wanted], [t for _, t, _ in wanted]].float().tolist()
        token_scores = [(n, value, best[place] == t) for (place, t, n), value in zip(wanted, values, strict=True)]
        return (Prefixes(cache, inputs.mask) if has_children else None), token_scores

    def _model_arguments(self, inputs: BatchInput, cache: DynamicCache | None) -> dict[str, Any]:
        """Those that this model's forward takes. Any: tensors, a cache, a flag."""
        device = self._base.device
        arguments = {
            "input_ids": inputs.ids.to(device),
            "attention_mask": None if bool(inputs.mask.all()) else inputs.mask.to(device),
            "position_ids": inputs.positions.to(device),
            "past_key_values": cache,
            "use_cache": cache is not None,
        }
        return {name: value for name, value in arguments.items() if name in self._arguments}

    def _logits(self, arguments: dict[str, Any], places: list[tuple[int, int]]) -> Tensor:  # Any: as above
        """The logits at these (row, position), shape (places, vocabulary): they are a fifth of a small model's work."""
        rows, positions = zip(*places, strict=True)

        def pick(_: torch.nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
            return (args[0][list(rows), list(positions)].unsqueeze(0),)

        kind = self._base.mixed_precision_dtype
        hook = self._model.get_output_embeddings().register_forward_pre_hook(pick)
        try:
            with torch.autocast(device_type=self._base.device.type, dtype=kind, enabled=kind is not None):
                logits: Tensor = self._model(**arguments).logits
        finally:
            hook.remove()
        return logits[0]

    def _bytes_per_position(self) -> int:
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * width * self._model.dtype.itemsize)

    def _halve(self, error: RuntimeError) -> None:
        self._budget.halve()
        if self._base.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("kinj_rag: out of memory (%s): going on with half the batch", str(error).splitlines()[0])


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device or the machine has no memory left for a tensor."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
