"""Retrieval before anything is asked: one pass for each task and ranking, shared by all models and by smaller k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kinj.compare.identity import full_path, id_of
from kinj.compare.plan import ReadingArm, reading_name
from kinj.records import Json
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.fusion import DEPTH


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of every arm: a task's questions of one split."""

    task: str
    #: test or dev; empty where the task has one split alone
    split: str
    #: the first so many; None: all
    limit: int | None
    #: for lm-eval's `--metadata`
    metadata: Json = field(default_factory=dict)
    #: SHA-256 of the benchmark they are from; None: another data set
    benchmark: str | None = None
    #: in which their options stand; 0: as they are written
    option_order: int = 0

    @property
    def key(self) -> str:
        """What tells them from others, in a file of JSON."""
        order = f", order {self.option_order}" if self.option_order else ""
        return f"{self.task}@{self.split}:{self.limit or ''}{order}"

    @property
    def content(self) -> Json:
        """What of them shapes answers."""
        order = {"option_order": self.option_order} if self.option_order else {}
        return {"task": self.task, "split": self.split, "limit": self.limit, "benchmark": self.benchmark, **order}


@dataclass(frozen=True, slots=True)
class Pass:
    """One retriever asked once for the passages of some questions."""

    id: str
    questions: Questions
    #: of `kinj_rag`, those that decide what is found, with the k that is searched for
    settings: Json


def takes_head(arm: ReadingArm, k: int) -> bool:
    """Whether the k best passages are the first k of a longer ranking by the same arm.

    Not where gold is mixed among distractors, whose places depend on their number; not beyond the depth to which
    hybrid fuses, where more candidates change the fusion; and not for nearest neighbours on a cluster, which are
    sought among a number of candidates that grows with k.
    """
    retriever = str(arm.retriever)
    if retriever == "hybrid":
        return k <= DEPTH
    if retriever == "dense":
        return not (arm.index or "").startswith(PREFIX)
    return retriever != "gold+distractors"


def passes_of(
    readings: Sequence[tuple[ReadingArm, int | None, Json]], asked: Sequence[Questions]
) -> dict[tuple[str, str], Pass]:
    """The pass for each (questions' key, reading arm's name with k).

    Args:
        readings: arms with their k, None where nothing is ranked, and what decides their rankings.
        asked: the plan's tasks' questions.
    """
    longest: dict[str, int] = {}
    for arm, k, ranking in readings:
        if k is not None and takes_head(arm, k):
            longest[id_of(ranking)] = max(k, longest.get(id_of(ranking), 0))
    passes = {}
    for questions in asked:
        for arm, k, ranking in readings:
            if k is None or not arm.reads(questions.task):
                continue
            searched = longest[id_of(ranking)] if takes_head(arm, k) else k
            settings = arm.model_dump(include={"retriever", "query", "embedder", "filter"}) | {"k": searched}
            settings["index"] = None if arm.index is None else full_path(arm.index)
            content = {"questions": questions.content, "ranking": ranking, "k": searched}
            passes[questions.key, reading_name(arm, k)] = Pass(id_of(content), questions, settings)
    return passes
