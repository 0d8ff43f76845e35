"""Chats as training texts: in the tokenizer's own template, learnt on the assistant's turns only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from kinj.errors import UserError
from kinj_training.texts.texts import Segment, TrainingText
from kinj_training.texts.tokens import Tokenizer, control_tokens

Message = dict[str, Any]  # Any: a data set's own values


def chat_text(text_id: str, messages: Sequence[Message], tokenizer: Tokenizer, kind: str) -> TrainingText:
    """The chat up to its last answer as a text; without a chat template, in the words of the benchmark's tasks.

    Raises:
        UserError: a turn that is no text, a chat that the template refuses, or a template that renders earlier turns
            differently once later ones follow.
    """
    turns = [{"role": str(m["role"]), "content": _content(text_id, m)} for m in messages]
    if not tokenizer.chat_template:
        return TrainingText(text_id, _in_plain_words(turns), kind)
    try:
        segments = _in_template(text_id, turns, tokenizer)
    except TemplateError as error:
        raise UserError(f"data: row {text_id!r}: the chat template refuses it: {error}") from error
    spelt = (token for token in control_tokens(tokenizer) for turn in turns if token in turn["content"])
    return TrainingText(text_id, segments, kind, is_chat=True, forged=next(spelt, None))


def _content(text_id: str, message: Message) -> str:
    content = message["content"]
    if not isinstance(content, str):
        raise UserError(f"data: row {text_id!r}: a {message['role']} turn is no text; only texts can be learnt")
    return content


def _in_template(text_id: str, messages: list[Message], tokenizer: Tokenizer) -> tuple[Segment, ...]:
    """Read and learnt segments in turn: what the template adds before an assistant's answer, and the answer."""
    segments: list[Segment] = []
    rendered = ""
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _render(tokenizer, messages[:number], is_open=True)
        whole = _render(tokenizer, messages[: number + 1], is_open=False)
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


def _render(tokenizer: Tokenizer, messages: list[Message], *, is_open: bool) -> str:
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=is_open))


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
