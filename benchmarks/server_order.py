"""How much of the prompts a server's prefix cache could serve, by the order of the requests. No model is run.

    python benchmarks/server_order.py

A cache that forgets the least recently used block of 16 tokens, as vLLM's and SGLang's do, is fed one prompt at a time:
in the order of lm-eval's vllm, sglang and API models (longest first), in the task's order, and sorted by tokens, which
puts equal prefixes side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from cases import Case, arguments_of, build_requests, final_requests, index_of_corpus, load_base, parse_options
from lm_eval.models.huggingface import HFLM

BLOCK = 16
CACHES = (16_384, 65_536, 262_144)
CASES = (
    Case("option", "option text, 3 passages, 0-shot", "kinj_current_events_option", 0),
    Case("generate", "generated, 3 passages, 0-shot", "kinj_current_events_generate", 0),
    Case("before", "letters, 3 passages before 5 shots", "kinj_mmlu_anatomy", 5, {"placement": "prefix"}, True),
    Case("after", "letters, 3 passages after 5 shots", "kinj_mmlu_anatomy", 5, {"placement": "question"}, True),
)
Tokens = tuple[int, ...]
ORDERS: dict[str, Callable[[list[Tokens]], list[Tokens]]] = {
    "longest first": lambda prompts: sorted(prompts, key=lambda tokens: (-len(tokens), tokens)),
    "as in the task": lambda prompts: prompts,
    "by tokens": sorted,
}


def main() -> int:
    """Prints the share of tokens found in the cache, by task, order and cache size."""
    options = parse_options(__doc__ or "", questions=200)
    base = load_base(options)
    print(f"{options.questions} questions a case; share of prompt tokens found in a cache of so many tokens\n")
    print(f"{'':36}{'order':>16}{'tokens':>10}" + "".join(f"{size:>10}" for size in CACHES))
    with index_of_corpus(options) as index:
        for case in CASES:
            prompts = _prompts(case, index, base, options)
            for name, order in ORDERS.items():
                hits = "".join(f"{hit_share(order(prompts), size):>10.1%}" for size in CACHES)
                print(f"{case.label:36}{name:>16}{sum(map(len, prompts)):>10}{hits}", flush=True)
    return 0


def _prompts(case: Case, index: str, base: HFLM, options: argparse.Namespace) -> list[Tokens]:
    requests = build_requests(case, options.questions, options.mmlu_dir)
    texts = [_text(request.args) for request in final_requests(base, requests, arguments_of(case, index))]
    return [tuple(base.tok_encode(text)) for text in texts]


def _text(arguments: Sequence[object]) -> str:
    return str(arguments[0]) + (arguments[1] if isinstance(arguments[1], str) else "")


def hit_share(prompts: Iterable[Tokens], cache_tokens: int) -> float:
    """The share of the prompts' tokens that a cache of so many tokens holds when the prompt comes."""
    kept: OrderedDict[int, None] = OrderedDict()
    found = total = 0
    for tokens in prompts:
        total += len(tokens)
        hit = True
        for end in range(BLOCK, len(tokens) + 1, BLOCK):
            block = hash(tokens[:end])  # a block is told by all that stands before it
            hit = hit and block in kept
            found += BLOCK * hit
            kept[block] = None
            kept.move_to_end(block)
            if len(kept) > cache_tokens // BLOCK:
                kept.popitem(last=False)
    return found / total


if __name__ == "__main__":
    sys.exit(main())
