"""`python -m kinj_models.asking.batch_size FILE`: how many requests of a plan each model can compute together.

FILE is JSON: `sizes` (the file for the numbers) and `models`, each with `id`, `name` and `cells`, which are looked
through for the longest prompt. A number that is there is left alone, so that all arms and seeds of a model keep one.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.utils import setup_logging

from kinj.errors import show_user_errors_plainly
from kinj.manifest import write_whole
from kinj.progress import progress
from kinj_models.evaluate import Evaluator
from kinj_models.rag import RagLM
from kinj_models.response_cache import Answer
from kinj_models.settings import Json

log = logging.getLogger("lm_eval.kinj")

#: Of each cell's requests so many of the longest texts are measured in tokens.
_MEASURED = 8
#: Engines that decide for themselves, while they run, how much they compute together.
_ENGINES = ("vllm", "sglang")
#: Devices on which memory that runs out raises nothing: the system ends the process.
CANNOT_RUN_OUT = ("cpu",)


class LongestPrompt(RagLM):
    """`kinj_rag` that computes nothing and keeps the longest request it would have sent, as tokens."""

    #: of prompt, and of what follows it
    longest: tuple[list[int], list[int]] = ([], [])

    def _answer(self, attr: str, requests: list[Instance]) -> list[Answer]:
        final = self._with_passages(attr, requests)
        for request in sorted(final, key=lambda request: -len(str(request.args[:2])))[:_MEASURED]:
            tokens = self._tokens(attr, request)
            self.longest = max(self.longest, tokens, key=lambda pair: len(pair[0]) + len(pair[1]))
        return [("" if attr == "generate_until" else (0.0, False)) for _ in requests]

    def _tokens(self, attr: str, request: Instance) -> tuple[list[int], list[int]]:
        base: Any = self.base
        if attr == "loglikelihood":
            prompt, continuation = base._encode_pair(*request.args)
            return prompt, continuation
        generated = int(request.args[1].get("max_gen_toks", base.max_gen_toks))
        return base.tok_encode(request.args[0]), [0] * generated


def main(file: Path) -> None:
    """Writes the number of each model of the file.

    Raises:
        UserError: a setting that is not allowed.
    """
    request = json.loads(file.read_text(encoding="utf-8"))
    sizes_file = Path(request["sizes"])
    sizes = json.loads(sizes_file.read_text(encoding="utf-8")) if sizes_file.is_file() else {}
    for model in request["models"]:
        if model["id"] not in sizes:
            sizes[model["id"]] = find_batch_size(model["cells"])
            write_whole(sizes_file, json.dumps(sizes, indent=1) + "\n")
            log.info("batch size of %s: %s", model["name"], sizes[model["id"]])


def find_batch_size(cells: list[Json]) -> Json:
    """`batch_size`, and how it was found: `longest_prompt` in tokens, or `because`.

    Args:
        cells: of one model, as `cells` of a unit.json.
    """
    base = str(cells[0]["model_args"].get("base", "hf"))
    if base in _ENGINES:
        return {"batch_size": "auto", "because": f"{base} decides while it runs"}
    evaluator, longest = Evaluator(None, 1), LongestPrompt.longest
    with progress("prompts for the batch size", len(cells)) as advance:
        for planned in cells:
            model = evaluator.measure(planned, LongestPrompt)
            if not hasattr(model.base, "_detect_batch_size"):
                return {"batch_size": 1, "because": f"base={base} cannot try out larger ones"}
            longest = max(longest, model.longest, key=lambda pair: len(pair[0]) + len(pair[1]))
            advance(1)
    if model.device.type in CANNOT_RUN_OUT:
        return {"batch_size": 1, "because": "on a CPU memory that runs out ends the process, so no more are tried"}
    return {"batch_size": detect(model.base, longest), "longest_prompt": len(longest[0]) + len(longest[1])}


def detect(base: Any, longest: tuple[list[int], list[int]]) -> int:  # Any: lm-eval's `hf`
    """How many requests as long as this one are computed together without running out: 64, or by tenths fewer."""
    return int(base._detect_batch_size([(None, *longest)]))


if __name__ == "__main__":
    setup_logging()
    show_user_errors_plainly()
    main(Path(sys.argv[1]))
