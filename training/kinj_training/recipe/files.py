"""Where recipes lie: files of a person's own, and those that ship with kinj."""

from __future__ import annotations

from pathlib import Path

from kinj.errors import UserError


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
