"""Who wrote what is asked and trained on, by the manifests of benchmarks; and whether that is the model under test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.errors import UserError
from kinj.manifest import read_manifest
from kinj.records import Json
from kinj.report.reading.values import mapping

_QUESTIONS = "questions"
#: Injection arms that train on texts as they are.
_OF_NO_WRITER = {"raw", "repeat"}


@dataclass(frozen=True, slots=True)
class Writers:
    """Models that wrote what one model is asked and trained on; empty where people did, or no model is named."""

    questions: tuple[str, ...]
    #: of paraphrases, pairs, facts, relations
    texts: tuple[str, ...]


def writers_of(folder: Path, plan: Json, asked: Iterable[object], trainings: Iterable[Json]) -> Writers | None:
    """Who wrote what a comparison asks and trains on; None where a benchmark or collection of it is there no longer.

    Args:
        folder: of the comparison.
        plan: of it.
        asked: what results say of the benchmarks of its tasks: `name` and `sha256` (docs/results.md).
        trainings: manifests of trainings.
    """
    from kinj.benchmark import register
    from kinj.benchmark.place import find_registered, shipped_collections

    trained = {one.get("collection") for one in trainings} - {plan.get("benchmark"), *shipped_collections()}
    if any(isinstance(name, str) and name and not _places(folder, [name]) for name in trained):
        return None
    names = {plan.get("benchmark"), *trained}
    try:
        for place in _places(folder, names):
            register(place)
        known = dict.fromkeys((str(one["name"]), str(one["sha256"])) for one in map(mapping, asked) if "sha256" in one)
        found = [one[1] for name, sha in known if (one := find_registered(name, sha)) is not None and one[1].is_dir()]
        if not found or len(found) < len(known):
            return None
        asked_of = [_writing(place) for place in found]
        texts = [_writing(place) for place in _places(folder, names)]
    except (KeyError, UserError):
        return None
    return Writers(
        _named(one.get(_QUESTIONS) for one in asked_of),
        _named(kind for one in (*asked_of, *texts) for name, kind in one.items() if name != _QUESTIONS),
    )


def _places(folder: Path, names: Iterable[object]) -> list[Path]:
    """Folders that go by these names, where they were or beside the comparison."""
    found = [Path(name) for name in names if isinstance(name, str) and name]
    return [place for one in found for place in (one, folder.resolve().parent / one.name) if place.is_dir()]


def _writing(place: Path) -> Json:
    """What each command of `kinj write` says in a folder's manifest; empty where none wrote."""
    if not (place / "manifest.json").is_file():
        return {}
    return mapping(read_manifest(place, "restore it").get("writing"))


def _named(facts: Iterable[object]) -> tuple[str, ...]:
    """Each writer once."""
    found: dict[str, None] = {}
    for one in map(mapping, facts):
        several = list(mapping(one.get("answers_by_writer")))
        found |= dict.fromkeys(several or ([str(one["writer"])] if one.get("writer") else []))
    return tuple(found)


def writer_warnings(writers: Writers, model: Sequence[object], trained: Iterable[Json]) -> Iterator[str]:
    """What favours the model, or training, by who wrote.

    Args:
        writers: of the model's questions and texts.
        model: the model's names.
        trained: the manifest of one training of each injection arm.
    """
    ours = {short_name(name) for name in model if name}
    reads_texts = any({str(one.get("arm")) for one in (training, *training.get("stages", ()))} - _OF_NO_WRITER
                      for training in trained)  # fmt: skip
    own = [name for name in writers.questions if short_name(name) in ours]
    if own:
        yield f"The questions were written by {short_name(own[0])}, the model under test: its own questions suit it."
    texts = writers.texts if reads_texts else ()
    own = [name for name in texts if short_name(name) in ours]
    if own:
        yield f"Training texts were written by {short_name(own[0])}, the model under test: it learns its own words."
    both = {short_name(name) for name in writers.questions} & {short_name(name) for name in texts}
    if both:
        yield (
            f"Questions and training texts were written by one model, {min(both)}: they share its wording, which "
            "favours training."
        )


def short_name(name: object) -> str:
    """A model's own name, wherever it lies: `Qwen/Qwen3-0.6B` and `/models/qwen3-0.6b.gguf` are one."""
    return str(name).replace("\\", "/").rstrip("/").rpartition("/")[2].lower().removesuffix(".gguf")
