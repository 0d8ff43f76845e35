"""Questions and training texts, written by any model that is served (docs/writing.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kinj.writing.finishing import Written
from kinj.writing.prompts import copy_prompts
from kinj.writing.question_run import FORMS, QuestionPlan, QuestionRun
from kinj.writing.session import NOBODY, Estimate, Settings, Where, open_session
from kinj.writing.text_run import HELD_OUT_SHARE, TextRun
from kinj.writing.texts import KINDS

__all__ = [
    "FORMS",
    "HELD_OUT_SHARE",
    "KINDS",
    "NOBODY",
    "Estimate",
    "QuestionPlan",
    "Settings",
    "Where",
    "Written",
    "copy_prompts",
    "estimate_questions",
    "estimate_texts",
    "write_questions",
    "write_texts",
]


def write_questions(settings: Settings, plan: QuestionPlan, agree: Callable[[str], bool]) -> Written:
    """Asks for questions, checks them, and makes the folder whole.

    Args:
        settings: of the run.
        plan: which questions are wanted.
        agree: is told where the documents go, where that is another machine, and says whether they may.

    Raises:
        UserError: see `open_session`; or the server was found not to do (see `probe`).
        OSError: the disk is full; what is in the journal stays.
    """
    with open_session(settings, agree) as session:
        return asyncio.run(QuestionRun(session, plan).run())


def write_texts(
    settings: Settings, kind: str, per_chunk: int, agree: Callable[[str], bool], held_out: float = HELD_OUT_SHARE
) -> Written:
    """Asks for training texts of one kind, checks them, and makes the folder whole; see `write_questions`.

    Args:
        settings: of the run.
        kind: one of `KINDS`.
        per_chunk: texts of each chunk.
        agree: as of `write_questions`.
        held_out: share of the chunks of which one paraphrase more is kept out of training, 0 to 1; of no other kind.
    """
    with open_session(settings, agree) as session:
        return asyncio.run(TextRun(session, kind, per_chunk, held_out).run())


def estimate_questions(settings: Settings, plan: QuestionPlan) -> tuple[dict[Where, Estimate], float | None]:
    """What a run would ask of each server, and what it would cost; nothing is sent.

    Returns:
        (model, address) -> estimate, without servers that would be asked nothing; and US dollars, None where the price
        of one of them is unknown.
    """
    with open_session(settings, lambda _: False, read_only=True) as session:
        found = QuestionRun(session, plan).estimate()
        return found, session.cost_of(found)


def estimate_texts(
    settings: Settings, kind: str, per_chunk: int, held_out: float = HELD_OUT_SHARE
) -> tuple[dict[Where, Estimate], float | None]:
    """See `estimate_questions`."""
    with open_session(settings, lambda _: False, read_only=True) as session:
        found = TextRun(session, kind, per_chunk, held_out).estimate()
        return found, session.cost_of(found)
