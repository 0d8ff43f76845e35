"""Whether a request fits the base's context window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

#: BOS, EOS and a leading-space token may come on top of one token a byte.
_EXTRA_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Window:
    """The base's window in tokens, measured by the base's own tokenizer."""

    base: LM
    max_length: int

    @classmethod
    def of(cls, base: LM) -> Window | None:
        """The base's window, or None where the base has no tokenizer here to measure with."""
        length = getattr(base, "max_length", None)
        if getattr(base, "tokenizer", None) is None or not hasattr(base, "tok_encode") or not isinstance(length, int):
            return None
        return cls(base, length)

    def fits(self, request: Instance) -> bool:
        """Whether prompt and continuation, or prompt and the longest answer, are within the window."""
        context = request.args[0]
        text = context if isinstance(context, str) else getattr(context, "prompt", str(context))
        room = self.max_length
        if request.request_type == "generate_until":
            room -= self._answer_tokens(request.args[1])
        else:
            text += request.args[1]
        if len(text.encode()) + _EXTRA_TOKENS <= room:  # no tokenizer makes more tokens than bytes: nothing to measure
            return True
        return len(self.base.tok_encode(text)) <= room

    def _answer_tokens(self, generation: dict[str, Any]) -> int:  # Any: generation settings of a task
        for name in ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"):
            if name in generation:
                return int(generation[name])
        return int(getattr(self.base, "max_gen_toks", 256))
