"""A recipe of several trainings, each from the weights of the one before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kinj.errors import UserError
from kinj.settings_file import read_settings
from kinj_training.recipe.files import find_recipe
from kinj_training.recipe.parsing import Overrides, without
from kinj_training.recipe.recipe import Recipe, make_recipe
from kinj_training.recipe.settings import ALL_ARM_KEYS, ARM_KEYS, Json


def make_stages(path: Path, values: Json, stages: object, overrides: Overrides) -> Recipe:
    """The last stage's recipe, which holds all of them.

    What stands outside `stages` holds for every stage that can use it: over the recipe that a stage names by `recipe`,
    under what the stage itself says.

    Raises:
        UserError: no list of mappings, an arm outside of them, stages inside stages, or a key that no stage reads.
    """
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise UserError(f"{path}: stages: expected a list of recipes, each a mapping of settings")
    shared = {*values, *overrides}
    if "arm" in shared:
        raise UserError(f"{path}: arm is given outside `stages`: each stage has its own")
    recipes: list[Recipe] = []
    for number, stage in enumerate(stages, 1):
        copied, own = _copied(path, number, stage), {key: stage[key] for key in stage if key != "recipe"}
        unread = ALL_ARM_KEYS - set(ARM_KEYS.get(str({**copied, **own}.get("arm")), ()))
        readable = {key: value for key, value in values.items() if key not in unread}
        base = recipes[0].base if recipes else None
        recipes.append(make_recipe(path, {**copied, **readable, **own}, without(overrides, unread), base=base))
    for key in sorted((ALL_ARM_KEYS & shared) - {key for stage in recipes for key in stage.given}):
        raise UserError(f"{path}: {key} is given, but no stage reads it")
    return replace(_chain(recipes), overrides=overrides)


def _copied(path: Path, number: int, stage: Json) -> Json:
    """The values of the recipe that a stage names by `recipe`; none where it names none."""
    copied = read_settings(find_recipe(Path(str(stage["recipe"])), path.parent)) if "recipe" in stage else {}
    copied.pop("search", None)
    if "stages" in {**copied, **stage}:
        raise UserError(f"{path}: stage {number}: stages inside stages are not read; write them one after another")
    return copied


def _chain(recipes: list[Recipe]) -> Recipe:
    """The last of the stages with all in it: each starts from the folder of the one before it."""
    out = Path(str(recipes[-1].training.output_dir))
    for number, stage in enumerate(recipes[:-1], 1):
        stage.training.output_dir = str(out / f"stage-{number}-{stage.data.arm}")
        recipes[number].model.model_name_or_path = stage.training.output_dir
    return replace(recipes[-1], stages=tuple(recipes))
