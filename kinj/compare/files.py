"""Plan files: a person's own, and those that ship with kinj."""

from __future__ import annotations

from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.compare.plan import Plan, make_plan
from kinj.errors import UserError, nearest
from kinj.settings_file import read_settings


def load_plan(name: str) -> Plan:
    """The plan in a file, or the shipped one of that name.

    Raises:
        UserError: neither is there, it is not YAML, or it holds what no plan can.
    """
    file = find_plan(name)
    return make_plan(str(file), read_settings(file))


def find_plan(name: str) -> Path:
    """The file of that path, else the shipped plan of that name.

    Raises:
        UserError: neither is there; lists the shipped ones.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_plans()
    if name in shipped:
        return shipped[name]
    near = nearest(name, shipped)
    hint = f"did you mean {near!r}? " if near else ""
    raise UserError(f"{name}: no such file, and no plan that ships; {hint}There are {', '.join(shipped)}")


def shipped_plans() -> dict[str, Path]:
    """Name to file of the plans that ship."""
    return {file.stem: file for file in sorted((Path(__file__).parent / "plans").glob("*.yaml"))}


def as_yaml(plan: Plan) -> str:
    """The plan as a file that gives it again, every default written out."""
    text: str = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    return text
