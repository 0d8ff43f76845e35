"""What a server sent back, as a text that is whole and the JSON object in it.

What was cut is never mended: json-repair closes `"4,000","3` into a valid fourth option `3`. It is asked for quotes,
commas and the like alone, on a text whose brackets are all closed.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass

from kinj.errors import MissingExtraError
from kinj.records import Json

#: Where models end their thoughts; what stands before belongs to them, also where no mark begins them.
_END_OF_THOUGHT = re.compile(r".*(?:</think(?:ing)?>|</reasoning>|<\|end_of_thought\|>|\[/THINK\])", re.S)
_BEGIN_OF_THOUGHT = re.compile(r"<think(?:ing)?>|<reasoning>|<\|begin_of_thought\|>|\[THINK\]")
_FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.S)


class RefusedAnswerError(Exception):
    """The server answered, and the answer is no use; says why."""


class CutAnswerError(RefusedAnswerError):
    """The answer ended before it was finished: more tokens may help."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a server."""

    #: without the thoughts
    text: str
    #: stop, length, …; empty where the server does not say
    finish: str
    #: None where the server does not say
    prompt_tokens: int | None = None
    #: thoughts included
    completion_tokens: int | None = None
    #: the model thought before it answered
    thinks: bool = False
    #: the text is what it thought, with no end in it: an object in it is the answer, prose is none
    is_thought: bool = False


def read_completion(body: Json) -> Completion:
    """The first choice of a chat completion.

    Raises:
        RefusedAnswerError: the body has none.
    """
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content") or ""
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise RefusedAnswerError(f"no chat completion: {first_words(json.dumps(body, ensure_ascii=False))}") from error
    if isinstance(content, list):  # some servers send parts
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    reasoning = str(message.get("reasoning_content") or message.get("reasoning") or "")
    # Servers with a reasoning parser that finds no end mark put the whole answer there.
    whole = str(content) if str(content).strip() else reasoning
    text = _END_OF_THOUGHT.sub("", whole, count=1)
    usage = body.get("usage") or {}
    return Completion(
        text=text.strip(),
        is_thought=whole is reasoning and text == whole,
        finish=str(choice.get("finish_reason") or ""),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        thinks=bool(reasoning) or text != whole or bool(_BEGIN_OF_THOUGHT.search(whole)),
    )


def used_tokens(body: Json) -> int:
    """Tokens of an answer, at least 1; about one for four letters where the server does not say."""
    usage = body.get("usage")
    counted = _count(usage.get("completion_tokens")) if isinstance(usage, dict) else None
    return max(1, len(json.dumps(body.get("choices"), ensure_ascii=False)) // 4 if counted is None else counted)


def first_words(text: str) -> str:
    """The beginning of what a server said, on one line; some repeat the key, which goes."""
    if key := os.environ.get("OPENAI_API_KEY"):
        text = text.replace(key, "(the key)")
    return " ".join(text.split())[:200] or "(nothing)"


def seconds_of(written: str | None) -> float | None:
    """A `Retry-After` in seconds; a date is left to our own pauses."""
    try:
        seconds = None if written is None else float(written)
    except ValueError:
        return None
    return None if seconds is None or math.isnan(seconds) else seconds


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def whole_text(completion: Completion) -> str:
    """The answer's text.

    Raises:
        CutAnswerError: it was cut, or thoughts have no end.
        RefusedAnswerError: it is empty.
    """
    if completion.finish == "length":
        raise CutAnswerError(f"cut after {completion.completion_tokens or 'too many'} tokens")
    if _BEGIN_OF_THOUGHT.search(completion.text):
        raise CutAnswerError("ended while the model was thinking")
    if not completion.text:
        raise RefusedAnswerError("empty")
    return completion.text


def whole_object(completion: Completion) -> Json:
    """The JSON object of an answer.

    Raises:
        CutAnswerError: it was cut, or the object stands open.
        RefusedAnswerError: there is none.
    """
    text = whole_text(completion)
    fenced = _FENCE.search(text)
    start = text.find("{")
    if start < 0:
        raise RefusedAnswerError(f"no JSON object: {text[:120]!r}")
    body = fenced[1] if fenced else text[start:]
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(body)
    except (ValueError, RecursionError):
        value = _repaired(body)
    if not isinstance(value, dict):
        raise RefusedAnswerError(f"no JSON object: {text[:120]!r}")
    return value


def _repaired(body: str) -> object:
    """A JSON text with its quotes and commas mended.

    Raises:
        CutAnswerError: it is not closed at its end.
    """
    try:
        import json_repair
    except ImportError as error:
        raise MissingExtraError("json-repair", "write", "reading JSON with faults") from error

    # Whoever ends with the closing bracket of the object that it began with has said all; commas and quotes inside
    # may still be wrong. Brackets inside strings count too, so a doubtful text is taken for a cut one.
    closed = body[: body.rfind("}") + 1]
    if not closed or any(closed.count(left) != closed.count(right) for left, right in ("{}", "[]")):
        raise CutAnswerError("ended while its JSON stood open")
    return json_repair.loads(closed)
