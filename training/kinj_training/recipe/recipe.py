"""A recipe: one YAML file and the command line's words, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.errors import MissingExtraError, UserError
from kinj.hardware import has_accelerator, has_fast_bf16
from kinj_training.recipe.settings import ARM_KEYS, DataSettings
from kinj_training.recipe.trl_keys import DECIDED, refuse_broken_guarantees, refuse_senseless_numbers
from kinj_training.words import keys_of, without

if TYPE_CHECKING:
    from trl import ModelConfig, SFTConfig  # type: ignore[attr-defined]  # trl loads its names lazily

Values = dict[str, Any]  # Any: values as YAML gives them


@dataclass(frozen=True)
class Recipe:
    """Everything that one training is made from."""

    path: Path
    data: DataSettings
    training: SFTConfig
    model: ModelConfig
    #: the keys that a person wrote, in the file or on the command line, as they were understood
    given: Values
    #: the keys that nobody wrote and that we decided, rather than leave them to TRL and to the hardware
    decided: Values
    #: setting -> its values to try, for `kinj train --search`
    search: dict[str, list[Any]] = field(default_factory=dict)  # Any: values of many settings
    #: trainings to do one after the other instead of this one, each from the weights of the one before
    stages: tuple[Recipe, ...] = ()
    #: the command line's words
    overrides: tuple[str, ...] = ()
    #: the model that the first stage starts from: the tokenizer and the window are its
    base: str = ""


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, or the shipped one of that name, with settings from the command line over it.

    Paths inside a recipe that name another recipe are relative to it; all others to the working directory.

    Args:
        path: a YAML file; or `paraphrase` for a recipe that ships with kinj.
        overrides: `["--learning_rate", "2e-5", …]`, any key of ours, of SFTConfig or of ModelConfig.

    Raises:
        UserError: no such file, no mapping, an unknown key (the message names the nearest valid one), a value of the
            wrong type, or one under which tokens would be lost.
        MissingExtraError: TRL is not installed.
    """
    file = find_recipe(Path(path))
    values = _read(file)
    stages, search = values.pop("stages", None), _grid(file, values.pop("search", None))
    if stages is not None:
        return _staged(file, values, stages, search, overrides)
    return _single(file, values, search, overrides)


def find_recipe(path: Path, beside: Path | None = None) -> Path:
    """The file itself (relative to the folder `beside` where that is given), or the shipped recipe of that name.

    Raises:
        UserError: neither is there; lists the shipped ones.
    """
    for one in ((beside / path) if beside else path, path):
        if one.is_file():
            return one
    shipped = shipped_recipes()
    if path.name == str(path) and path.stem in shipped:
        return shipped[path.stem]
    raise UserError(f"{path}: no such recipe file; kinj ships {', '.join(sorted(shipped)) or 'none'}")


def seed_of(recipe: Recipe) -> int:
    """What draws the order of texts, the rows of a data set, and the places of passages."""
    seed = recipe.training.data_seed
    return recipe.training.seed if seed is None else seed


def shipped_recipes() -> dict[str, Path]:
    """Name to file of the recipes that ship with kinj."""
    package = Path(__file__).parents[1]
    # Beside the package in a checkout, inside it once installed.
    for folder in (package / "recipes", package.parent / "recipes"):
        if folder.is_dir():
            return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return {}


def _read(path: Path) -> Values:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path}: expected a mapping of settings, one `key: value` a line")
    return values


def _grid(path: Path, search: object) -> dict[str, list[Any]]:  # Any: values of many settings
    if search is None:
        return {}
    good = isinstance(search, dict) and all(isinstance(v, list) and v for v in search.values())
    if not isinstance(search, dict) or not good:
        raise UserError(f"{path}: search: expected settings, each with a list of values to try")
    return {str(key): values for key, values in search.items()}


