"""What one cell's samples say: a few numbers a question, read line by line."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinj.errors import UserError
from kinj.jsonl import parse_object, read_objects
from kinj.manifest import sha256_json
from kinj.records import Json
from kinj.statistics import clusters_of

Array = npt.NDArray[np.float64]

#: Of a cell: what it retrieved and sent.
TRACE = "trace.jsonl"

#: Which metric is compared, the first that a task has; never the higher of two.
METRICS = ("acc", "right", "exact_match", "acc_norm", "token_f1")

#: What a kind, form or knowledge of questions may be: reports show it, those without texts too.
_LABEL = re.compile(r"[\w-]{1,24}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked."""

    #: lm-eval's hash of the row, and how many equal rows came before it
    key: tuple[str, int]
    id: str
    question: str
    choices: tuple[str, ...]
    #: index of the right choice; None where there is none
    answer: int | None
    chunk_ids: tuple[str, ...]
    kind: str = ""
    form: str = ""
    knowledge: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def identity(self) -> object:
        """The same wherever its options stand: its id, or where rows have none, its text and options."""
        return self.id if self.id != self.key[0] else (self.question, tuple(sorted(self.choices)))


@dataclass(slots=True)
class TaskQuestions:
    """The questions of a task's split, in the order in which the first cell asked them."""

    asked: list[Asked] = field(default_factory=list)
    index: dict[tuple[str, int], int] = field(default_factory=dict)

    def place(self, one: Asked) -> int:
        """The question's number; a new one where it is new."""
        if one.key not in self.index:
            self.index[one.key] = len(self.asked)
            self.asked.append(one)
        return self.index[one.key]

    def cut(self, count: int) -> None:
        """Forgets all but the first so many: those that a refused cell brought."""
        for one in self.asked[count:]:
            del self.index[one.key]
        del self.asked[count:]

    def clusters(self) -> npt.NDArray[np.int64]:
        """Each question's cluster."""
        return clusters_of([one.chunk_ids for one in self.asked])


@dataclass(slots=True)
class CellAnswers:
    """One cell's answers by the questions' numbers; NaN, -1 or empty where a question was not asked."""

    #: by metric, values as lm-eval gives them
    values: dict[str, list[float]] = field(default_factory=dict)
    #: probability of the right option among the options
    probability: list[float] = field(default_factory=list)
    #: index of the chosen option, -1: none
    chosen: list[int] = field(default_factory=list)
    #: what was generated; empty where options are scored
    said: list[str] = field(default_factory=list)

    def metric(self) -> str:
        """The one that is compared.

        Raises:
            UserError: it has none of `METRICS`.
        """
        found = next((name for name in METRICS if name in self.values), None)
        if found is None:
            raise UserError(f"no metric to compare: has {', '.join(self.values) or 'none'}, needs one of {METRICS}")
        return found

    def choices(self, count: int) -> npt.NDArray[np.int64]:
        """The chosen options of so many questions, -1: none."""
        return np.array([*self.chosen, *[-1] * (count - len(self.chosen))], dtype=np.int64)

    def column(self, name: str, count: int) -> Array:
        """A metric's values, or `probability`, of so many questions."""
        values = self.probability if name == "probability" else self.values.get(name, [])
        column = np.full(count, np.nan)
        column[: len(values)] = values
        return column


def samples_of(folder: Path, task: str) -> Path:
    """The samples of a complete cell.

    Raises:
        UserError: none, or several.
    """
    files = sorted(folder.glob(f"samples_{task}_2*.jsonl"))
    if len(files) != 1:
        raise UserError(f"{folder}: {len(files)} files of samples of {task}, expected one")
    return files[0]


def read_answers(file: Path, questions: TaskQuestions, manifest: Json | None) -> CellAnswers:
    """The answers in a file of samples.

    Args:
        file: of one cell.
        questions: of the task's split; those that are new are put in.
        manifest: of the cell (docs/cells.md): how many rows, and which questions, there have to be; None: nobody says.

    Raises:
        UserError: a line that is no sample of lm-eval's, or other rows than the manifest says; names the file. No
            question of such a cell is put in.
    """
    before = len(questions.asked)
    try:
        return _read(file, questions, manifest)
    except BaseException:  # whatever ends it: half of a cell's questions must not count for the next one's
        questions.cut(before)
        raise


