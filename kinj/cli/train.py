"""`kinj train`: a checkpoint that carries the knowledge."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from kinj.cli.interruption import interruptible
from kinj.errors import MissingExtraError, UserError
from kinj.manifest import NAME as MANIFEST

RecipeFile = Annotated[
    str | None,
    typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a recipe that ships.", show_default=False),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print tokens, steps, memory and two blocks as they will be learnt; stop.")
]
Search = Annotated[bool, typer.Option("--search", help="Try the recipe's `search` values and choose by held-out loss.")]
ListRecipes = Annotated[bool, typer.Option("--list", help="Name the recipes that ship, with the files they are in.")]
Show = Annotated[str | None, typer.Option("--show", metavar="NAME", help="Print a recipe that ships, to start from.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: the finished training's manifest, or the dry run.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a finished or another training; an unfinished one of this recipe goes on."
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge",
        help="RECIPE is a finished training's folder that has its adapter alone: make the merged weights again.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj train`."""
    app.command("train", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(train)


def train(
    context: typer.Context,
    recipe: RecipeFile = None,
    *,
    dry_run: DryRun = False,
    search: Search = False,
    merge: Merge = False,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
    list_recipes: ListRecipes = False,
    show: Show = None,
) -> None:
    """Train a model on texts, as a recipe says. `lm_eval --model kinj_rag --model_args pretrained=DIR` evaluates it.

    Any setting of the recipe, of TRL's SFTConfig and of its ModelConfig can follow the recipe as `--key value`.
    Interrupted, the same command goes on at the last checkpoint. Needs `pip install 'kinj[train]'`.

    Example: `kinj train paraphrase --dry-run` · `kinj train raw --collection my_texts/ --output_dir out`

    Several processes: `torchrun --nproc_per_node 2 -m kinj_training my.yaml`
    """
    if list_recipes or show is not None:
        _print_shipped(show)
        return
    if recipe is None:
        raise UserError("name a recipe: kinj train RECIPE; `kinj train --list` names those that ship")
    if recipe.startswith("-"):
        raise UserError(f"{recipe}: the recipe comes first: kinj train RECIPE {recipe} …")
    if merge:
        _module("run.merging").merge_again(Path(recipe))
        return
    kept = ", which --overwrite keeps" if overwrite else ""
    with interruptible(f"type the same command to go on from the last checkpoint{kept}"):
        loaded = _module("recipe.loading").load_recipe(recipe, context.args)
        if dry_run:
            _module("dry_run").dry_run(loaded, as_json=as_json)
        elif search:
            _module("run.search").search(loaded, as_json=as_json, overwrite=overwrite)
        else:
            if loaded.search and loaded.training.process_index == 0:
                typer.echo(f"kinj: {recipe} has values to search, which are passed over: --search tries them", err=True)
            folder = _module("run.train").train(loaded, overwrite=overwrite)
            if as_json and loaded.training.process_index == 0:
                typer.echo((folder / MANIFEST).read_text(encoding="utf-8"), nl=False)


def _print_shipped(name: str | None) -> None:
    """The recipe of that name, or all names with their files."""
    files = _module("recipe.files")
    if name is not None:
        typer.echo(files.find_recipe(Path(name)).read_text(encoding="utf-8"), nl=False)
        return
    for recipe, file in files.shipped_recipes().items():
        typer.echo(f"{recipe:<32}{file}")


def recipe_files() -> Any:  # Any: as `_module`
    """The module that finds and reads recipes; it needs nothing of `[train]`."""
    return _module("recipe.files")


def _module(name: str) -> Any:  # Any: a module of kinj_training, which this package does not import before it is needed
    try:
        return importlib.import_module(f"kinj_training.{name}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in ("trl", "peft"):
            raise MissingExtraError(error.name, "train", "training") from error
        raise
