"""Where the block of passages goes in a prompt. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kinj.errors import UserError

#: Where the block of passages goes in a rendered chat prompt. Private-use characters: no text and no template has them.
SLOT = "\ue0b5kinj\ue0b6"

Message = dict[str, Any]  # Any: lm-eval's chat messages hold text, or parts for multimodal models


def add_slot(messages: Sequence[Message], placement: str) -> list[Message]:
    """A copy of the chat with `SLOT` at the start of the first (`prefix`) or the last (`question`) user turn.

    Raises:
        UserError: the chat has no user turn of plain text.
    """
    turns = [i for i, m in enumerate(messages) if m["role"] == "user" and isinstance(m["content"], str)]
    if not turns:
        raise UserError("the chat has no user turn to put passages into; use retriever=none for this task")
    at = turns[0] if placement == "prefix" else turns[-1]
    return [{**m, "content": SLOT + m["content"]} if i == at else dict(m) for i, m in enumerate(messages)]


def has_slot(context: Any) -> bool:  # Any: as for `place_block`
    """Whether a rendered chat still holds the slot."""
    if isinstance(context, list):
        return any(isinstance(m["content"], str) and SLOT in m["content"] for m in context)
    return SLOT in getattr(context, "prompt", context)


def place_block(context: Any, block: str, placement: str, question: str) -> Any:  # Any: str, or an API model's chat
    """The context with the block of passages in its place.

    Args:
        context: the prompt as lm-eval built it: text; or for API models a chat, as a list of messages or as an object
            whose `prompt` is that list in JSON. A chat or a rendered chat holds `SLOT`.
        block: rendered passages, may be empty.
        placement: `prefix`, before everything (in a chat: first in the user turn that holds the slot); `question`,
            before the line on which the last occurrence of `question` begins.
        question: the row's question as the task prints it.

    Raises:
        UserError: `placement` is `question` and the prompt does not hold the question.
    """
    if isinstance(context, list):
        return [
            {**m, "content": _place(m["content"], block, placement, question, slotted=True)}
            if isinstance(m["content"], str) and SLOT in m["content"]
            else m
            for m in context
        ]
    if hasattr(context, "prompt"):
        messages = place_block(json.loads(context.prompt), block, placement, question)
        return type(context)(json.dumps(messages, ensure_ascii=False))
    return _place(context, block, placement, question, slotted=SLOT in context)


def _place(text: str, block: str, placement: str, question: str, *, slotted: bool) -> str:
    start = text.index(SLOT) if slotted else 0
    text = text.replace(SLOT, "", 1)
    if placement == "question" and block:
        start = _question_line(text, question, start)
    return text[:start] + block + text[start:]


def _question_line(text: str, question: str, start: int) -> int:
    """Where the line begins on which the last occurrence of `question` stands; not before `start`."""
    at = text.rfind(question.strip())
    if at < start:
        raise UserError(
            f"placement=question: the prompt does not hold the row's question {question.strip()[:60]!r} as it stands; "
            "name the field it is printed from by query_field=, or use placement=prefix"
        )
    return max(start, text.rfind("\n", 0, at) + 1)
