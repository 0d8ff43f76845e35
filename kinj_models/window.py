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
        text, answer = self._parts(request)
        # No tokenizer makes more tokens than bytes: nothing to measure.
        if len(text.encode()) + _EXTRA_TOKENS + answer <= self.max_length:
            return True
        return self.tokens(request) <= self.max_length

    def tokens(self, request: Instance) -> int:
        """Of prompt and continuation, or prompt and the longest answer."""
        text, answer = self._parts(request)
        return len(self.base.tok_encode(text)) + answer

    def _parts(self, request: Instance) -> tuple[str, int]:
        """What is sent, and the tokens of the longest answer to it."""
        context = request.args[0]
        text = context if isinstance(context, str) else getattr(context, "prompt", str(context))
        if request.request_type == "generate_until":
            return text, self._answer_tokens(request.args[1])
        return text + request.args[1], 0

    def _answer_tokens(self, generation: dict[str, Any]) -> int:  # Any: generation settings of a task
        for name in ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"):
            if name in generation:
                return int(generation[name])
        return int(getattr(self.base, "max_gen_toks", 256))