def _read(file: Path, questions: TaskQuestions, manifest: Json | None) -> CellAnswers:
    cell, seen, count, before = CellAnswers(), Counter[str](), 0, len(questions.asked)
    filters: set[str] = set()
    hashes: set[str] = set()
    for place, row in read_objects(file):
        count += 1
        try:
            if row["filter"] == "none" and "none" not in filters:  # rows of other filters before it do not count
                cell, seen = CellAnswers(), Counter[str]()
                questions.cut(before)
            filters.add(str(row["filter"]))
            hashes.add(f"{row['doc_hash']} {row['target_hash']}")
            if row["filter"] == min(filters, key=lambda name: (name != "none", name)):
                asked = _asked(row, seen)
                _put(cell, questions.place(asked), row, asked)
        except (AttributeError, ArithmeticError, KeyError, TypeError, ValueError, IndexError) as error:
            # Of what a text was taken for, a message may hold the text: a key alone is said.
            why = f": {error}" if isinstance(error, KeyError) else ""
            raise UserError(f"{place}: no sample of lm-eval's ({type(error).__name__}{why})") from error
    if len(filters) > 1 and "none" not in filters:
        raise UserError(f"{file}: filters {', '.join(sorted(filters))}, and none called none: which is meant?")
    if manifest is not None:
        _refuse_other_rows(file, count, hashes, manifest)
    return cell


def _refuse_other_rows(file: Path, count: int, hashes: set[str], manifest: Json) -> None:
    """Returns where the samples are those that the manifest was written over."""
    planned = manifest["rows"]["rows"]
    if count != planned:
        raise UserError(f"{file}: {count} rows, its manifest says {planned}: cut short, or written to; ask it again")
    if sha256_json(sorted(hashes)) != manifest["questions_sha256"]:
        raise UserError(f"{file}: other questions than its manifest's: changed since; ask it again")


def _asked(row: Json, seen: Counter[str]) -> Asked:
    doc, key = row["doc"], str(row["doc_hash"])
    seen[key] += 1
    doc = doc if isinstance(doc, dict) else {}
    chunk_ids, target = doc.get("chunk_ids"), row.get("target")
    choices = doc.get("choices")
    if isinstance(choices, dict):  # ARC and its kin
        choices = choices.get("text")
    choices = choices if isinstance(choices, list) else []
    return Asked(
        key=(key, seen[key]),
        id=str(doc.get("id") or key),
        question=str(doc.get("question", "")),
        choices=tuple(str(choice) for choice in choices),
        answer=int(str(target)) if str(target).isdecimal() and int(str(target)) < max(len(choices), 26) else None,
        chunk_ids=tuple(map(str, chunk_ids)) if isinstance(chunk_ids, list) else (),
        kind=_label(doc.get("kind")),
        form=_label(doc.get("form")),
        knowledge=_label(doc.get("knowledge")),
        evidence=tuple(map(str, doc.get("evidence") or ())),
    )


def _label(value: object) -> str:
    """A short word as it is; anything else, a text that somebody's task calls `knowledge` say, is no label: empty."""
    return value if isinstance(value, str) and _LABEL.fullmatch(value) else ""


def _put(cell: CellAnswers, number: int, row: Json, asked: Asked) -> None:
    for name in row.get("metrics", ()):
        value = row.get(name)
        if isinstance(value, (int, float)) and math.isfinite(value):
            _set(cell.values.setdefault(name, []), number, float(value), math.nan)
    logs = _log_likelihoods(row["filtered_resps"])
    chosen, probability, said = -1, math.nan, ""
    if logs is None:
        responses = row["filtered_resps"]
        said = json.dumps(responses, ensure_ascii=False)[:400]
        if isinstance(responses, list) and responses and isinstance(responses[0], str):
            said = responses[0][:400]
    else:
        chosen = max(range(len(logs)), key=logs.__getitem__)
        if asked.answer is not None and asked.answer < len(logs):
            most = max(logs)
            shares = [math.exp(one - most) for one in logs]
            probability = shares[asked.answer] / sum(shares)
    _set(cell.chosen, number, chosen, -1)
    _set(cell.probability, number, probability, math.nan)
    _set(cell.said, number, said, "")


def _log_likelihoods(responses: object) -> Sequence[float] | None:
    """Of each option; None where something else was scored."""
    if not isinstance(responses, list) or len(responses) < 2:
        return None
    if not all(isinstance(one, list) and len(one) == 2 for one in responses):
        return None
    return [float(one[0]) for one in responses]


def _set(values: list, number: int, value: object, absent: object) -> None:  # type: ignore[type-arg]  # of any kind
    values.extend([absent] * (number + 1 - len(values)))
    values[number] = value


class Trace:
    """A cell's trace (docs/cells.md), read question by question: only where each one stands is kept in memory."""

    _ID = re.compile(rb'"question_id": ("(?:[^"\\]|\\.)*")')

    def __init__(self, folder: Path) -> None:
        self._file = folder / TRACE
        self._places: dict[str, int] = {}
        if self._file.is_file():
            with self._file.open("rb") as lines:
                here = 0
                for line in lines:
                    if found := self._ID.search(line):
                        self._places[str(json.loads(found[1]))] = here
                    here += len(line)

    def of(self, question_id: str) -> Json:
        """The question's line; empty where it has none."""
        if question_id not in self._places:
            return {}
        with self._file.open("rb") as lines:
            lines.seek(self._places[question_id])
            return parse_object(str(self._file), lines.readline())
