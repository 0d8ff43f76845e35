"""Plan files: a person's own, and those that ship with kinj."""

from __future__ import annotations

from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.compare.plan import Plan, make_plan
from kinj.errors import UserError, nearest
from kinj.records import Json


def load_plan(name: str) -> Plan:
    """The plan in a file, or the shipped one of that name.

    Raises:
        UserError: neither is there, it is not YAML, or it holds what no plan can.
    """
    file = find_plan(name)
    return make_plan(str(file), _read(file))


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


def _read(file: Path) -> Json:
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{file}: expected a mapping of settings, one `key: value` a line")
    return values


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # untyped
    """YAML's safe loader, for which a key that stands twice is a mistake; PyYAML takes the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Json:
        """The mapping.

        Raises:
            yaml.constructor.ConstructorError: a key stands in it twice; says where.
        """
        keys = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in keys[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands here twice", key.start_mark)
        values: Json = super().construct_mapping(node, deep=deep)
        return values
