"""Questions one by one: what was asked and read, what each arm answered, and which pattern that makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinj.jsonl import read_objects
from kinj.records import Json
from kinj.report.comparison import ArmScores, Asked, Findings
from kinj.report.comparison.answers import Trace
from kinj.report.comparison.arms import JUDGED
from kinj.report.comparison.differences import found_mask
from kinj.report.verdict.contrasts import NONE

#: Characters of a prompt that is shown whole.
LONGEST_PROMPT = 24_000
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Patterns in the order in which they are offered.
PATTERNS = (
    "only closed book right", "only RAG right", "passage there and still wrong", "fine-tuning lost it", "all wrong",
    "all right",
)  # fmt: skip


@dataclass(slots=True)
class QuestionGroup:
    """The questions of one model on one task's split, with all arms that were asked them."""

    id: str
    model: str
    task: str
    split: str
    arms: list[ArmScores]
    #: of each question those that it shows
    patterns: list[list[str]] = field(default_factory=list)

    @property
    def questions(self) -> Sequence[Asked]:
        """In order."""
        return self.arms[0].questions

    def counts(self) -> dict[str, int]:
        """How many questions show each pattern."""
        return {name: sum(name in one for one in self.patterns) for name in PATTERNS}


def groups_of(found: Findings) -> list[QuestionGroup]:
    """One a model, task and split."""
    members: dict[tuple[str, str, str], list[ArmScores]] = defaultdict(list)
    for one in found.arms:
        if one.role in (*JUDGED, "control") and one.asked.any():
            members[one.arm.model, one.arm.task, one.split].append(one)
    groups = []
    for number, ((model, task, split), arms) in enumerate(members.items(), 1):
        group = QuestionGroup(f"questions-{number}", model, task, split, arms)
        # The judged k on the judged split, every k elsewhere.
        judged = [one for one in arms if found.judged_arms.get(one.arm) is one] or [o for o in arms if o.role in JUDGED]
        group.patterns = list(_patterns(judged, len(group.questions)))
        groups.append(group)
    return groups


def _patterns(arms: Sequence[ArmScores], count: int) -> Iterator[list[str]]:
    """An arm is right where most of its trainings are; of a question that it was not asked it says nothing."""
    shares = [one.right.mean(axis=1) for one in arms]
    masks = [found_mask(one) if one.arm.reading != NONE else None for one in arms]
    for number in range(count):
        sides: dict[str, list[bool]] = defaultdict(list)
        missed = False
        for one, share, mask in zip(arms, shares, masks, strict=True):
            if not np.isnan(share[number]):
                right = bool(share[number] > 0.5)
                sides[one.arm.side].append(right)
                missed |= mask is not None and bool(mask[number]) and not right
        closed, read, tuned = (any(sides[side]) for side in ("base", "RAG", "FT"))
        everything = [right for side in sides.values() for right in side]
        shown = []
        if closed and sides["RAG"] and not read:
            shown.append(PATTERNS[0])
        if read and sides["base"] and not closed and not tuned:
            shown.append(PATTERNS[1])
        if missed:
            shown.append(PATTERNS[2])
        if closed and sides["FT"] and not all(sides["FT"]):
            shown.append(PATTERNS[3])
        shown += [PATTERNS[4]] if everything and not any(everything) else []
        shown += [PATTERNS[5]] if everything and all(everything) else []
        yield shown


# ---- with texts


def passage_texts(folders: Sequence[Path]) -> dict[str, Json]:
    """Text and title of every chunk that comparisons retrieved, by id."""
    chunks: dict[str, Json] = {}
    for folder in folders:
        for file in sorted(folder.glob("passages/*/passages.jsonl")):
            for _, row in read_objects(file):
                for one in _objects(row, "passages"):
                    if "chunk_id" in one:
                        chunks.setdefault(
                            str(one["chunk_id"]), {"text": one.get("text", ""), "title": one.get("title", "")}
                        )
    return chunks


