"""The keys of a recipe that are ours: what is learnt, and in which form. All others are TRL's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from kinj.errors import UserError

Json = dict[str, Any]  # Any: what YAML and JSON hold

_RAFT = ("gold_share", "distractors", "template")
_DATA_SET = ("data", "data_config", "data_split", "data_rows", "unfit", "leaks", "chat_date")
#: the keys that only some arms read; one given to an arm that does not read it is refused
ARM_KEYS: dict[str, tuple[str, ...]] = {
    "raw": (),
    "repeat": ("paraphrases",),
    "paraphrase": ("paraphrases", "fewer"),
    "qa": ("unfit",),
    "instruct": _DATA_SET,
    "raft": (*_RAFT, "unfit"),
    "mix": ("paraphrases", "fewer", "replay_share", "qa_share", *_DATA_SET),
}
ALL_ARM_KEYS = frozenset(key for keys in ARM_KEYS.values() for key in keys)


@dataclass
class DataSettings:
    """Our keys. Not frozen, because the parser of TRL makes it; nothing changes it afterwards."""

    #: how knowledge is injected: which texts are trained on
    arm: Literal["raw", "repeat", "paraphrase", "qa", "instruct", "raft", "mix"] | None = None
    #: a collection that ships with kinj, or a folder in the benchmark format
    collection: str = "current_events"
    #: train on the documents of this split only, those behind its questions; None: on all
    split: Literal["test", "dev", "fewshot"] | None = None
    #: of each chunk; for arm repeat, those of the arm that it is the control of
    paraphrases: int = 10
    #: a chunk that has fewer: refuse to start, or take those that it has
    fewer: Literal["refuse", "take"] = "refuse"
    #: packed: whole texts side by side in blocks of max_length tokens, none attends to another; joined: one stream with
    #: begin and end marks, cut every max_length tokens (the study's); single: one text a block
    layout: Literal["packed", "joined", "single"] = "packed"
    #: repeat or shorten the arm's texts until it has the optimizer steps, or the tokens, of `match_to`
    match: Literal["steps", "tokens"] | None = None
    #: another recipe: its path, as seen from this one, or a shipped one's name
    match_to: str | None = None
    #: raft: share of the prompts that show the passage with the answer
    gold_share: float = 0.8
    #: raft: passages of other documents in each prompt
    distractors: int = 4
    #: raft: file of the passage template, as kinj_rag's `template`; None: its default
    template: str | None = None
    #: instruct: instructions; mix: general text. A .jsonl, .parquet or .csv file, a folder of them or of .txt
    #: files (a text each), or a hub name
    data: str | None = None
    #: the data set's configuration, where it has several
    data_config: str | None = None
    data_split: str = "train"
    #: how many of its rows, drawn by data_seed; None: all (mix: as many as its share needs)
    data_rows: int | None = None
    #: the day that chat templates print which print today's, as 2026-11-30; None: that of the first start
    chat_date: str | None = None
    #: a text that cannot be learnt, because it has no answer or is a prompt with its answer longer than max_length:
    #: refuse to start, or leave it out and say how many
    unfit: Literal["refuse", "leave_out"] = "refuse"
    #: a row of `data` that holds an evaluation question: refuse to start, or leave it out and say how many; a text of
    #: the collection that holds one is always refused
    leaks: Literal["refuse", "leave_out"] = "refuse"
    #: mix: share of the tokens that is general text, against forgetting
    replay_share: float = 0.1
    #: mix: share of the tokens that is questions and answers, to keep their form
    qa_share: float = 0.1
    #: more evaluation questions that must not be trained on: JSON-lines files or benchmark folders
    held_out: list[str] | None = None
    #: how many processes the launch must come up with; None: any number
    num_processes: int | None = None
    #: an lm-eval task that is scored on dev questions for each epoch, once training has ended; None: none
    accuracy_task: str | None = None

    def check(self, place: str, given: Collection[str]) -> None:
        """Refuses what does not go together; `given` are the keys that a person wrote, `place` is where.

        Raises:
            UserError: no arm, a key that the arm does not read, a number out of its range.
        """
        if self.arm is None:
            raise UserError(f"{place}: no arm: choose one of {', '.join(ARM_KEYS)}, or write `stages`")
        for key in sorted((ALL_ARM_KEYS & set(given)) - set(ARM_KEYS[self.arm])):
            instead = " (its texts are those of `collection`)" if key == "data" else ""
            raise UserError(f"{place}: {key} is given, but arm {self.arm} does not read it: remove it{instead}")
        for faults in (self._form_faults(), self._number_faults(), self._match_faults(), self._date_faults()):
            for fault in faults:
                raise UserError(f"{place}: {fault}")

    def _form_faults(self) -> Iterator[str]:
        if self.layout == "joined" and self.arm not in ("raw", "repeat", "paraphrase"):
            yield f"layout: joined cuts prompts from their answers, so not for {self.arm}: take packed"
        if self.arm == "paraphrase" and self.paraphrases == 0:
            yield "paraphrases: 0: without any this is arm raw"
        needs_data = self.arm == "instruct" or (self.arm == "mix" and self.replay_share > 0)
        if needs_data and self.data is None:
            yield f"arm {self.arm} needs `data`: a file, a folder or a hub name (a mix also does with replay_share: 0)"

    def _number_faults(self) -> Iterator[str]:
        for name, least in (("paraphrases", 0), ("distractors", 0), ("data_rows", 1), ("num_processes", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                yield f"{name}: {value}: must be at least {least}"
        for name in ("gold_share", "replay_share", "qa_share"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name}: {getattr(self, name)}: a share is from 0 to 1"
        if self.arm == "mix" and self.replay_share + self.qa_share >= 1:
            yield f"replay_share {self.replay_share} and qa_share {self.qa_share}: their sum must be below 1"

    def _date_faults(self) -> Iterator[str]:
        try:
            date.fromisoformat(self.chat_date or "2026-01-01")
        except ValueError:
            yield f"chat_date: {self.chat_date}: a day is written as 2026-11-30"

    def _match_faults(self) -> Iterator[str]:
        if (self.match_to is not None or self.arm == "repeat") and self.match is None:
            yield "match: say what is to be equal, steps or tokens"
        if self.match is not None and self.match_to is None and self.arm != "repeat":
            yield f"match: {self.match}: name the recipe to match by match_to"
        if self.arm == "repeat" and self.match_to is not None:
            yield "match_to: arm repeat is matched to its own paraphrase arm; with another, take arm raw"