def _single(path: Path, values: Values, search: dict[str, list[Any]], overrides: Sequence[str]) -> Recipe:
    try:
        from kinj_training.recipe.parsing import Parser
    except ImportError as error:
        raise MissingExtraError("trl", "train", "training") from error
    parser = Parser(str(path))
    arguments, given = parser.arguments(values, overrides)
    search = {key: parser.typed(key, tried) for key, tried in search.items()}
    probe = parser.read_flags(arguments)
    decided = {key: value for key, value in _decisions(probe).items() if key not in given}
    if "gradient_checkpointing" in given:  # the older name of activation_checkpointing, which wins over it
        decided.pop("activation_checkpointing", None)
    data, training, model = parser.parse(arguments, decided)
    if "data_seed" not in given:
        training.data_seed = decided["data_seed"] = training.seed
    refuse_broken_guarantees(str(path), training, given)
    refuse_senseless_numbers(str(path), training)
    if training.num_train_epochs != int(training.num_train_epochs) or training.num_train_epochs < 1:
        raise UserError(f"{path}: num_train_epochs: {training.num_train_epochs}: whole epochs, at least 1")
    if model.model_name_or_path is None:
        raise UserError(f"{path}: no model_name_or_path: name the model to train, by hub name or folder")
    data.check(str(path), given)
    everything = {**vars(model), **vars(training), **vars(data)}
    return Recipe(
        path=path,
        data=data,
        training=training,
        model=model,
        given={key: everything[key] for key in sorted(given)},
        decided=decided,
        search=search,
        overrides=tuple(overrides),
        base=model.model_name_or_path,
    )


def _decisions(flags: Values) -> Values:
    """Our defaults, those that depend on the hardware among them."""
    use_cpu = flags["use_cpu"] if flags["use_cpu"] is not None else not has_accelerator()
    bf16 = not flags["fp16"] and has_fast_bf16(use_cpu=use_cpu)
    return {**DECIDED, "use_cpu": use_cpu, "bf16": bf16}


def _staged(
    path: Path,
    values: Values,
    stages: object,
    search: dict[str, list[Any]],  # Any: values of many settings
    overrides: Sequence[str],
) -> Recipe:
    """The recipe of several trainings.

    What stands outside `stages` holds for every stage that can use it: over the recipe that a stage names by `recipe`,
    under what the stage itself says.
    """
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise UserError(f"{path}: stages: expected a list of recipes, each a mapping of settings")
    if "arm" in {*values, *keys_of(overrides)}:
        raise UserError(f"{path}: arm is given outside `stages`: each stage has its own")
    if search:
        raise UserError(f"{path}: search: choose the settings of one stage by a recipe of its own")
    arm_keys = {key for keys in ARM_KEYS.values() for key in keys}
    made: list[Recipe] = []
    for number, stage in enumerate(stages, 1):
        own = dict(stage)
        copied = _read(find_recipe(Path(str(own.pop("recipe"))), path.parent)) if "recipe" in own else {}
        copied.pop("search", None)
        if "stages" in {**copied, **own}:
            raise UserError(f"{path}: stage {number}: stages inside stages are not read; write them one after another")
        unread = arm_keys - set(ARM_KEYS.get(str({**copied, **own}.get("arm")), ()))
        shared = {key: value for key, value in values.items() if key not in unread}
        made.append(_single(path, {**copied, **shared, **own}, {}, without(overrides, unread)))
    given = {key for stage in made for key in stage.given}
    for key in sorted(arm_keys & {*values, *keys_of(overrides)} - given):
        raise UserError(f"{path}: {key} is given, but no stage reads it")
    return _chain(made)


def _chain(made: list[Recipe]) -> Recipe:
    """The last stage's recipe, which holds all: each stage starts from the folder of the one before it."""
    out = Path(str(made[-1].training.output_dir))
    for number, stage in enumerate(made[:-1], 1):
        stage.training.output_dir = str(out / f"stage-{number}-{stage.data.arm}")
        made[number].model.model_name_or_path = stage.training.output_dir
    base = made[0].base
    stages = tuple(replace(stage, base=base) for stage in made)
    return replace(stages[-1], stages=stages)
