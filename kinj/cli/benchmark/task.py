"""`kinj benchmark task`: a task of its own name for a benchmark folder."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.cli.options import Benchmark
from kinj.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Scored(StrEnum):
    """What of an answer is scored."""

    letter = "letter"
    option = "option"
    open = "open"


#: the task that a new one is a copy of
_BASES = {
    Scored.letter: "kinj_benchmark",
    Scored.option: "kinj_benchmark_option",
    Scored.open: "kinj_benchmark_generate",
}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the task: letters, digits, _ . -", show_default=False)]
What = Annotated[
    Scored | None,
    typer.Option(
        "--scored",
        help="The letter, the option's text (for small models), or an open answer. By default the letter, or an open "
        "answer where no question has options.",
    ),
]


def task(folder: Benchmark, name: Name, *, scored: What = None) -> None:
    """Print the YAML of an lm-eval task of its own name that asks a benchmark folder.

    Example: `kinj benchmark task my_benchmark my_task > tasks/my_task.yaml`

    Then: `lm_eval --include_path tasks --tasks my_task --model kinj_rag`
    """
    from kinj.benchmark import collection_folder, open_benchmark, shipped_collections

    shipped = _task_folder()
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a task: letters, digits, _ . - only, a letter or digit first")
    if (shipped / f"{name}.yaml").is_file():
        raise UserError(f"{name} is a task of kinj already: choose another name")
    place = collection_folder(folder)
    questions = open_benchmark(place).questions
    has_options = any(question.choices for question in questions)
    is_open = any(question.accepted_answers for question in questions)
    wanted = scored or (Scored.letter if has_options else Scored.open)
    if not (is_open if wanted is Scored.open else has_options):
        raise UserError(f"--scored {wanted}: no question of {place} can be asked so")
    config = _flat(shipped / f"{_BASES[wanted]}.yaml")
    values: dict[str, Any] = {"task": name, **{key: value for key, value in config.items() if key != "task"}}
    address = folder if folder in shipped_collections() else str(place.resolve())
    values["metadata"] = {**config["metadata"], "benchmark": address}
    typer.echo(f"# lm_eval --include_path FOLDER_OF_THIS_FILE --tasks {name} --model kinj_rag")
    typer.echo(f"# Asks {address}; prompts, shots and scores are those of {_BASES[wanted]}.")
    typer.echo(yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000), nl=False)


class _Function(str):
    """The Python function that `!function` names; it is copied, not imported."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # untyped
    """Reads lm-eval's task files."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # untyped
    """Writes them."""


def _quoted(dumper: Any, value: str) -> Any:  # Any: YAML's own nodes
    """A text, on one line whatever it holds: prompts are read as they are sent."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)


_Loader.add_constructor("!function", lambda loader, node: _Function(loader.construct_scalar(node)))
_Dumper.add_representer(str, _quoted)
_Dumper.add_representer(_Function, lambda dumper, value: dumper.represent_scalar("!function", str(value)))


def _task_folder() -> Any:  # Any: a path; by its name as text, since the core imports no plugin
    from importlib import import_module

    return import_module("kinj_lm_eval_plugin").task_folder()


def _flat(path: Any) -> dict[str, Any]:  # Any: a path; YAML values
    """A task file with everything that it includes, in one."""
    config: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a SafeLoader
    included = config.pop("include", None)
    return (_flat(path.parent / included) if included else {}) | config
