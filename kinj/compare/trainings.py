"""From an injection arm to what makes its weights: a `kinj train` command, or weights that somebody else has made."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinj.compare.identity import LOADERS, RecipeFiles, results_sha256, training_of, weights_of
from kinj.compare.plan import InjectionArm, ModelSettings, Plan
from kinj.compare.processes import PYTHON
from kinj.errors import UserError
from kinj.hub.packaged import DEMO
from kinj.records import Json
from kinj.settings_file import read_settings


@dataclass(frozen=True, slots=True)
class Training:
    """How a unit's weights are made: `kinj train` and these words, an output folder behind them."""

    words: tuple[str, ...]
    #: the recipe's values to try, each combination a training, one of which is chosen; empty: nothing is searched
    grid: dict[str, list[Any]] = field(default_factory=dict)  # Any: values of many settings
    #: that compute it together, each on a device of its own where there are devices
    processes: int = 1
    #: accelerate's configuration file that they are started with; None: torchrun
    launch: str | None = None

    def command(self, folder: Path) -> list[str]:
        """What trains into the folder, in as many processes as it wants."""
        words = [*self.words, *(["--search"] if self.searches else []), "--output_dir", str(folder)]
        count, train = str(self.processes), [*PYTHON, "kinj.cli", "train", *words]
        if self.processes == 1:
            return train
        if self.launch is None:
            return [*PYTHON, "torch.distributed.run", "--standalone", "--nproc_per_node", count, "--no-python", *train]
        # Port 0: one that is free, as other trainings may run beside it.
        launch = [*PYTHON, "accelerate.commands.launch", "--config_file", self.launch, "--main_process_port", "0"]
        return [*launch, "--num_processes", count, "--no_python", *train]

    @property
    def searches(self) -> bool:
        """Whether the recipe's grid is searched."""
        return bool(self.grid)


def make_training(
    plan: Plan, model: ModelSettings, arm: InjectionArm, beside: Path, recipes: RecipeFiles
) -> tuple[Json | None, Training | None]:
    """What shapes the weights besides model and seed, and the training that makes them.

    None and None for the arm `none`; no training where the weights are there already, somebody else's.

    Raises:
        UserError: a recipe or weights that are not there, a model that cannot be trained, or a setting that is given
            and searched.
    """
    for key, named in (("checkpoint", arm.checkpoint), ("adapter", arm.adapter)):
        if named is not None:
            return {key: weights_of(ModelSettings(pretrained=named))}, None
    if arm.results is not None:
        return {"results": results_sha256(Path(arm.results))}, None
    if arm.recipe is None:
        return None, None
    if model.base not in LOADERS:
        raise UserError(f"injection arm {arm.name}: a model behind base={model.base} cannot be trained here")
    file = recipes.find_recipe(Path(arm.recipe), beside)
    values = read_settings(file)
    grid = (values.get("search") or {}) if arm.search else {}
    if both := sorted(set(grid) & set(arm.settings)):
        raise UserError(
            f"injection arm {arm.name}: {both[0]} is given, but {file} searches it: leave one of them out, or say "
            "search: false"
        )
    words = [str(file.resolve()), "--model_name_or_path", model.pretrained or DEMO.hub_name]
    words += [] if model.revision is None else ["--model_revision", model.revision]
    words += [] if plan.benchmark is None or "collection" in arm.settings else ["--collection", plan.benchmark]
    for key, value in arm.settings.items():
        words += [f"--{key}", *_as_words(value)]
    content = training_of(arm, file, plan.benchmark, recipes)
    processes = arm.settings.get("num_processes", values.get("num_processes"))
    return content, Training(
        tuple(words),
        grid,
        processes if isinstance(processes, int) else 1,
        None if arm.launch is None else _launch_file(arm, beside),
    )


def _launch_file(arm: InjectionArm, beside: Path) -> str:
    for file in (beside / str(arm.launch), Path(str(arm.launch))):
        if file.is_file():
            return str(file.resolve())
    raise UserError(f"injection arm {arm.name}: launch: no file {arm.launch}: name one that `accelerate config` writes")


def with_seed(training: Training | None, seed: int | None, *, searches: bool) -> Training | None:
    """The training with its seed, which draws the order of texts too; its grid stays where it is to be searched."""
    if training is None:
        return None
    words = (*training.words, "--seed", str(seed), "--data_seed", str(seed))
    return replace(training, words=words, grid=training.grid if searches else {})


def with_found(training: Training, found: Json) -> Training:
    """The training with the settings that a search has chosen, in the place of the search."""
    words = [word for key, value in found.items() for word in (f"--{key}", *_as_words(value))]
    return replace(training, words=(*training.words, *words), grid={})


def _as_words(value: Any) -> list[str]:  # Any: as YAML has it
    return [_as_word(one) for one in (value if isinstance(value, list) else [value])]


def _as_word(value: Any) -> str:  # Any: as YAML has it
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)