def details(group: QuestionGroup, chunks: Mapping[str, Json], clean: Callable[[Any], Any]) -> Iterator[Json]:
    """Each question with its options, passages, answers and prompts, as the page's template takes it.

    Args:
        group: the questions.
        chunks: of `passage_texts`.
        clean: takes out what no report may hold.
    """
    # Of the first training: what is retrieved and sent is the same in all.
    traces = [Trace(one.cells[0].folder) for one in group.arms]
    for number, asked in enumerate(group.questions):
        passages: dict[str, list[str]] = {}
        prompts: dict[str, list[str]] = {}
        for arm, trace in zip(group.arms, traces, strict=True):
            row = trace.of(asked.id)
            name = arm_label(arm)
            for passage in _objects(row, "passages"):
                if passage.get("sent"):
                    chunk, rank = str(passage.get("chunk_id", "unnamed")), passage.get("rank", "unknown")
                    passages.setdefault(chunk, []).append(f"{name}, rank {rank}")
            for prompt in row.get("prompts") or ():
                prompts.setdefault(_shortened(str(prompt)), []).append(name)
        yield clean(
            {
                "number": number + 1,
                "id": asked.id,
                "question": asked.question,
                "options": [
                    {"letter": _LETTERS[i % 26], "text": text, "right": i == asked.answer}
                    for i, text in enumerate(asked.choices)
                ],
                "kinds": [value for value in (asked.kind, asked.form, asked.knowledge) if value],
                "patterns": group.patterns[number],
                "passages": [
                    {
                        "chunk": chunk,
                        "title": chunks.get(chunk, {}).get("title", ""),
                        "parts": marked(str(chunks[chunk].get("text", "")), asked.evidence)
                        if chunk in chunks
                        else [("Its text is in no passages.jsonl of the folder.", False)],
                        "source": chunk in asked.chunk_ids,
                        "read": names,
                    }
                    for chunk, names in passages.items()
                ],
                "answers": [_answer(arm, number) for arm in group.arms],
                "prompts": [{"text": text, "of": names} for text, names in prompts.items()],
            }
        )


def _objects(row: Json, name: str) -> Iterator[Json]:
    """The objects in a list; what is none is passed over."""
    values = row.get(name)
    return (one for one in (values if isinstance(values, list) else ()) if isinstance(one, dict))


def _shortened(prompt: str) -> str:
    """The prompt, or of one with a whole collection in it both ends, and how much is left out."""
    if len(prompt) <= LONGEST_PROMPT:
        return prompt
    half = LONGEST_PROMPT // 2
    return f"{prompt[:half]}\n[… {len(prompt) - 2 * half:,} characters …]\n{prompt[-half:]}"


def arm_label(arm: ArmScores) -> str:
    """The arm with its k."""
    return arm.arm.name if arm.k is None else f"{arm.arm.name} k={arm.k}"


def _answer(arm: ArmScores, number: int) -> Json:
    given = []
    for column, one in enumerate(arm.cells):
        answers = one.answers
        if number >= len(answers.chosen) or np.isnan(arm.right[number, column]):
            continue
        chosen, probability = answers.chosen[number], answers.probability[number]
        text = _LETTERS[chosen % 26] if chosen >= 0 else answers.said[number]
        value = float(arm.right[number, column])
        shown = None if np.isnan(probability) else f"{100 * probability:.0f} %"
        given.append({"text": text, "right": value == 1, "value": value, "probability": shown})
    return {"arm": arm_label(arm), "cell": arm.cells[0].name, "given": given}


def marked(text: str, evidence: Sequence[str]) -> list[tuple[str, bool]]:
    """The text in parts, those that are evidence marked."""
    spans = sorted((at, at + len(one)) for one in evidence if one and (at := text.find(one)) >= 0)
    parts, here = [], 0
    for start, end in spans:
        if start < here:
            continue
        parts += [(text[here:start], False), (text[start:end], True)]
        here = end
    return [part for part in (*parts, (text[here:], False)) if part[0]]
