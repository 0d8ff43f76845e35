"""The forms of answers: what a prompt asks for, and what a server that knows schemas is held to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema


def _with_words(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text.strip()


#: A text with something in it. The schema does not say so: some servers refuse schemas with lengths of texts.
Text = Annotated[str, AfterValidator(_with_words)]
KindName = Literal["who", "what", "where", "when", "how_many", "why"]
Three = Annotated[list[Text], Field(min_length=3, max_length=3)]
#: Questions that a chunk is asked for at once, as in the study.
DRAFTS = 4


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Draft(_Form):
    """A question as its writer gives it: which option is right is said by its place, never by an index.

    What is quoted comes first: models then ask about it, instead of looking for words that fit what they have asked.
    """

    evidence: Text
    kind: KindName
    question: Text
    right: Text
    wrong: Three


class Drafts(_Form):
    """Four questions about a chunk, or as many as were written."""

    questions: Annotated[list[Draft], Field(min_length=1, max_length=DRAFTS)]


class Ranking(_Form):
    """Numbers of questions, the most specific first."""

    most_specific: list[int]


class Letter(_Form):
    """The option that a reader takes."""

    answer: Literal["A", "B", "C", "D"]


class Number(_Form):
    """The document that a reader takes: by its number; some say its title, as the journal does."""

    document: int | SkipJsonSchema[str]


class Rewording(_Form):
    """A question told without names."""

    question: Text


class PairDraft(_Form):
    """A question that needs two chunks."""

    #: of the first chunk and of the second
    evidence_1: Text
    evidence_2: Text
    kind: KindName
    question: Text
    right: Text
    wrong: Three


class Prose(_Form):
    """A text."""

    text: Text


class QuestionAndAnswer(_Form):
    """For training."""

    question: Text
    answer: Text


class Pairs(_Form):
    """Several of them."""

    pairs: Annotated[list[QuestionAndAnswer], Field(min_length=1)]


class Facts(_Form):
    """Sentences, each of which says one thing."""

    facts: Annotated[list[Text], Field(min_length=1)]


class Entities(_Form):
    """Names of what a chunk is about."""

    entities: list[Text]
