"""What tells results apart that no plan names: each task of a run gets its model, arms and task by what differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kinj.manifest import sha256_json
from kinj.records import Cell, Json
from kinj.report.reading import Result, Run
from kinj.report.reading.plain import plain
from kinj.report.reading.values import mapping
from kinj.report.verdict.contrasts import NONE

#: Settings of a run that say how it read: named where runs of one retriever differ in them.
_OF_READING = (
    "index", "placement", "order", "query", "embedder", "filter", "distractor_seed", "query_field", "text_field",
    "vector_field", "template",
)  # fmt: skip
#: Settings that name an arm, the weights or the engine: by what else differs, models are told apart.
_OF_AN_ARM = {
    *_OF_READING, "retriever", "k", "peft", "delta", "weights", "path", "commit", "peft_commit", "delta_commit",
    "chat_template_sha256", "base", "back end",
}  # fmt: skip
#: Where results of one task differ in these, their questions differ, and the contrast says so; else their prompts do.
_OF_QUESTIONS = ("split", "shots", "questions asked")
#: What is known of a training, and must be one in trainings of one recipe.
_OF_TRAINING = ("recipe", "arm", "collection", "split", "steps", "lora")


@dataclass(slots=True)
class AskedTask:
    """One task of one run."""

    run: Run
    #: what kinj_rag says in the results; empty of another model
    ours: Json
    result: Result
    cell: Cell

    @property
    def checkpoint(self) -> Json:
        """Of `kinj train`; empty without."""
        return mapping(self.ours.get("checkpoint"))

    @property
    def weights(self) -> str:
        """Fingerprint of a folder; empty where nobody knows it."""
        return self._fingerprint("pretrained")

    @property
    def trained_weights(self) -> str:
        """Of what `kinj train` wrote: of an adapter its own, for that of the base is one in all trainings."""
        adapted = mapping(self.ours.get("base")).get("peft")
        return self._fingerprint("peft" if adapted else "pretrained") if self.checkpoint else ""

    def _fingerprint(self, name: str) -> str:
        return str(mapping(mapping(self.ours.get("base")).get(name)).get("fingerprint") or "")

    def known(self) -> dict[str, str]:
        """By what the weights before any training are known: name, fingerprint, commit."""
        base, trained = mapping(self.ours.get("base")), mapping(self.checkpoint.get("base"))
        if trained:
            return {name: plain(trained[name]) for name in ("name", "fingerprint", "commit") if trained.get(name)}
        named = next((base[name] for name in ("pretrained", "model") if isinstance(base.get(name), str)), None)
        known = {"name": plain(named) if named else f"{self.run.model} {self.run.settings.get('path', '')}".strip()}
        known |= {"fingerprint": self.weights} if self.weights else {}
        return known | ({"commit": plain(base["commit"])} if base.get("commit") else {})


def name_all(asked: Sequence[AskedTask]) -> None:
    """Puts names into cells, as far as they are told by comparing them."""
    for name in (_name_models, _name_trainings, _name_readings, _name_tasks):
        name(asked)


def _name_models(asked: Sequence[AskedTask]) -> None:
    """One model where the weights before training are one, and the settings that are no arm's.

    A run that says a name alone goes to the model of that name; where there are several, it is one of its own.
    """
    groups: list[tuple[dict[str, str], list[AskedTask]]] = []
    for one in sorted(asked, key=lambda one: (len(one.known()) == 1, bool(one.checkpoint))):
        known = one.known()
        fitting = [group for group in groups if _is_same(known, group[0])]
        if len(known) == 1:
            fitting = [group for group in fitting if len(group[0]) == 1] or fitting
        if fitting and (len(known) > 1 or len(fitting) == 1):
            theirs, members = fitting[0]
            theirs |= {**known, **theirs}
            members.append(one)
        else:
            groups.append((known, [one]))
    names = [known.get("name", "unnamed") for known, _ in groups]
    for name, (known, members) in zip(names, groups, strict=True):
        told = (known.get("fingerprint") or known.get("commit") or "")[:8]
        own = f"{name} #{told}" if names.count(name) > 1 and told else name
        others = [{key: value for key, value in one.run.settings.items() if key not in _OF_AN_ARM} for one in members]
        for one, settings in zip(members, others, strict=True):
            settings["engine"] = one.run.settings.get("back end") or one.run.settings.get("base", "")
        for one, said in zip(members, _differing(others), strict=True):
            one.cell = replace(one.cell, model=" · ".join([own, *said]))


def _is_same(known: dict[str, str], theirs: dict[str, str]) -> bool:
    for kind in ("fingerprint", "commit", "name"):
        if kind in known and kind in theirs:
            return known[kind] == theirs[kind]
    return False


def _name_trainings(asked: Sequence[AskedTask]) -> None:
    """Trainings of one recipe, told apart where another collection, length or adapter has the same name."""
    for members in _by(asked, lambda cell: (cell.model, cell.injection)):
        trainings = [sha256_json([one.checkpoint.get(name) for name in _OF_TRAINING])[:8] for one in members]
        for one, training in zip(members, trainings, strict=True):
            if len(set(trainings)) > 1:
                one.cell = replace(one.cell, injection=f"{one.cell.injection} #{training}")


def _name_readings(asked: Sequence[AskedTask]) -> None:
    """A retriever with its k, and with the settings in which its runs differ."""
    for members in _by(asked, lambda cell: (cell.model, cell.retriever)):
        settings = [{key: one.run.settings.get(key, "") for key in _OF_READING} for one in members]
        for one, said in zip(members, _differing(settings), strict=True):
            more = f" ({', '.join(said)})" if said and one.cell.retriever != NONE else ""
            k = "" if one.cell.k is None else f" k={one.cell.k}"
            one.cell = replace(one.cell, reading=f"{one.cell.reading}{more}{k}")


def _name_tasks(asked: Sequence[AskedTask]) -> None:
    """A task, told apart where its version, benchmark, chat template or the like differ.

    Where only some of its runs say their split or benchmark, and all of these the same, the others are of it too:
    questions are paired by lm-eval's own hashes of them.
    """
    for members in _by(asked, lambda cell: (cell.model, cell.task)):
        if len(splits := {one.cell.split for one in members} - {""}) == 1:
            for one in members:
                one.cell = replace(one.cell, split=min(splits))
        fields = [{key: value for key, value in one.result.comparison.items() if key not in _OF_QUESTIONS}
                  for one in members]  # fmt: skip
        if len({own["benchmark"] for own in fields if own.get("benchmark")}) == 1:
            for own in fields:
                own.pop("benchmark", None)
        for one, said in zip(members, _differing(fields), strict=True):
            one.cell = replace(one.cell, task=f"{one.cell.task} ({', '.join(said)})" if said else one.cell.task)


def _by(asked: Sequence[AskedTask], key: Callable[[Cell], object]) -> list[list[AskedTask]]:
    groups: dict[object, list[AskedTask]] = defaultdict(list)
    for one in asked:
        groups[key(one.cell)].append(one)
    return list(groups.values())


def _differing(settings: Sequence[dict[str, str]]) -> list[list[str]]:
    """Of each those that are not one in all, as `name=value`."""
    names = sorted({name for one in settings for name in one})
    telling = [name for name in names if len({one.get(name, "") for one in settings}) > 1]
    return [[f"{name}={one[name]}" for name in telling if one.get(name)] for one in settings]
