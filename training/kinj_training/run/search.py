"""The choice among a grid of settings, by held-out loss."""

from __future__ import annotations

import itertools
import json
import logging
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from kinj.errors import UserError
from kinj.manifest import read_manifest, write_whole
from kinj_training.base import load_tokenizer
from kinj_training.plan import make_plan
from kinj_training.recipe.loading import load_overridden
from kinj_training.recipe.parsing import Overrides, without, words_of
from kinj_training.recipe.recipe import Recipe
from kinj_training.recipe.settings import Json
from kinj_training.run.folder import clear
from kinj_training.run.requirements import refuse_overlap, world_size
from kinj_training.run.train import train

log = logging.getLogger(__name__)

NAME = "search.json"


def search(recipe: Recipe, *, as_json: bool = False, overwrite: bool = False) -> Json:
    """What was tried and chosen, also written to `search.json` in the recipe's output_dir and printed.

    Each point of the grid is a training of its own in output_dir/search, finished or gone on with by the same call.

    Raises:
        UserError: the recipe has no grid or stages, nothing is held out, or a searched setting is also given.
    """
    _refuse_unsearchable(recipe)
    folder = Path(str(recipe.training.output_dir))
    points = [dict(zip(recipe.search, values, strict=True)) for values in itertools.product(*recipe.search.values())]
    # All are read before the first is trained: a bad value ends here.
    recipes = [
        load_overridden(recipe.path, {**recipe.overrides, **_overrides(point), **_place(folder, point)})
        for point in points
    ]
    for run_recipe in recipes:
        refuse_overlap(run_recipe)
    if not make_plan(recipes[0], load_tokenizer(recipes[0].base), world_size()).held_out:
        raise UserError(f"{recipe.path}: nothing is held out: --search chooses by the loss on validation paraphrases")
    if overwrite:
        with recipe.training.main_process_first(local=False):
            if recipe.training.process_index == 0 and (folder / NAME).is_file():
                _forget(folder, recipes)
    runs = []
    for number, (point, run_recipe) in enumerate(zip(points, recipes, strict=True), 1):
        if recipe.training.process_index == 0:
            log.info("run %d of %d: %s", number, len(points), " ".join(words_of(_overrides(point))))
        runs.append(_run(point, run_recipe, overwrite=overwrite))
    chosen = min(runs, key=lambda run: float(run["held_out_loss"]))
    # Not into the folder of the search itself.
    elsewhere = {"output_dir": f"{folder}-chosen"}
    words = words_of({**without(recipe.overrides, elsewhere), **_overrides({**chosen["settings"], **elsewhere})})
    result = {"runs": runs, "chosen": chosen, "command": shlex.join(["kinj", "train", str(recipe.path), *words])}
    if recipe.training.process_index == 0:
        write_whole(folder / NAME, json.dumps(result, indent=2) + "\n")
        _show(result, as_json=as_json)
    return result


def _refuse_unsearchable(recipe: Recipe) -> None:
    if recipe.stages or not recipe.search:
        raise UserError(
            f"{recipe.path}: --search needs a grid in a recipe of one training, for example "
            "`search: {learning_rate: [1.0e-5, 3.0e-5], num_train_epochs: [1, 3]}`"
        )
    for key in recipe.search:
        if key in recipe.overrides:
            raise UserError(f"--{key} is given, but {recipe.path} searches it: leave one of them out")


def _forget(folder: Path, recipes: Sequence[Recipe]) -> None:
    """Removes a finished search, so that it can be done anew: its table first, without which it is unfinished."""
    (folder / NAME).unlink()
    for recipe in recipes:
        clear(Path(str(recipe.training.output_dir)))


def _run(point: Json, recipe: Recipe, *, overwrite: bool) -> Json:
    """The settings, losses, cost and folder of one point, which is trained unless it is there already."""
    folder = train(recipe, overwrite=overwrite, anew=False)
    manifest = read_manifest(folder, "add --overwrite")
    losses = manifest["held_out_losses"]
    recipe.training.distributed_state.wait_for_everyone()
    if recipe.training.process_index == 0:
        for checkpoint in folder.glob("checkpoint-*"):  # a grid of them would fill the disk; the weights stay
            shutil.rmtree(checkpoint)
    return {
        "settings": point,
        "held_out_loss": losses[-1]["loss"],
        "held_out_losses": losses,
        "tokens": manifest["tokens"],
        "seconds": manifest["seconds"],
        "folder": str(folder),
    }


def _overrides(point: Json) -> Overrides:
    """The settings as the command line would give them."""
    return {key: (f"--{key}", *map(str, value if isinstance(value, list) else [value])) for key, value in point.items()}


def _place(folder: Path, point: Json) -> Overrides:
    """A folder of the point's own."""
    name = "_".join(word.removeprefix("--").replace("/", "-") for word in words_of(_overrides(point)))
    return _overrides({"output_dir": folder / "search" / name})


def _show(result: Json, *, as_json: bool) -> None:
    console = Console()
    if as_json:
        console.print_json(json.dumps(result))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in result["runs"][0]["settings"]:
        table.add_column(name, justify="right")
    table.add_column("held-out loss", justify="right")
    table.add_column("after each evaluation")
    for run in sorted(result["runs"], key=lambda run: float(run["held_out_loss"])):
        losses = " ".join(f"{line['loss']:.4f}" for line in run["held_out_losses"])
        table.add_row(*map(str, run["settings"].values()), f"{run['held_out_loss']:.4f}", losses)
    console.print(table)
    console.print(f"the best is in {result['chosen']['folder']}; to train it again elsewhere:", soft_wrap=True)
    console.print(f"  {result['command']}", soft_wrap=True, markup=False)
