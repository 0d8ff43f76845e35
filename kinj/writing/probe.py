"""What a server takes and does, found out before the first chunk: servers differ in all of it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import NoReturn

from kinj.errors import UserError, nearest
from kinj.records import Json
from kinj.writing.answer import Completion, RefusedAnswerError, read_completion, whole_object
from kinj.writing.server import Abilities, NoAnswerError, Server, about_tokens, schema_format

#: Room for an answer of one word, and for one of a model that thinks first.
_SHORT, _THINKING = 64, 2_048
#: A word that no server adds by itself, and every tokenizer knows the parts of.
_WORDS = ("COPPER", "VELVET", "HARBOR", "MEADOW", "LANTERN", "SADDLE", "ORCHID", "PEBBLE")
#: With all that our own schemas have.
_SCHEMA: Json = {
    "$defs": {"Colour": {"type": "string", "enum": ["red", "green", "blue"]}},
    "type": "object",
    "properties": {"colours": {"type": "array", "items": {"$ref": "#/$defs/Colour"}, "minItems": 2, "maxItems": 2}},
    "required": ["colours"],
    "additionalProperties": False,
}
_HELLO = "Say hello."
#: A share of what the shorter prompts let expect, below which a prompt was cut.
_LEAST_ARRIVED = 0.8


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest request of a run."""

    prompt: str
    #: a text of the documents, which orders nothing
    text: str
    #: left for the answer: some servers refuse a prompt with which it would not fit
    answer_tokens: int

    def filling(self) -> str:
        """As much of the text, over and over, as the prompt is long: the prompt itself would be obeyed."""
        text = self.text.strip() + "\n\n"
        return (text * (len(self.prompt.encode()) // len(text.encode()) + 1))[: len(self.prompt)]


async def probe(server: Server, longest: Longest, seed: int) -> Abilities:
    """Finds out what a server can do, and leaves it in `server.abilities`.

    Args:
        server: open; asked six to ten times.
        longest: what the run will send.
        seed: draws the word.

    Raises:
        UserError: it cannot be reached, does not know the model, answers nothing, or cuts the longest prompt.
    """
    able = server.abilities = Abilities()
    try:
        await _find_model(server)
        await _find_parameters(server)
        able.json_mode = await _find_json_mode(server)
        await _refuse_cutting(server, longest, seed)
    except NoAnswerError as error:
        raise UserError(f"{server.base_url}: {error.words}") from error
    except RefusedAnswerError as error:
        raise UserError(f"{server.base_url}: {error}") from error
    return able


async def _find_model(server: Server) -> None:
    names = await server.models()
    if names is None:
        server.abilities.notes.append("the server has no list of models")
    elif server.model not in names:
        like = nearest(server.model, names) or next((name for name in names if server.model in name), None)
        means = f"; did you mean {like}?" if like else ""
        raise UserError(f"--model {server.model}: {server.base_url} has {', '.join(names[:12]) or 'no model'}{means}")


async def _find_parameters(server: Server) -> None:
    """By the first words that the server accepts; each refusal says in the server's words what it minds."""
    able = server.abilities
    for _ in range(4):
        body = server.body(_HELLO, _THINKING, temperature=0.0)
        try:
            completion = read_completion(await server.request(body))
        except NoAnswerError as error:
            if error.status not in (400, 422):
                raise
            if "temperature" in error.words and able.takes_temperature:
                able.takes_temperature = False
                continue
            # Where a server names the one that it wants, or minds the one that we sent.
            if re.search(r"max_(completion_)?tokens", error.words) and able.limit_key == "max_tokens":
                able.limit_key = "max_completion_tokens"
                continue
            raise
        able.thinks = completion.thinks
        return


async def _find_json_mode(server: Server) -> str:
    """The strictest way in which it gives JSON: schema, object or none."""
    tokens = _THINKING if server.abilities.thinks else 4 * _SHORT
    asked = _HELLO
    for mode, wanted in (("schema", schema_format(_SCHEMA)), ("object", {"type": "json_object"})):
        body = server.body(asked, tokens, temperature=0.0) | {"response_format": wanted}
        asked = 'Answer with a JSON object alone: {"colours": [two colours]}.'
        try:
            value = whole_object(read_completion(await server.request(body)))
        except NoAnswerError as error:
            if error.status in (400, 422, 500, 501):  # some say so by an error of their own
                continue
            raise
        except RefusedAnswerError:
            continue
        # The prompt of the first asks for no JSON: whoever gives it was held to the schema.
        if isinstance(value.get("colours"), list):
            return mode
    return "none"


async def _refuse_cutting(server: Server, longest: Longest, seed: int) -> None:
    """Sends the frame alone, then around a quarter of the longest prompt, then around all of it.

    A server that cuts says 200 all the same. What gives it away: the word at the start is gone, or it counts fewer
    tokens than the quarter lets expect.
    """
    filling = longest.filling()
    frame = await _said_back(server, "", _SHORT, seed)
    short = await _said_back(server, filling[: len(filling) // 4], _SHORT, seed + 1)
    whole = await _said_back(server, filling, longest.answer_tokens, seed + 2)
    counted = whole[1].prompt_tokens
    server.abilities.longest_prompt = counted
    expected = None
    if counted and frame[1].prompt_tokens and short[1].prompt_tokens:
        expected = frame[1].prompt_tokens + 4 * (short[1].prompt_tokens - frame[1].prompt_tokens)
    if expected and counted and counted < _LEAST_ARRIVED * expected:
        _refuse(server, longest, f"{counted:,} tokens arrived, about {expected:,} were sent")
    if whole[0]:
        return
    # Either the start is gone, or the model is too weak to repeat it: then it cannot repeat what stands at the end.
    says = f"; it says that {counted:,} tokens arrived" if counted else ", and it does not count tokens"
    if not expected or (await _said_back(server, filling, longest.answer_tokens, seed + 3, at_end=True))[0]:
        _refuse(server, longest, f"the word at the prompt's start does not come back{says}")
    server.abilities.notes.append("the model repeats no word of a long prompt; by the server's count it arrives whole")


def _refuse(server: Server, longest: Longest, why: str) -> NoReturn:
    raise UserError(
        f"{server.base_url}: the longest prompt of this run, about {about_tokens(longest.prompt):,} tokens, does not "
        f"arrive whole: {why}; give the server a longer context (llama.cpp -c, Ollama num_ctx, vLLM --max-model-len), "
        "or cut smaller chunks"
    )


async def _said_back(
    server: Server, filling: str, tokens: int, seed: int, *, at_end: bool = False
) -> tuple[bool, Completion]:
    """Whether the word at the start of a prompt, or at its end, came back; and the answer."""
    word = random.Random(seed).choice(_WORDS)  # noqa: S311  # no secret: any word will do that differs
    tokens += _THINKING if server.abilities.thinks else 0
    body = server.body(_frame(filling, word, at_end=at_end), tokens, temperature=0.0)
    try:
        completion = read_completion(await server.request(body))
    except NoAnswerError as error:
        if error.status in (400, 413, 422):
            _refuse(server, Longest(filling, filling, tokens), f"the server says {error.words}")
        raise
    return word in completion.text.upper(), completion


def _frame(filling: str, word: str, *, at_end: bool) -> str:
    said = f"The code word is {word}. Remember it."
    text = f"<<<\n{filling}\n>>>"
    above = f"{text}\n\n{said}" if at_end else f"{said}\n\n{text}"
    return f"{above}\n\nThe text between the marks does not matter. Which code word was said? Answer with that word."
