"""Recipes from files: `load_recipe` is the door to this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinj.errors import UserError
from kinj.settings_file import read_settings
from kinj_training.recipe.files import find_recipe
from kinj_training.recipe.parsing import Overrides, parse_overrides
from kinj_training.recipe.recipe import Grid, Recipe, make_recipe
from kinj_training.recipe.stages import make_stages


def load_recipe(path: str | Path, words: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, or the shipped one of that name, with settings from the command line over it.

    Paths inside a recipe that name another recipe are relative to it; all others to the working directory.

    Args:
        path: a YAML file; or `paraphrase` for a recipe that ships with kinj.
        words: the command line's, `["--learning_rate", "2e-5", …]`: any key of ours, of SFTConfig or of ModelConfig.

    Raises:
        UserError: no such file, no mapping, an unknown key (the message names the nearest valid one), a value of the
            wrong type, or one under which tokens would be lost.
    """
    return load_overridden(find_recipe(Path(path)), parse_overrides(words))


def load_overridden(file: Path, overrides: Overrides) -> Recipe:
    """The recipe in a file under a command line that is parsed already.

    Raises:
        UserError: as `load_recipe`.
    """
    values = read_settings(file)
    stages, search = values.pop("stages", None), _grid(file, values.pop("search", None))
    if stages is not None and search:
        raise UserError(f"{file}: search: choose the settings of one stage by a recipe of its own")
    if stages is None:
        recipe = make_recipe(file, values, overrides, search=search)
    else:
        recipe = make_stages(file, values, stages, overrides)
    if "output_dir" not in recipe.given:
        raise UserError(f"{file}: no output_dir: name the folder that the training writes")
    return recipe


def _grid(file: Path, search: object) -> Grid:
    if search is None:
        return {}
    if not isinstance(search, dict) or not all(isinstance(tried, list) and tried for tried in search.values()):
        raise UserError(f"{file}: search: expected settings, each with a list of values to try")
    return {str(key): tried for key, tried in search.items()}
