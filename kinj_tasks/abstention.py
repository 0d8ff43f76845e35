"""Half questions that a collection answers, half questions that it does not: who knows what it does not know?

The rows for lm-eval (`load`, `load_open`) and their scores. Each metric is a share of its own half: the answerable
questions, or the unanswerable ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset, Features, Value

from kinj.errors import UserError
from kinj_tasks.benchmark import (
    CURRENT_EVENTS,
    FEATURES,
    Selection,
    in_order,
    only_current_events,
    open_folder,
    rows_of,
    shots_of,
    to_dataset,
)
from kinj_tasks.draw import Draw
from kinj_tasks.scoring import best, exact_match, normalised

#: The answer that admits not to know; as a fifth option beside the four.
UNKNOWN = "unknown"
#: of a first sentence, after `scoring.normalised`
_ADMITS = re.compile(r"(answer is |it is )?(unknown|not known)|(i )?(do not|dont|cannot|cant) (know|say)\b.*")

ABSTENTION_FEATURES = Features({**FEATURES, "answerable": Value("bool")})


def load(
    benchmark: str = CURRENT_EVENTS,
    split: str = "test",
    sample: int | None = None,
    seed: int = 0,
    form: str = "direct",
    knowledge: str | None = None,
    option_order: int = 0,
    **_: Any,  # Any: lm-eval passes all of `metadata`, which holds the model's arguments too
) -> dict[str, Dataset]:
    """All unanswerable questions of the shipped collection, and as many answerable ones, with a fifth option.

    The answerable ones are drawn by a seed that never changes among the direct ones that can be asked openly; `sample`
    and `seed` draw among both together. `option_order` is as in `kinj_tasks.benchmark.load`; the fifth stays the last.

    Raises:
        UserError: another benchmark, split, sample, or order, or a form or knowledge, by which nothing is chosen here.
    """
    if (form, knowledge) != ("direct", None):
        raise UserError(f"form={form!r}, knowledge={knowledge!r}: the abstention tasks ask all direct questions alone")
    folder, opened, identity = open_folder(only_current_events(benchmark))
    unanswerable = [q for q in opened.part(split).questions if not q.answerable]
    if not unanswerable:
        raise UserError(f"{folder}: no unanswerable question in split {split!r}")
    answerable = Draw(len(unanswerable), seed=0).from_rows(Selection(split, open_only=True).of(opened, folder))
    asked = [in_order(question, option_order) for question in (*answerable, *unanswerable)]
    rows = rows_of(asked, opened, split, identity)
    shots = shots_of(opened, identity, open_only=True)
    return {
        "test": to_dataset([_with_unknown(row) for row in Draw(sample, seed).from_rows(rows)], ABSTENTION_FEATURES),
        "fewshot": to_dataset([_with_unknown(row) for row in shots], ABSTENTION_FEATURES),
    }


def _with_unknown(row: Mapping[str, Any]) -> dict[str, Any]:  # Any: a row's values
    answerable = row["answer"] >= 0
    answer = row["answer"] if answerable else len(row["choices"])
    return {**row, "choices": [*row["choices"], UNKNOWN], "answer": answer, "answerable": answerable}


def score_option(
    doc: Mapping[str, Any],  # Any: as `_with_unknown` makes them
    results: Sequence[tuple[float, bool]],
) -> dict[str, float]:
    """The question's place in its half's shares, by the option of the largest log-probability (the first of equals)."""
    chosen = int(np.argmax([log_probability for log_probability, _ in results]))
    return _shares(doc["answerable"], is_right=chosen == doc["answer"], abstains=doc["choices"][chosen] == UNKNOWN)


def score_answer(
    doc: Mapping[str, Any],  # Any: as `_with_unknown` makes them
    results: Sequence[str],
) -> dict[str, float]:
    """The same of a generated answer: right by exact match with an accepted answer, as in `scoring.exact_match`."""
    answer = results[0]
    accepted = doc["accepted_answers"]
    is_right = doc["answerable"] and best(exact_match, answer, accepted) == 1
    return _shares(doc["answerable"], is_right=is_right, abstains=admits_ignorance(answer))


def admits_ignorance(answer: str) -> bool:
    """Whether an answer says in its first sentence that it is none ("unknown", "I don't know"), or is empty."""
    words = normalised(re.split("[.!;]", answer.strip())[0])
    return not words or _ADMITS.fullmatch(words) is not None


def _shares(answerable: bool, *, is_right: bool, abstains: bool) -> dict[str, float]:
    invents = not is_right and not abstains
    if answerable:
        return {"right": float(is_right), "abstained": float(abstains), "invented": float(invents)}
    return {"abstained_unanswerable": float(abstains), "invented_unanswerable": float(invents)}
