"""What was retrieved, what was sent, what it means for retrieval quality, and what it took."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.records import Passage, Query
from kinj.retrieval.retriever import count_repeated
from kinj_models.effort import Effort
from kinj_models.settings import Json
from kinj_models.task_rows import Row, source_of

log = logging.getLogger("lm_eval.kinj")

#: A question: its task and its row's number there.
Key = tuple[str, int | None]
#: Gives the first process everybody's value, and the others an empty list: they report nothing.
Gather = Callable[[Any], list[Any]]  # Any: whatever is gathered


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One question as it went to the base."""

    task: str
    doc_id: int | None
    query: Query
    #: retrieved, best first
    passages: tuple[Passage, ...]
    #: how many of them, from the best on, fitted the model's window and were sent
    passages_sent: int
    #: final prompts: one, or one per option where the task prints the option into the prompt
    prompts: tuple[Any, ...]  # Any: text, or an API model's chat
    #: the prompt is over the window even without passages, so the base cuts it as it does without this adapter
    over_window: bool

    @property
    def has_gold_sent(self) -> bool:
        """Whether all source chunks were among the passages that were sent, after drops."""
        return bool(self.query.chunk_ids) and self.gold_share(self.passages_sent) == 1

    def gold_share(self, k: int) -> float:
        """Share of the source chunks among the first `k` passages, 0 to 1: recall@k of this question."""
        found = {p.chunk_id for p in self.passages if p.rank <= k} & set(self.query.chunk_ids)
        return len(found) / max(1, len(set(self.query.chunk_ids)))

    @property
    def gold_rank(self) -> int | None:
        """Rank of the best passage that holds the answer, from 1; None where none was retrieved or none is known."""
        ranks = (p.rank for p in self.passages if p.chunk_id in self.query.chunk_ids)
        return min(ranks, default=None)

    def to_object(self) -> Json:
        """The line of the trace file."""
        # The closed book searches for nothing, so it neither finds nor misses.
        known = bool(self.query.chunk_ids) and bool(self.query.text)
        return {
            "task": self.task,
            "doc_id": self.doc_id,
            "question_id": self.query.id,
            "query": self.query.text,
            "passages": [
                {
                    "chunk_id": p.chunk_id,
                    "document_id": p.document_id,
                    "rank": p.rank,
                    "score": p.score,
                    "sent": p.rank <= self.passages_sent,
                }
                for p in self.passages
            ],
            "gold_chunk_ids": list(self.query.chunk_ids),
            "gold_found": self.gold_share(len(self.passages)) == 1 if known else None,
            "gold_rank": self.gold_rank,
            "prompts": [p if isinstance(p, (str, list)) else p.prompt for p in self.prompts],
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over one task's questions, added up over processes."""

    questions: int = 0
    #: questions whose source chunks are known
    known: int = 0
    #: over questions, the share of the source chunks that came first, and that were among the k
    hits_first: float = 0
    hits: float = 0
    reciprocal_ranks: float = 0.0
    passages_dropped: int = 0
    #: of those sent, with the text of a better one
    passages_repeated: int = 0
    questions_with_drops: int = 0
    questions_without_passages: int = 0
    prompts_over_window: int = 0
    #: questions whose source chunks were all truly sent, after drops
    gold_sent: int = 0
    #: questions that were searched for control tokens, with their passages: none where no tokenizer tells them
    texts_checked: int = 0
    passages_with_control_tokens: int = 0
    questions_with_control_tokens: int = 0
    #: generated answers, those that are scored with a thought in them, and those whose thought has no end
    answers: int = 0
    thoughts: int = 0
    unfinished_thoughts: int = 0

    def __add__(self, other: Tally) -> Tally:
        ours, theirs = asdict(self), asdict(other)
        return Tally(**{name: ours[name] + theirs[name] for name in ours})

    def to_object(self, k: int | None) -> Json:
        """What results carry: counts, and recall@1, recall@k and MRR (cut at k) where source chunks are known.

        Recall and MRR are of what was retrieved, `gold_sent` of what was left after drops. `k` is None for the closed
        book, which has neither.
        """
        counts: Json = {"questions": self.questions, "prompts_over_window": self.prompts_over_window}
        if self.texts_checked:
            counts["questions_with_control_tokens"] = self.questions_with_control_tokens
        if self.answers:
            counts["answers_with_thoughts"] = self.thoughts
            counts["answers_with_unfinished_thoughts"] = self.unfinished_thoughts
        if k is None:
            return counts
        if self.texts_checked:
            counts["passages_with_control_tokens"] = self.passages_with_control_tokens
        counts["passages_dropped"] = self.passages_dropped
        counts["passages_repeated"] = self.passages_repeated
        counts["questions_with_drops"] = self.questions_with_drops
        counts["questions_without_passages"] = self.questions_without_passages
        counts["share_without_passages"] = self.questions_without_passages / max(1, self.questions)
        if self.known:
            counts["questions_with_known_chunks"] = self.known
            counts["recall@1"] = self.hits_first / self.known
            counts[f"recall@{k}"] = self.hits / self.known
            counts["mrr"] = self.reciprocal_ranks / self.known
            counts["gold_sent"] = self.gold_sent / self.known
        return counts


def tally(record: TraceRecord) -> Tally:
    """The counts of one question."""
    dropped = len(record.passages) - record.passages_sent
    rank = record.gold_rank
    return Tally(
        questions=1,
        known=int(bool(record.query.chunk_ids)),
        hits_first=record.gold_share(1),
        hits=record.gold_share(len(record.passages)),
        reciprocal_ranks=1 / rank if rank else 0.0,
        passages_dropped=dropped,
        passages_repeated=count_repeated(record.passages[: record.passages_sent]),
        questions_with_drops=int(dropped > 0),
        questions_without_passages=int(record.passages_sent == 0),
        prompts_over_window=int(record.over_window),
        gold_sent=int(record.has_gold_sent),
    )


class Recorder:
    """Writes one run's trace file and adds up its tallies and its effort."""

    def __init__(self, trace: str | None, k: int | None) -> None:
        #: by task; of all processes in the first one, empty in the others
        self.tallies: dict[str, Tally] = {}
        self.effort = Effort()
        #: each task's benchmark and split (`source_of`)
        self.sources: dict[str, Json] = {}
        self._trace = trace
        self._k = k
        #: by task, the ids of questions whose source chunk was sent
        self._gold_sent: dict[str, set[str]] = {}
        self._asked: set[tuple[str, Key]] = set()

    def begin(self, attr: str, rows: Mapping[Key, Row]) -> None:
        """Announces questions by their rows. Where one was asked before, another run begins, with tallies of its own.

        Raises:
            UserError: another run, and the trace file holds the earlier one.
        """
        asked = {(attr, key) for key in rows}
        if asked & self._asked:
            if self._trace is not None:
                raise UserError(f"trace={self._trace} holds this model's earlier run: make a new model for another")
            self.tallies, self.effort, self._asked, self._gold_sent = {}, Effort(), set(), {}
        self._asked |= asked
        for (task, _), row in rows.items():
            if task not in self.sources:
                self.sources[task] = source_of(row)

    def record(self, records: Sequence[TraceRecord], rank: int | None, gather: Gather) -> None:
        """Adds this process's questions to its trace file, and everybody's to the tallies, which it logs.

        `rank` is None where another process writes the same questions.
        """
        if self._trace is not None and rank is not None:
            write_trace(trace_path(self._trace, rank), records)
        counts: dict[str, Tally] = {}
        for record in records:
            counts[record.task] = counts.get(record.task, Tally()) + tally(record)
        self.add(counts, gather)
        for process in gather([(record.task, record.query.id) for record in records if record.has_gold_sent]):
            for task, question_id in process:
                self._gold_sent.setdefault(task, set()).add(question_id)
        for task in counts:
            if task in self.tallies:
                self._log(task, self.tallies[task])

    def add(self, counts: Mapping[str, Tally], gather: Gather) -> None:
        """Adds everybody's counts, by task, to the tallies."""
        for process in gather(counts):
            for task, count in process.items():
                self.tallies[task] = self.tallies.get(task, Tally()) + count

    def add_effort(self, effort: Effort, gather: Gather) -> None:
        """Adds everybody's effort to the run's."""
        self.effort = sum(gather(effort), self.effort)

    def to_object(self) -> Json:
        """What results carry of the run: each task's benchmark and counts, and the seconds."""
        tasks: Json = {}
        for task, count in self.tallies.items():
            tasks[task] = {**self.sources[task], **count.to_object(self._k)}
            if self._k is not None and count.known:
                tasks[task]["questions_with_gold_sent"] = sorted(self._gold_sent.get(task, ()))
        effort, questions = self.effort, sum(count.questions for count in self.tallies.values())
        seconds = effort.retrieving_seconds + effort.scoring_seconds
        return {
            "tasks": tasks,
            "seconds": {"retrieving": effort.retrieving_seconds, "scoring": effort.scoring_seconds},
            # Of all tasks together: lm-eval asks them in one call.
            "per_question": {
                "seconds": seconds / max(1, questions),
                "tokens_computed": effort.tokens_computed / max(1, questions) if effort.tokens_computed else None,
            },
        }

    def _log(self, task: str, count: Tally) -> None:
        counts = count.to_object(self._k)
        shares = [f", {name} {counts[name]:.3f}" for name in counts if name.startswith("recall@") or name == "mrr"]
        log.info("kinj_rag: %s: %d questions%s", task, count.questions, "".join(shares))
        for name in ("passages_dropped", "passages_repeated", "questions_without_passages", "prompts_over_window"):
            if counts.get(name):
                log.warning("kinj_rag: %s: %s %d", task, name.replace("_", " "), counts[name])


def write_trace(path: Path, records: Iterable[TraceRecord]) -> None:
    """Adds one JSON line a question to the process's trace file."""
    with path.open("a", encoding="utf-8") as sink:
        for record in records:
            sink.write(json.dumps(record.to_object(), ensure_ascii=False) + "\n")


def trace_path(name: str, rank: int) -> Path:
    """The process's own file: the given one for the first process, `NAME.rank1.jsonl` and so on for the others."""
    path = Path(name)
    return path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")


def check_trace(name: str | None) -> None:
    """Refuses a trace file that is there already, or whose folder is not or cannot be written.

    Raises:
        UserError: names the file and what to do.
    """
    if name is None:
        return
    path = Path(name)
    earlier = [
        file
        for file in (path, *path.parent.glob(f"{path.stem}.rank*{path.suffix}"))
        if file.is_file() and file.stat().st_size
    ]
    if earlier:
        raise UserError(f"trace={name}: {earlier[0]} exists; a trace belongs to one run: name another or remove it")
    if not path.parent.is_dir():
        raise UserError(f"trace={name}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"trace={name}: the folder {path.parent} cannot be written; name another")
