"""The prompts behind a sample: lm-eval's form, and a short one that holds the context once.

lm-eval repeats the context with each option. Retrieved passages are not in it, but few-shot blocks and chats are: of
samples with five shots the repeats are three quarters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinj.errors import UserError

Json = dict[str, Any]  # Any: JSON values

_CONTEXT, _OPTIONS = "context", "options"


def short_arguments(arguments: Sequence[Sequence[Any]]) -> Json:  # Any: texts, or generation settings
    """A sample's requests as a JSON object: `context` and `options` where all share one context, else lm-eval's form.

    Args:
        arguments: of each request, as `lm_eval.evaluate` gives them in a sample: (context, option), say.
    """
    pairs = [tuple(request) for request in arguments]
    shared = len({pair[0] for pair in pairs if pair and isinstance(pair[0], str)}) == 1
    if shared and all(len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in pairs):
        return {_CONTEXT: pairs[0][0], _OPTIONS: [option for _, option in pairs]}
    return {
        f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(request)} for i, request in enumerate(arguments)
    }


def full_arguments(arguments: Mapping[str, Any]) -> Json:  # Any: JSON values
    """The `arguments` of a logged sample in lm-eval's form, whichever it has.

    Raises:
        UserError: it is neither form.
    """
    if set(arguments) == {_CONTEXT, _OPTIONS}:
        context, options = arguments[_CONTEXT], arguments[_OPTIONS]
        return {f"gen_args_{i}": {"arg_0": context, "arg_1": option} for i, option in enumerate(options)}
    if all(name.startswith("gen_args_") for name in arguments):
        return dict(arguments)
    raise UserError(f"arguments of a sample with the keys {', '.join(arguments)}: neither lm-eval's nor kinj's form")
