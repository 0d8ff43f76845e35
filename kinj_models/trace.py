"""What was retrieved, what was sent, what it means for retrieval quality."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinj.records import Passage, Query


@dataclass(frozen=True, slots=True)
class Sent:
    """One question as it went to the base."""

    task: str
    doc_id: int | None
    query: Query
    #: retrieved, best first
    passages: tuple[Passage, ...]
    #: how many of them, from the best on, fitted the model's window and were sent
    kept: int
    #: final prompts: one, or one per option where the task prints the option into the prompt
    prompts: tuple[Any, ...]  # Any: text, or an API model's chat
    #: the prompt is over the window even without passages, so the base cuts it as it does without this adapter
    over_window: bool

    @property
    def gold_rank(self) -> int | None:
        """Rank of the best passage that holds the answer, from 1; None where none was retrieved or none is known."""
        ranks = (p.rank for p in self.passages if p.chunk_id in self.query.chunk_ids)
        return min(ranks, default=None)

    def to_object(self) -> dict[str, Any]:  # Any: JSON values
        """The line of the trace file."""
        known = bool(self.query.chunk_ids)
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
                    "sent": p.rank <= self.kept,
                }
                for p in self.passages
            ],
            "gold_chunk_ids": list(self.query.chunk_ids),
            "gold_found": self.gold_rank is not None if known else None,
            "gold_rank": self.gold_rank,
            "prompts": [p if isinstance(p, (str, list)) else p.prompt for p in self.prompts],
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over one task's questions, added up over processes."""

    questions: int = 0
    #: questions whose source chunks are known
    known: int = 0
    found_first: int = 0
    found: int = 0
    reciprocal_ranks: float = 0.0
    passages_dropped: int = 0
    questions_with_drops: int = 0
    questions_without_passages: int = 0
    prompts_over_window: int = 0
    #: questions whose source chunk was truly sent, after drops
    gold_sent: int = 0

    def __add__(self, other: Tally) -> Tally:
        ours, theirs = asdict(self), asdict(other)
        return Tally(**{name: ours[name] + theirs[name] for name in ours})

    def to_object(self, k: int | None) -> dict[str, Any]:  # Any: JSON values
        """What results carry: counts, and recall@1, recall@k and MRR (cut at k) where source chunks are known.

        Recall and MRR are of what was retrieved, `gold_sent` of what was left after drops. `k` is None for the closed
        book, which has neither.
        """
        said: dict[str, Any] = {"questions": self.questions, "prompts_over_window": self.prompts_over_window}
        if k is None:
            return said
        said["passages_dropped"] = self.passages_dropped
        said["questions_with_drops"] = self.questions_with_drops
        said["questions_without_passages"] = self.questions_without_passages
        if self.known:
            said["questions_with_known_chunks"] = self.known
            said["recall@1"] = self.found_first / self.known
            said[f"recall@{k}"] = self.found / self.known
            said["mrr"] = self.reciprocal_ranks / self.known
            said["gold_sent"] = self.gold_sent / self.known
        return said


def tally(sent: Sent) -> Tally:
    """The counts of one question."""
    dropped = len(sent.passages) - sent.kept
    rank = sent.gold_rank
    return Tally(
        questions=1,
        known=int(bool(sent.query.chunk_ids)),
        found_first=int(rank == 1),
        found=int(rank is not None),
        reciprocal_ranks=1 / rank if rank else 0.0,
        passages_dropped=dropped,
        questions_with_drops=int(dropped > 0),
        questions_without_passages=int(sent.kept == 0),
        prompts_over_window=int(sent.over_window),
        gold_sent=int(rank is not None and rank <= sent.kept),
    )


def write_trace(path: Path, sents: Iterable[Sent]) -> None:
    """Adds one JSON line a question to the process's trace file."""
    with path.open("a", encoding="utf-8") as sink:
        for sent in sents:
            sink.write(json.dumps(sent.to_object(), ensure_ascii=False) + "\n")


def trace_path(given: str, rank: int) -> Path:
    """The process's own file: the given one for the first process, `NAME.rank1.jsonl` and so on for the others."""
    path = Path(given)
    return path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")
