"""Training texts as tokens: marks where a text begins and ends, and which tokens are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kinj_training.texts.texts import TrainingText

#: The label of a token that is read but not learnt.
NO_LOSS = -100


class Tokenizer(Protocol):
    """What is used of a `transformers` tokenizer."""

    bos_token: str | None
    bos_token_id: int | None
    eos_token_id: int | None
    chat_template: Any  # Any: a template, or several by name

    #: number to token, with its spelling in `content` and whether it is `special`
    added_tokens_decoder: Any  # Any: a dictionary; transformers does not say of what

    def __call__(  # noqa: D102  # Any: BatchEncoding
        self, text: list[str], *, add_special_tokens: bool, split_special_tokens: bool = False
    ) -> Any: ...

    def apply_chat_template(  # noqa: D102
        self,
        conversation: list[dict[str, Any]],
        *,
        tokenize: bool,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
    ) -> Any: ...

    def get_chat_template(self) -> Any: ...  # noqa: D102  # Any: str, untyped in transformers

    def decode(self, token_ids: Sequence[int]) -> Any: ...  # noqa: D102  # Any: str, or a list for a batch


@dataclass(frozen=True, slots=True)
class Marks:
    """The begin and end marks: the tokens around a text; None where the tokenizer has no such token."""

    begin: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """A training text as the model gets it, marks included."""

    text_id: str
    kind: str
    input_ids: tuple[int, ...]
    #: the token itself, or `NO_LOSS`
    labels: tuple[int, ...]
    has_prompt: bool

    @property
    def targets(self) -> int:
        """How many tokens are learnt: all labels but that of the first token, before which nothing stands."""
        return sum(label != NO_LOSS for label in self.labels[1:])


def marks_of(tokenizer: Tokenizer, *, joined: bool) -> Marks:
    """The tokenizer's BOS and EOS as marks of a text.

    - Where BOS begins each chat turn (SmolLM2-Instruct: `<|im_start|>`), it means "a role follows", so no begin mark
      is taken.
    - Where one token is both (GPT-2, SmolLM2), a joined stream has it once between two texts, not twice.
    """
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    if begin is not None and _begins_turns(tokenizer):
        begin = None
    if joined and begin == end:
        begin = None
    return Marks(begin, end)


def _begins_turns(tokenizer: Tokenizer) -> bool:
    """Whether one chat of a question and an answer has the BOS token more than once."""
    if not tokenizer.chat_template or not tokenizer.bos_token:
        return False
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    return str(tokenizer.apply_chat_template(chat, tokenize=False)).count(tokenizer.bos_token) > 1


def tokenize(texts: Sequence[TrainingText], tokenizer: Tokenizer, marks: Marks) -> list[Tokens]:
    """The texts as tokens, in order.

    Each text is tokenised whole, as lm-eval does with prompt and answer, so that training sees the tokens that
    evaluation scores; a token that lies across the border belongs to the part that it ends in. A control token that a
    text spells is encoded as the text that it is; in a chat they are the template's.
    """
    return [
        _with_marks(text, _labelled(text, ids, tokenizer), marks)
        for text, ids in zip(texts, _encode(texts, tokenizer), strict=True)
    ]


def control_tokens(tokenizer: Tokenizer) -> list[str]:
    """The spellings of the tokenizer's control tokens: marks, turns and the like."""
    return [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]


def _encode(texts: Sequence[TrainingText], tokenizer: Tokenizer) -> list[list[int]]:
    ids: list[list[int]] = [[] for _ in texts]
    for is_chat in (False, True):
        numbers = [number for number, text in enumerate(texts) if text.is_chat == is_chat]
        encoded = _ids([texts[number].text for number in numbers], tokenizer, is_chat=is_chat)
        for number, own in zip(numbers, encoded, strict=True):
            ids[number] = own
    return ids


def _ids(texts: list[str], tokenizer: Tokenizer, *, is_chat: bool) -> list[list[int]]:
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, split_special_tokens=not is_chat)["input_ids"]
    return ids


def _labelled(text: TrainingText, ids: list[int], tokenizer: Tokenizer) -> list[tuple[int, int]]:
    """(token, label) for each token of the text without marks."""
    if not text.has_prompt:
        return [(token, token) for token in ids]
    borders = [sum(len(s.text) for s in text.segments[:i]) for i in range(1, len(text.segments))]
    heads = _ids([text.text[:border] for border in borders], tokenizer, is_chat=text.is_chat)
    ends = [_shared(head, ids) for head in heads]
    labels = [NO_LOSS] * len(ids)
    for segment, start, end in zip(text.segments, [0, *ends], [*ends, len(ids)], strict=True):
        if segment.learnt:
            labels[start:end] = ids[start:end]
    return list(zip(ids, labels, strict=True))


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def _with_marks(text: TrainingText, labelled: list[tuple[int, int]], marks: Marks) -> Tokens:
    """The text between its marks; one that has them already gets no second ones, and a chat begins as its template."""
    ids = [token for token, _ in labelled]
    if marks.begin is not None and ids[:1] != [marks.begin] and not text.is_chat:
        labelled = [(marks.begin, NO_LOSS if text.has_prompt else marks.begin), *labelled]
    if marks.end is not None and ids[-1:] != [marks.end]:
        labelled = [*labelled, (marks.end, marks.end)]
    return Tokens(
        text.id,
        text.kind,
        tuple(token for token, _ in labelled),
        tuple(label for _, label in labelled),
        text.has_prompt,
    )
