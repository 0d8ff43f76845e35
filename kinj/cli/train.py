"""`kinj train`: a checkpoint that carries the knowledge."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from kinj.cli.interruption import interruptible
from kinj.cli.options import Json
from kinj.errors import MissingExtraError, UserError

RecipeFile = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a recipe that ships.", show_default=False),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print tokens, steps, memory and two blocks as they will be learnt; stop.")
]
Search = Annotated[bool, typer.Option("--search", help="Try the recipe's `search` values and choose by held-out loss.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a finished or another training; an unfinished one of this recipe goes on."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds `kinj train`."""
    app.command("train", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(train)


def train(
    context: typer.Context,
    recipe: RecipeFile,
    *,
    dry_run: DryRun = False,
    search: Search = False,
    as_json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a model on texts, as a recipe says. `lm_eval --model kinj_rag --model_args pretrained=DIR` evaluates it.

    Any setting of the recipe, of TRL's SFTConfig and of its ModelConfig can follow the recipe as `--key value`.
    Interrupted, the same command goes on at the last checkpoint. Needs `pip install 'kinj[train]'`.

    Example: `kinj train paraphrase --dry-run` · `kinj train my.yaml --output_dir out --learning_rate 2e-5`

    Several processes: `torchrun --nproc_per_node 2 -m kinj_training my.yaml`
    """
    if recipe.startswith("-"):
        raise UserError(f"{recipe}: the recipe comes first: kinj train RECIPE {recipe} …")
    kept = ", which --overwrite keeps" if overwrite else ""
    with interruptible(f"type the same command to go on from the last checkpoint{kept}"):
        loaded = _module("recipe.loading").load_recipe(recipe, context.args)
        if dry_run:
            _module("dry_run").dry_run(loaded, as_json=as_json)
        elif search:
            _module("run.search").search(loaded, as_json=as_json, overwrite=overwrite)
        else:
            _module("run.train").train(loaded, overwrite=overwrite)


def _module(name: str) -> Any:  # Any: a module of kinj_training, which this package does not import before it is needed
    try:
        return importlib.import_module(f"kinj_training.{name}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in ("trl", "peft"):
            raise MissingExtraError(error.name, "train", "training") from error
        raise
