"""What a recipe asks of this machine, checked before anything is loaded."""

from __future__ import annotations

import importlib.util

from transformers.integrations.integration_utils import get_available_reporting_integrations

from kinj.errors import UserError
from kinj_training.recipe import Recipe


def refuse_unmet(recipe: Recipe) -> None:
    """Returns if what the recipe reports to and loads weights with is installed.

    Raises:
        UserError: it is not, or quantised weights are to be trained without an adapter.
    """
    available: list[str] = get_available_reporting_integrations()  # type: ignore[no-untyped-call]  # transformers' own
    for name in recipe.training.report_to or ():
        if name not in (*available, "none", "all"):
            raise UserError(
                f"report_to: {name} is not installed: pip install it, or choose among {', '.join(['none', *available])}"
            )
    for key in ("load_in_4bit", "load_in_8bit"):
        if not getattr(recipe.model, key):
            continue
        if not recipe.model.use_peft:
            raise UserError(f"{key}: quantised weights are not trained themselves: add use_peft: true")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise UserError(f"{key} needs bitsandbytes, which is not installed: pip install bitsandbytes")
