"""A recipe: everything that one training is made from, checked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trl import ModelConfig, SFTConfig  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj.hardware import has_accelerator, has_fast_bf16
from kinj.settings_file import read_settings
from kinj_training.recipe.files import find_recipe
from kinj_training.recipe.fingerprint import shape_of
from kinj_training.recipe.parsing import Overrides, Parser, read_flag, without, words_of
from kinj_training.recipe.settings import ALL_ARM_KEYS, DataSettings, Json
from kinj_training.recipe.trl_keys import (
    DECIDED,
    is_for_adapters,
    refuse_broken_guarantees,
    refuse_senseless_numbers,
    refuse_unread,
)

Grid = dict[str, list[Any]]  # Any: values of many settings

#: what a recipe says about itself alone, so that overrides of it do not reach the recipe that it is matched to
_OWN_KEYS = ALL_ARM_KEYS | {"arm", "match", "match_to", "output_dir"}


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model as a recipe names it, and how to load it."""

    #: a hub name or a folder
    name: str
    #: a branch, tag or commit of the hub
    revision: str = "main"
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything that one training is made from."""

    path: Path
    #: the stem of its file
    name: str
    data: DataSettings
    training: SFTConfig
    model: ModelConfig
    #: the keys that a person wrote, in the file or on the command line, as they were understood
    given: Json
    #: the keys that nobody wrote and that we decided, rather than leave them to TRL and to the hardware
    decided: Json
    #: what of TRL's settings shapes the weights
    shape: Json
    #: the model that the first stage starts from: the tokenizer and the window are its
    base: ModelSource
    #: the recipe whose steps or tokens this one is to have; None: it is not matched
    reference: Recipe | None = None
    #: setting -> its values to try, for `kinj train --search`
    search: Grid = field(default_factory=dict)
    #: trainings to do one after the other instead of this one, each from the weights of the one before
    stages: tuple[Recipe, ...] = ()
    #: what the command line gave
    overrides: Overrides = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """What draws the order of texts, the rows of a data set, and the places of passages."""
        seed = self.training.data_seed
        return self.training.seed if seed is None else seed

    @property
    def command(self) -> str:
        """What trains it in one process, typed in the same folder: paths are seen from there."""
        return shlex.join(["kinj", "train", str(self.path), *words_of(self.overrides)])


def make_recipe(
    path: Path, values: Json, overrides: Overrides, *, search: Grid | None = None, base: ModelSource | None = None
) -> Recipe:
    """The recipe of one training.

    Args:
        path: the recipe's file, for its name and for messages.
        values: the file's.
        overrides: the command line's, which win.
        search: setting -> its values to try.
        base: the model that the first of several stages starts from; None: this one's own.

    Raises:
        UserError: an unknown key, a value of the wrong type, or settings that do not go together.
    """
    parser = Parser(str(path))
    given = parser.known_keys(values, overrides)
    grid = {key: parser.typed(key, tried) for key, tried in (search or {}).items()}
    decided = _decisions(values, overrides, given)
    data, training, model = parser.parse(values, overrides, decided)
    if "data_seed" not in given:
        training.data_seed = decided["data_seed"] = training.seed
    _refuse_faults(str(path), data, training, model, given)
    everything = {**vars(model), **vars(training), **vars(data)}
    recipe = Recipe(
        path=path,
        name=path.stem,
        data=data,
        training=training,
        model=model,
        given={key: everything[key] for key in sorted(given)},
        decided=decided,
        shape=shape_of(training, model),
        base=base or ModelSource(str(model.model_name_or_path), model.model_revision, training.trust_remote_code),
        search=grid,
        overrides=overrides,
    )
    return replace(recipe, reference=_reference(recipe))


def _decisions(values: Json, overrides: Overrides, given: set[str]) -> Json:
    """Our defaults for what nobody wrote, those that depend on the hardware among them."""
    use_cpu = read_flag("use_cpu", values, overrides)
    on_cpu = use_cpu if use_cpu is not None else not has_accelerator()
    bf16 = not read_flag("fp16", values, overrides) and has_fast_bf16(use_cpu=on_cpu)
    decided = {key: value for key, value in {**DECIDED, "use_cpu": on_cpu, "bf16": bf16}.items() if key not in given}
    if "gradient_checkpointing" in given:  # the older name of activation_checkpointing, which wins over it
        decided.pop("activation_checkpointing", None)
    return decided


def _refuse_faults(place: str, data: DataSettings, training: SFTConfig, model: ModelConfig, given: set[str]) -> None:
    refuse_broken_guarantees(place, training, given)
    settings = {**vars(training), **vars(model)}
    refuse_senseless_numbers(place, settings)
    refuse_unread(place, settings, given)
    if training.num_train_epochs != int(training.num_train_epochs) or training.num_train_epochs < 1:
        raise UserError(f"{place}: num_train_epochs: {training.num_train_epochs}: whole epochs, at least 1")
    if model.model_name_or_path is None:
        raise UserError(f"{place}: no model_name_or_path: name the model to train, by hub name or folder")
    data.check(place, given)


def _reference(recipe: Recipe) -> Recipe | None:
    """The recipe to match: for arm repeat its own paraphrase arm, else `match_to` under the same command line.

    Raises:
        UserError: `match_to` is matched to yet another recipe, or has stages.
    """
    data = recipe.data
    if data.arm == "repeat":
        paraphrase = replace(data, arm="paraphrase", match=None)
        return replace(recipe, name=f"paraphrase-{data.paraphrases}", data=paraphrase)
    if data.match_to is None:
        return None
    path = find_recipe(Path(data.match_to), recipe.path.parent)
    values = read_settings(path)
    if values.pop("stages", None) is not None or values.get("match_to") is not None:
        raise UserError(f"match_to: {path}: is matched itself, or has stages; name a recipe of one plain arm")
    values.pop("search", None)
    # Of the reference only texts and steps count, whichever weights it would train.
    own = _OWN_KEYS | {key for key in recipe.overrides if is_for_adapters(key)}
    return make_recipe(path, values, without(recipe.overrides, own))
