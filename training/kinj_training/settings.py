"""The keys of a recipe that are ours: what is learnt, and in which form. All others are TRL's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinj.errors import UserError

ARMS = ("raw", "repeat", "paraphrase", "qa", "instruct", "raft", "mix")

_RAFT = ("gold_share", "distractors", "template")
_DATA_SET = ("data", "data_config", "data_split", "data_rows", "too_long")
#: the keys that only some arms read; one given to an arm that does not read it is refused
ARM_KEYS: dict[str, tuple[str, ...]] = {
    "raw": (),
    "repeat": ("paraphrases",),
    "paraphrase": ("paraphrases",),
    "qa": ("too_long",),
    "instruct": _DATA_SET,
    "raft": (*_RAFT, "too_long"),
    "mix": ("paraphrases", "replay_share", "qa_share", *_DATA_SET),
}


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
    #: instruct: instructions; mix: general text. A .jsonl, .parquet or .csv file, a folder, or a hub name
    data: str | None = None
    #: the data set's configuration, where it has several
    data_config: str | None = None
    data_split: str = "train"
    #: how many of its rows, drawn by data_seed; None: all (mix: as many as its share needs)
    data_rows: int | None = None
    #: a prompt with its answer that is longer than max_length: refuse to start, or leave it out and say how many
    too_long: Literal["refuse", "leave_out"] = "refuse"
    #: mix: share of the tokens that is general text, against forgetting
    replay_share: float = 0.1
    #: mix: share of the tokens that is questions and answers, to keep their form
    qa_share: float = 0.1
    #: more evaluation questions that must not be trained on: JSON-lines files or benchmark folders
    held_out: list[str] | None = None
    #: how many processes the launch must come up with; None: any number
    num_processes: int | None = None
    #: an lm-eval task that is scored on dev questions after each epoch; None: none
    accuracy_task: str | None = None

    def check(self, given: set[str]) -> None:
        """Refuses what does not go together; `given` are the keys that a person wrote.

        Raises:
            UserError: no arm, a key that the arm does not read, a number out of its range.
        """
        if self.arm is None:
            raise UserError(f"no arm: choose one of {', '.join(ARMS)}, or write `stages`")
        specific = {key for keys in ARM_KEYS.values() for key in keys}
        if unread := sorted((specific & given) - set(ARM_KEYS[self.arm])):
            raise UserError(f"{unread[0]} is given, but arm {self.arm} does not read it: remove it or take another arm")
        if self.layout == "joined" and self.arm not in ("raw", "repeat", "paraphrase"):
            raise UserError(f"layout: joined cuts prompts from their answers, so not for {self.arm}: take packed")
        if self.arm == "paraphrase" and self.paraphrases < 1:
            raise UserError(f"paraphrases: {self.paraphrases}: at least 1; without any this is arm raw")
        for name, least in (("paraphrases", 0), ("distractors", 0), ("data_rows", 1), ("num_processes", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"{name}: {value}: must be at least {least}")
        self._check_shares()
        self._check_match()

    def _check_shares(self) -> None:
        for name in ("gold_share", "replay_share", "qa_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name}: {getattr(self, name)}: a share is from 0 to 1")
        if self.arm == "mix" and self.replay_share + self.qa_share >= 1:
            raise UserError(
                f"replay_share {self.replay_share} and qa_share {self.qa_share} leave nothing for the texts: "
                "their sum must be below 1"
            )
        needs_data = self.arm == "instruct" or (self.arm == "mix" and self.replay_share > 0)
        if needs_data and self.data is None:
            raise UserError(f"arm {self.arm} needs data: a file, a folder or a hub name (or replay_share: 0 in a mix)")

    def _check_match(self) -> None:
        if (self.match_to is not None or self.arm == "repeat") and self.match is None:
            raise UserError("match: say what is to be equal, steps or tokens")
        if self.match is not None and self.match_to is None and self.arm != "repeat":
            raise UserError(f"match: {self.match}: name the recipe to match by match_to")
        if self.arm == "repeat" and self.match_to is not None:
            raise UserError("match_to: arm repeat is matched to its own paraphrase arm; with another, take arm raw")
