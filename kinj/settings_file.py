"""Files of settings that people write: recipes and plans, as YAML."""

from __future__ import annotations

from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.errors import UserError
from kinj.records import Json


def read_settings(path: Path) -> Json:
    """The values of a YAML file, by the safe loader.

    Raises:
        UserError: it is not YAML, no mapping of settings, or a key stands in it twice.
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
