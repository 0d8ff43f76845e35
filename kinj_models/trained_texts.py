"""Whether the questions asked are about the texts that a checkpoint of `kinj train` was trained on."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import collection_folder, register, shipped_collections
from kinj.errors import UserError
from kinj_models.settings import Json

log = logging.getLogger("lm_eval.kinj")

#: The arm that is trained on other data than the collection's texts.
_ARM_WITHOUT_TEXTS = "instruct"


@dataclass(frozen=True, slots=True)
class TrainedTexts:
    """The texts of one stage of a training."""

    #: a shipped name or a folder, as the recipe names it
    collection: str
    #: None: all splits
    split: str | None

    def __str__(self) -> str:
        return _shown(self.collection, self.split)

    def answer(self, name: str, sha256: str, split: object) -> bool:
        """Whether they hold what the questions of this benchmark and split ask about."""
        return self.split in (None, split) and self._is_benchmark(name, sha256)

    def _is_benchmark(self, name: str, sha256: str) -> bool:
        try:
            identity = register(collection_folder(self.collection))
        except UserError:  # trained on another machine, say: only the name is left to compare by
            return Path(self.collection).name == name
        return (identity.name, identity.sha256) == (name, sha256)

    @property
    def can_be_asked(self) -> bool:
        """Whether a task asks about them: about plain texts none does, and split fewshot is shown, never scored."""
        if self.split == "fewshot":
            return False
        return self.collection in shipped_collections() or (Path(self.collection) / "questions.jsonl").is_file()

    def options_to_ask(self) -> str:
        """The words for `lm_eval` that ask about these texts."""
        is_shipped = self.collection in shipped_collections()
        metadata = {} if is_shipped else {"benchmark": self.collection}
        if self.split is not None:
            metadata["split"] = self.split
        tasks = f"--tasks kinj_{self.collection if is_shipped else 'benchmark'}_option"
        return tasks + (f" --metadata '{json.dumps(metadata)}'" if metadata else "")


def trained_texts(manifest: Json | None) -> list[TrainedTexts]:
    """What a training taught, stage by stage; nothing without a manifest, or where no stage read a collection."""
    if manifest is None:
        return []
    stages = [*manifest.get("stages", ()), manifest]
    trained = (
        TrainedTexts(stage["collection"], stage.get("split"))
        for stage in stages
        if "collection" in stage and stage.get("arm") != _ARM_WITHOUT_TEXTS
    )
    return list(dict.fromkeys(trained))


class TrainingMatch:
    """Compares what a checkpoint was trained on with what it is asked, and says once where they differ."""

    def __init__(self, trained: Sequence[TrainedTexts]) -> None:
        self._trained = trained
        self._matches: dict[str, bool] = {}

    @property
    def is_match(self) -> bool | None:
        """Whether all benchmark questions are about trained texts; None without such questions or such texts."""
        return all(self._matches.values()) if self._matches else None

    def check(self, sources: Mapping[str, Json]) -> None:
        """Looks at each task's benchmark and split (`source_of`) once; tasks of other data sets have none."""
        for task, source in sources.items():
            if not self._trained or not source or task in self._matches:
                continue
            name, sha256, split = source["benchmark"]["name"], source["benchmark"]["sha256"], source["split"]
            is_match = any(texts.answer(name, sha256, split) for texts in self._trained)
            if not is_match and self.is_match is not False:
                self._warn(task, _shown(name, split))
            self._matches[task] = is_match

    def _warn(self, task: str, asked: str) -> None:
        options = next((texts.options_to_ask() for texts in self._trained if texts.can_be_asked), None)
        log.warning(
            "kinj_rag: %s asks about %s, but the checkpoint was trained on %s, so not on the texts asked about%s",
            task,
            asked,
            " and ".join(map(str, self._trained)),
            f"; to ask about those: {options}" if options else "",
        )


def _shown(benchmark: str, split: object) -> str:
    return f"{benchmark}, {f'split {split}' if split else 'all splits'}"
