"""Chats as training texts: in the tokenizer's own template, learnt on the assistant's turns only."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from kinj.errors import UserError
from kinj_training.texts.texts import Segment, TrainingText
from kinj_training.texts.tokens import Tokenizer, control_tokens

#: how a template asks transformers for the time: by a call, but not by asking whether it can
_CLOCK = re.compile(r"strftime_now(?!\s+is\b)")
_LITERAL_CALL = re.compile(r"""strftime_now\s*\(\s*(['"])(.*?)\1\s*\)""")

Message = dict[str, Any]  # Any: a data set's own values


def chat_text(
    text_id: str, messages: Sequence[Message], tokenizer: Tokenizer, kind: str, day: str | None = None
) -> TrainingText:
    """The chat up to its last answer as a text; without a chat template, in the words of the benchmark's tasks.

    Args:
        text_id: of the text.
        messages: the chat.
        tokenizer: whose template is used.
        kind: of the text.
        day: what the template is told to be today, as 2026-11-30; None: the clock's.

    Raises:
        UserError: a turn that is no text, a chat that the template refuses, or a template that renders earlier turns
            differently once later ones follow.
    """
    turns = [{"role": str(m["role"]), "content": _content(text_id, m)} for m in messages]
    if not tokenizer.chat_template:
        return TrainingText(text_id, _in_plain_words(turns), kind)
    try:
        segments = _in_template(text_id, turns, tokenizer, day)
    except TemplateError as error:
        raise UserError(f"data: row {text_id!r}: the chat template refuses it: {error}") from error
    spelt = (token for token in control_tokens(tokenizer) for turn in turns if token in turn["content"])
    return TrainingText(text_id, segments, kind, is_chat=True, forged=next(spelt, None))


def _content(text_id: str, message: Message) -> str:
    content = message["content"]
    if content is None and message["role"] == "assistant":
        return ""
    if not isinstance(content, str):
        raise UserError(f"data: row {text_id!r}: a {message['role']} turn is no text; only texts can be learnt")
    return content


def _in_template(text_id: str, messages: list[Message], tokenizer: Tokenizer, day: str | None) -> tuple[Segment, ...]:
    """Read and learnt segments in turn: what the template adds before an assistant's answer, and the answer."""
    segments: list[Segment] = []
    rendered = ""
    for number, message in enumerate(messages):
        if message["role"] != "assistant" or number == 0:  # a greeting answers nothing: it is read, with what follows
            continue
        prompt = _render(tokenizer, messages[:number], day, is_open=True)
        whole = _render(tokenizer, messages[: number + 1], day, is_open=False)
        if not (prompt.startswith(rendered) and whole.startswith(prompt)):
            raise UserError(
                f"data: row {text_id!r}: the chat template renders earlier turns differently once a later one follows, "
                "so what is learnt is unclear: take rows of one turn, or a template that keeps earlier turns"
            )
        # White space after the token that ends a turn belongs to the next turn: a model stops at that token.
        answer = whole[len(prompt) :].rstrip()
        segments += [Segment(prompt[len(rendered) :], learnt=False), Segment(answer, learnt=_has_words(message))]
        rendered = prompt + answer
    return tuple(segments)


def _has_words(message: Message) -> bool:
    """Whether a turn holds more than white space: of an empty one not even its end is learnt."""
    return bool(message["content"].strip())


def prints_date(tokenizer: Tokenizer) -> bool:
    """Whether the chat template prints the day, so that the same chat is another text tomorrow.

    Raises:
        UserError: it asks for the time in a form that cannot be told, so that it would print the clock's.
    """
    if not tokenizer.chat_template:
        return False
    if _CLOCK.search(_LITERAL_CALL.sub("", tokenizer.get_chat_template())):
        raise UserError(
            "the chat template prints the clock's time in a form that is not a constant, so that the same training "
            "would be another tomorrow: put a template with strftime_now('%d %B %Y') or without into the model's folder"
        )
    chat: list[Message] = [{"role": "user", "content": "a"}]
    first, second = (_render(tokenizer, chat, day, is_open=True) for day in ("2001-02-03", "2002-03-04"))
    return first != second


def _render(tokenizer: Tokenizer, messages: list[Message], day: str | None, *, is_open: bool) -> str:
    template: str = tokenizer.get_chat_template()
    if day is not None:
        # Only data can be handed to a template, no clock: so the calls are replaced by what they would give that day.
        told = datetime.fromisoformat(day)
        template = _LITERAL_CALL.sub(lambda call: json.dumps(told.strftime(call[2])), template)
    rendered = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=is_open
    )
    return str(rendered)


def _in_plain_words(messages: list[Message]) -> tuple[Segment, ...]:
    r"""`Question: …\nAnswer:` + ` …` for each pair of turns, blank lines between; system turns as they are."""
    segments: list[Segment] = []
    read = ""
    for message in messages:
        content = message["content"].strip()
        if message["role"] == "assistant":
            segments += [Segment(read + "Answer:", learnt=False), Segment(f" {content}", learnt=_has_words(message))]
            read = "\n\n"
        else:
            read += f"Question: {content}\n" if message["role"] == "user" else f"{content}\n\n"
    return tuple(segments)
