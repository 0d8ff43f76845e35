"""Where recipes lie: files of a person's own, and those that ship with kinj."""

from __future__ import annotations

from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.errors import UserError
from kinj_training.recipe.settings import Json


def find_recipe(path: Path, beside: Path | None = None) -> Path:
    """The file itself (relative to the folder `beside` where that is given), or the shipped recipe of that name.

    Raises:
        UserError: neither is there; lists the shipped ones.
    """
    for file in ((beside / path) if beside else path, path):
        if file.is_file():
            return file
    shipped = shipped_recipes()
    if path.name == str(path) and path.stem in shipped:
        return shipped[path.stem]
    raise UserError(f"{path}: no such recipe file; kinj ships {', '.join(sorted(shipped)) or 'none'}")


def shipped_recipes() -> dict[str, Path]:
    """Name to file of the recipes that ship with kinj."""
    package = Path(__file__).parents[1]
    # Beside the package in a checkout, inside it once installed.
    for folder in (package / "recipes", package.parent / "recipes"):
        if folder.is_dir():
            return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return {}


def read_recipe(path: Path) -> Json:
    """The values of a recipe file, as YAML gives them.

    Raises:
        UserError: it is not YAML, no mapping, or a key stands in it twice.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path}: expected a mapping of settings, one `key: value` a line")
    return values


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # untyped
    """YAML's safe loader, for which a key that stands twice is a mistake; PyYAML takes the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Json:
        """The mapping.

        Raises:
            yaml.constructor.ConstructorError: a key stands in it twice; says where.
        """
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        mapping: Json = super().construct_mapping(node, deep)
        return mapping
