"""Fitting passages into a window: by halves, against one passage less each time, which it replaced.

    python benchmarks/window.py --model DIR --k 20

The window leaves room for four of the k passages. Both fit the same prompts of current events' dev questions with the
model's own tokenizer, no weights are loaded; the old way compiles the passage template at each render, as it did.
Processor seconds of one process. SmolLM2-135M-Instruct's tokenizer, 40 questions of four options:

    k    texts tokenised, halves   one less   CPU s, halves   one less   ratio
    5                        320        201            0.34       0.30    0.9x
    20                       400        801            0.80       3.09    3.9x
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from lm_eval.api.instance import Instance
from transformers import AutoTokenizer

from kinj import passages as passages_module
from kinj.benchmark import collection_folder, open_benchmark
from kinj.passages import load_template
from kinj.records import Passage, Query
from kinj_models.reading import Reader, Retrieval, TaskQuestion, group_by_question
from kinj_models.retrievers import Retrievers
from kinj_models.settings import make_settings
from kinj_models.trace import Stopwatch
from kinj_models.window import Window

QUESTIONS = 40


@dataclass
class TokenizerOnly:
    """A base that can count tokens and nothing else."""

    tokenizer: Any
    max_length: int
    max_gen_toks: int = 32

    def tok_encode(self, text: str) -> list[int]:
        """As lm-eval's hf encodes."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def one_less_each_time(reader: Reader, question: TaskQuestion, passages: Sequence[Passage], window: Window) -> int:
    """How many passages fit, tried as the code before did."""
    for kept in range(len(passages), -1, -1):
        passages_module._compiled.cache_clear()
        if all(window.fits(request) for request in reader._requests_with(question, passages[:kept])):
            return kept
    return 0


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a folder with a tokenizer")
    parser.add_argument("--k", type=int, default=20)
    arguments = parser.parse_args()
    benchmark = open_benchmark(collection_folder("current_events"))
    questions = benchmark.part("dev").questions[:QUESTIONS]
    chunks = benchmark.chunks[: arguments.k]
    found = tuple(Passage(c.id, c.document_id, c.text, 1.0, rank) for rank, c in enumerate(chunks, 1))
    base = TokenizerOnly(AutoTokenizer.from_pretrained(arguments.model), 3 * 170 + 60)
    window = Window.of(base)  # type: ignore[arg-type]  # all that is asked of a base here
    settings = make_settings({"k": arguments.k})
    reader = Reader(settings, load_template(), Retrievers(settings), Stopwatch())
    requests = [
        Instance("loglikelihood", {"question": q.question}, (f"Question: {q.question}\nAnswer:", f" {choice}"), i,
                 metadata=("t", number, 1))
        for number, q in enumerate(questions)
        for i, choice in enumerate(q.choices)
    ]  # fmt: skip
    grouped = group_by_question(requests)
    results = {}
    for way in ("halves", "one less"):
        with patch.object(TokenizerOnly, "tok_encode", autospec=True, side_effect=TokenizerOnly.tok_encode) as encode:
            started = time.process_time()
            if way == "halves":
                kept = [reader.place(q, Retrieval(Query("q"), found), window)[1].passages_sent for q in grouped]
            else:
                kept = [one_less_each_time(reader, q, found, window) for q in grouped]
            results[way] = (kept, encode.call_count, time.process_time() - started)
    if results["halves"][0] != results["one less"][0]:
        raise SystemExit("the two ways keep different numbers of passages")
    print(f"{'way':<10} {'texts tokenised':>18} {'CPU s':>7}")
    for way, (_, tries, seconds) in results.items():
        print(f"{way:<10} {tries:>18} {seconds:>7.2f}")
    print(
        f"ratio {results['one less'][2] / results['halves'][2]:.1f}x, {sum(kept) / len(kept):.1f} of {arguments.k} fit"
    )


if __name__ == "__main__":
    main()
