"""Puts the interpreter-start hook into editable installs too, where hatchling's force-include does not reach."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EditableHook(BuildHookInterface):  # type: ignore[misc]  # Any: hatchling is not read by mypy here
    """Adds the .pth file, and the .start file that Python 3.15 reads in its place, to an editable wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # Any: hatchling's own structure
        """Called by hatchling before it builds; `version` is "editable" or "standard"."""
        if version == "editable":
            for name in ("kinj_lm_eval_hook.pth", "kinj_lm_eval_hook.start"):
                build_data["force_include_editable"][name] = name
